//! The events that a fold takes: from memory when they were just logged, else from the changelog.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use waterline_core::change::{BATCH, ChangeBatch};
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, FilePruner, FileSummary, TableFormat, TableState};
use waterline_core::record::{BatchOrdinal, log_header};
use waterline_core::value::Value;

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
    /// Whether the changelog holds a truncate anywhere.
    pub log_truncates: bool,
    /// Whether it holds key changes that continue the row of the old key.
    pub log_continued_rows: bool,
}

impl Pending {
    pub(crate) fn of_batch(batch: &LoggedBatch) -> Self {
        Self {
            events: batch.events.clone(),
            upto: batch.header.batch,
            log_truncates: batch.header.counts.truncates > 0,
            log_continued_rows: batch.header.counts.continued_rows > 0,
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
    let files = changelog.data_files(state, &BatchRange { above: folded.0, upto: last.0 }).await?;
    let upto = last_that_fits(&files, folded, last, limits);
    let range = BatchRange { above: folded.0, upto: upto.0 };
    let columns = TableColumns::of(state)?;
    let mut batches = Vec::new();
    for file in files.iter().filter(|file| range.keep(&file.summary)) {
        let deleted = changelog.deleted_rows(file).await?;
        let opened = lake.files.open_data_file(state, file).await?;
        let mut read = opened.read(&columns, Rows::Except(&deleted), 1 << 16).await?;
        while let Some(batch) = read.try_next().await? {
            batches.push(range.filter(&batch)?);
        }
    }
    let events = ChangeBatch::try_new(concat_batches(columns.schema(), &batches)?)?;
    Ok(Pending { events, upto, log_truncates: header.counts.truncates > 0, log_continued_rows: header.counts.continued_rows > 0 })
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

/// Events of the batches `(above, upto]`.
struct BatchRange {
    above: i64,
    upto: i64,
}

impl BatchRange {
    fn filter(&self, events: &RecordBatch) -> Result<RecordBatch> {
        let ordinals = events.column_by_name(BATCH).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let ordinals = ordinals.ok_or_else(|| Error::corrupt("a changelog lacks a system column").with("column", BATCH))?;
        let wanted: BooleanArray = ordinals.iter().map(|ordinal| Some(ordinal.is_some_and(|n| n > self.above && n <= self.upto))).collect();
        Ok(filter_record_batch(events, &wanted)?)
    }
}

impl FilePruner for BatchRange {
    fn keep(&self, file: &FileSummary) -> bool {
        let Some(bounds) = file.bounds.get(BATCH) else { return true };
        let below = matches!(bounds.upper, Some(Value::Int(last)) if last <= self.above);
        let above = matches!(bounds.lower, Some(Value::Int(first)) if first > self.upto);
        !below && !above
    }
}
