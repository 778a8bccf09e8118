//! Tests of the whole: one binary, so that it links once.

mod bad_input;
mod cli;
mod debezium;
mod fold;
mod rules;
mod shell;
mod tpcc;
