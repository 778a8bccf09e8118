//! Position deletes and deletion vectors: which apply to a file, and what is in them. Equality deletes are handed on.

mod dangling;
pub(crate) mod index;
pub(crate) mod position;
pub(crate) mod puffin;
mod reader;

pub(crate) use dangling::DataIndex;
pub(crate) use index::{DeleteIndex, referenced_file};
pub(crate) use reader::DeleteReader;
pub(crate) use waterline_core::deletion_vector as vector;
