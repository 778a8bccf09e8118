//! Tests of the whole: one binary, so that it links once.

mod conformance;
mod crash;
mod debezium;
mod faults;
mod fold;
mod new_tables;
mod shell;
mod shop;
mod tpcc;
