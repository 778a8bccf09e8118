//! The crate through its public API: real catalogs in a temporary folder, real Parquet files.

mod faults;
mod lake;
mod rows;

mod commits;
mod creation;
mod races;
mod schemas;
