//! Tests of the whole: one binary, so that it links once.

mod concurrency;
mod conformance;
mod crash;
mod faults;
mod fold;
mod memory;
mod shop;
