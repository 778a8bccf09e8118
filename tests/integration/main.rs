//! Tests of the whole: one binary, so that it links once.

mod conformance;
mod crash;
mod fold;
mod shop;
