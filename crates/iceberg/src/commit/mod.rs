//! A commit is staged in memory first: new delete files, manifests, the manifest list and the table metadata that names
//! them. Then the files are written, and last the catalog is asked to take the metadata.

mod data_file;
mod leftovers;
mod manifests;
mod merge;
mod removal;
mod rows;
mod stage;
mod summary;

use std::sync::Arc;

use bytes::Bytes;
use iceberg::spec::TableMetadata;
use uuid::Uuid;
use waterline_core::error::Result;

use crate::files::NewFile;
use crate::metadata::{self, Metadata};
use crate::pointer::Pointer;

pub(crate) use leftovers::leftovers;
pub(crate) use stage::{Sources, stage};

/// Metadata that is to follow a base.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) base: String,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) bytes: Bytes,
}

impl Successor {
    pub(crate) fn new(base: &Metadata, table: TableMetadata, pointer: &dyn Pointer, id: Uuid) -> Result<Self> {
        let codec = metadata::codec(&table)?;
        let location = pointer.successor(base, codec, id);
        let bytes = metadata::serialise(&table, codec)?;
        Ok(Self { base: base.location.clone(), metadata: Arc::new(Metadata::parse(&location, &bytes)?), bytes })
    }

    pub(crate) fn file(&self) -> NewFile {
        NewFile { location: self.metadata.location.clone(), bytes: self.bytes.clone() }
    }
}
