//! Tests of the whole: one binary, so that it links once.

mod conformance;
mod crash;
mod faults;
mod fold;
mod new_tables;
mod shop;
