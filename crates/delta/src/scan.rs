//! The live data files of a state, with what is known of them.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use parquet::file::metadata::ParquetMetaDataReader;
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, DeleteState, FilePruner};
use waterline_env::files::Files;

use crate::snapshot::{LiveFile, Snapshot};

const CONCURRENT_READS: usize = 16;
/// The length of the metadata and the magic number, at the end of a Parquet file.
const TAIL_BYTES: u64 = 8;

/// What a [`DataFile`] of this crate holds inside.
#[derive(Debug)]
pub(crate) struct PlannedFile {
    pub(crate) live: Arc<LiveFile>,
    /// The folder of the log that names the file.
    pub(crate) root: String,
}

impl PlannedFile {
    pub(crate) fn of(file: &DataFile) -> Result<&Self> {
        file.inner.downcast_ref().ok_or_else(|| Error::internal("the data file is of another table format"))
    }
}

pub(crate) async fn data_files(files: &Files, snapshot: &Snapshot, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
    let mut kept = Vec::new();
    for live in snapshot.files.values() {
        if prune.keep(&live.known()?.summary) {
            kept.push(planned(files, snapshot, live));
        }
    }
    stream::iter(kept).buffered(CONCURRENT_READS).try_collect().await
}

async fn planned(files: &Files, snapshot: &Snapshot, live: &Arc<LiveFile>) -> Result<DataFile> {
    let deletes = if live.add.deletion_vector.is_some() { DeleteState::Some } else { DeleteState::None };
    Ok(DataFile {
        path: live.path.clone(),
        size_bytes: live.add.size.cast_unsigned(),
        record_count: record_count(files, live).await?,
        summary: live.known()?.summary.clone(),
        deletes,
        deleted_rows: Some(live.add.deletion_vector.as_ref().map_or(0, |vector| vector.cardinality.cast_unsigned())),
        equality_deletes: Vec::new(),
        lineage: None,
        inner: Arc::new(PlannedFile { live: live.clone(), root: snapshot.root.clone() }),
    })
}

/// Rows of a file, deleted ones too; from the file where the log does not say it.
pub(crate) async fn record_count(files: &Files, live: &LiveFile) -> Result<u64> {
    if let Some(count) = live.known()?.record_count {
        return Ok(count);
    }
    let corrupt = || Error::corrupt("not a Parquet file of the size that the log says").with("file", &live.path);
    let size = u64::try_from(live.add.size).map_err(|_| corrupt())?;
    let tail = files.read_range(&live.path, size.checked_sub(TAIL_BYTES).ok_or_else(corrupt)?..size).await?;
    let length = tail.first_chunk().map(|length| u64::from(u32::from_le_bytes(*length))).ok_or_else(corrupt)?;
    let end = size - TAIL_BYTES;
    let footer = files.read_range(&live.path, end.checked_sub(length).ok_or_else(corrupt)?..end).await?;
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(|e| corrupt().caused_by(e))?;
    u64::try_from(metadata.file_metadata().num_rows()).map_err(|_| corrupt())
}
