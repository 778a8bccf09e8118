//! Tests of the whole: one binary, so that it links once.

mod bad_input;
mod debezium;
mod fold;
mod shell;
mod tpcc;
