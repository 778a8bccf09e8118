//! Does what `waterline-core` decides: reads, writes and commits, through an object store and a table format.

pub mod as_of;
mod bytes_in;
mod carry;
pub mod changes;
mod commit;
pub mod diff;
pub mod dump;
mod events;
pub mod export;
pub mod ingest;
pub mod lake;
pub mod load;
pub mod locate;
pub mod log;
pub mod maintain;
pub mod merge;
pub mod parquet_io;
pub mod progress;
pub mod quarantine;
pub mod read;
pub mod runs;
pub mod tables;
pub mod tags;
pub mod write;
