//! The crate through its public API: real catalogs in a temporary folder, real Parquet files.

mod faults;
mod foreign;
mod lake;
mod rows;

mod aside;
mod commits;
mod creation;
mod other_writers;
mod races;
mod schemas;
mod tidy;
