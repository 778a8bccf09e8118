//! Tests of the whole: one binary, so that it links once.

mod bad_input;
mod changes;
mod cli;
mod concurrency;
mod conformance;
mod crash;
mod debezium;
mod event_time;
mod examples;
mod faults;
mod fold;
mod lineage;
mod locate;
mod memory;
mod new_tables;
mod older_dumps;
mod probe;
mod rules;
mod shell;
mod shop;
mod tags;
mod tpcc;
