//! What the tests of all crates share: a row oracle, histories of a source, an in-memory table format, the suite that
//! every table format passes, and a world (store, clock, ids) that fails on command. Not published.
//!
//! Everything here runs inside tests, so a broken expectation of the kit itself panics.

pub mod arrivals;
pub mod batch;
pub mod cell;
pub mod columns;
pub mod conformance;
pub mod debezium;
pub mod faults;
pub mod files;
pub mod histories;
pub mod memory;
pub mod oracle;
pub mod world;
