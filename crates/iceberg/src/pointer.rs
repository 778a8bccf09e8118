//! Where a catalog keeps which metadata file of a table is the current one.

use std::fmt::Debug;

use async_trait::async_trait;
use uuid::Uuid;
use waterline_core::error::{Error, Result};

use crate::files::NewFile;
use crate::location::MetadataCodec;
use crate::metadata::Metadata;

#[async_trait]
pub(crate) trait Pointer: Send + Sync + Debug {
    /// Location of the current metadata file.
    async fn current(&self) -> Result<String>;

    /// Location of a metadata file that is to follow `base`. `id` is unique to the attempt.
    fn successor(&self, base: &Metadata, codec: MetadataCodec, id: Uuid) -> String;

    /// Writes the metadata file and makes it the current one, if `base` still is. An error means that it surely is not.
    async fn swap(&self, base: &str, next: &NewFile) -> Result<Swap>;

    /// Files in the table's folder that are the catalog's, as absolute URLs.
    fn own_files(&self) -> Vec<String>;
}

/// What became of a swap.
#[derive(Debug)]
pub(crate) enum Swap {
    Won,
    /// Another metadata file followed the base.
    Lost,
    /// The answer was lost; it may yet happen.
    Unknown(Error),
}
