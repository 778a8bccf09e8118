//! The events that a fold takes: from memory when they were just logged, else from the changelog.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::concat_batches;
use futures::TryStreamExt;
use waterline_core::change::{BATCH, ChangeBatch};
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FilePruner, TableFormat, TableState};
use waterline_core::record::{BatchOrdinal, LogCounts, log_header};
use waterline_core::rollbacks::Rollbacks;
use waterline_core::value::Value;

use crate::events::Window;
use crate::lake::{Lake, Limits};
use crate::log::LoggedBatch;
use crate::parquet_io::{Rows, TableColumns};

/// Bytes of columns in memory for a byte of their compressed file, about.
const BYTES_IN_MEMORY: u64 = 4;

/// Events of whole log batches.
#[derive(Debug)]
pub(crate) struct Pending {
    pub events: ChangeBatch,
    /// Ordinal of the last batch that they complete.
    pub upto: BatchOrdinal,
    /// Of the whole changelog.
    pub log_counts: LogCounts,
    pub rollbacks: Rollbacks,
}

impl Pending {
    pub(crate) fn of_batch(batch: &LoggedBatch) -> Self {
        Self {
            events: batch.events.clone(),
            upto: batch.header.batch,
            log_counts: batch.header.counts,
            rollbacks: batch.header.rollbacks.clone(),
        }
    }
}

/// Reads the next batches after `folded` up to `last`, as many as the limits allow, and at least one.
pub(crate) async fn read(
    lake: &Lake,
    changelog: &Arc<dyn TableFormat>,
    state: &TableState,
    folded: BatchOrdinal,
    last: BatchOrdinal,
    limits: &Limits,
) -> Result<Pending> {
    let header = log_header(state)?;
    let files = changelog.data_files(state, &Window::of_batches(folded, last, &header.rollbacks)).await?;
    let upto = last_that_fits(&files, folded, last, limits);
    let window = Window::of_batches(folded, upto, &header.rollbacks);
    let columns = TableColumns::of(state)?;
    let mut batches = Vec::new();
    for file in files.iter().filter(|file| window.keep(&file.summary)) {
        let deleted = changelog.deleted_rows(file).await?;
        let opened = lake.files.open_data_file(state, file).await?;
        let mut read = opened.read(&columns, Rows::Except(&deleted), 1 << 16).await?;
        while let Some(batch) = read.try_next().await? {
            batches.push(window.filter(&batch)?);
        }
    }
    let events = ChangeBatch::try_new(concat_batches(columns.schema(), &batches)?)?;
    Ok(Pending { events, upto, log_counts: header.counts, rollbacks: header.rollbacks })
}

/// The last ordinal so that the files up to it are within the limits, or the first that holds any events.
fn last_that_fits(files: &[DataFile], folded: BatchOrdinal, newest: BatchOrdinal, limits: &Limits) -> BatchOrdinal {
    let mut sizes: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for file in files {
        let last =
            file.summary.bounds.get(BATCH).and_then(|bounds| if let Some(Value::Int(last)) = bounds.upper { Some(last) } else { None });
        let (rows, bytes) = sizes.entry(last.unwrap_or(newest.0)).or_default();
        *rows += file.record_count;
        *bytes += file.size_bytes * BYTES_IN_MEMORY;
    }
    let (mut rows, mut bytes) = (0, 0);
    let mut upto = None;
    for (batch, size) in sizes {
        (rows, bytes) = (rows + size.0, bytes + size.1);
        let is_over = rows > limits.batch_rows as u64 || bytes > limits.batch_bytes as u64;
        if is_over && upto.is_some_and(|upto| upto > folded.0) {
            return BatchOrdinal(upto.unwrap_or(batch));
        }
        upto = Some(batch);
    }
    newest
}
