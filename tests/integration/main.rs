//! Tests of the whole: one binary, so that it links once.

mod debezium;
mod fold;
mod shell;
mod tpcc;
