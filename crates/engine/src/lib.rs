//! Does what `waterline-core` decides: reads and writes files, runs queries.

pub mod parquet_io;
pub mod read;
