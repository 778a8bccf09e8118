//! Does what `waterline-core` decides: reads, writes and commits, through an object store and a table format.

pub mod lake;
pub mod write;
