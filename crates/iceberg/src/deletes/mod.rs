//! Position deletes and deletion vectors: which apply to a file, and what is in them. Equality deletes are handed on.

pub(crate) mod index;
pub(crate) mod position;
pub(crate) mod puffin;
mod reader;

pub(crate) use index::DeleteIndex;
pub(crate) use reader::DeleteReader;
pub(crate) use waterline_core::deletion_vector as vector;
