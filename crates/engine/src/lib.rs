//! Does what `waterline-core` decides: reads, writes and commits, through an object store and a table format.

mod commit;
pub mod lake;
pub mod locate;
pub mod log;
pub mod merge;
mod parquet_io;
pub mod write;
