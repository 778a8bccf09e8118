//! Reading Parquet files as a table sees them: whatever a file's columns are called, in whatever order and of whatever
//! older type they are stored, a reader gets the columns of the table's schema.
//!
//! Everything rests on one step, [`TableColumns::view`]: the footer of a file is rewritten so that its columns carry the
//! names that the table has for them. Every reader, DataFusion's too, then matches columns by name.

mod cache;
mod cell;
mod columns;
mod decode;
mod error;
mod file;
mod keys;
mod mapping;
mod read;
mod rename;
mod scalar;
mod selection;
mod trust;

pub use columns::TableColumns;
pub use file::{ParquetFile, ParquetFiles};
pub use read::{PositionedBatch, Rows};

pub(crate) use cell::decoded_cell;
pub(crate) use error::from_chain;
pub(crate) use file::StoredFile;
pub(crate) use keys::KeyColumns;
pub(crate) use scalar::{constants, scalar};
pub(crate) use selection::{select_except, select_only};
