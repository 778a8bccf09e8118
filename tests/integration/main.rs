//! Tests of the whole: one binary, so that it links once.

mod bad_input;
mod changes;
mod cli;
mod concurrency;
mod conformance;
mod crash;
mod debezium;
mod diff;
mod event_time;
mod examples;
mod export;
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
mod status;
mod tags;
mod tpcc;
