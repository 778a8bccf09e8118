//! A late truncate touches every key: the mirror is written anew, from its baseline and the whole changelog
//! (DESIGN.md rule 5). Keys are taken in buckets, so that memory does not grow with the table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use waterline_core::change::{BATCH, ChangeBatch, Op, key_fields};
use waterline_core::collapse::{BeforeRows, collapse, fold_order};
use waterline_core::conform::conform_batch;
use waterline_core::error::{Error, Result};
use waterline_core::format::{KeepAll, Removal, TableFormat, TableState};
use waterline_core::key::{KeyEncoder, hash_key};
use waterline_core::locate::key_columns;

use super::{Change, Fold, Stages};
use crate::parquet_io::{Rows, TableColumns};
use crate::read::Deletes;
use crate::write::DataWriter;

/// Events of a bucket, about.
const BUCKET_ROWS: u64 = 1_000_000;

/// One share of all keys.
#[derive(Clone, Copy)]
struct Bucket {
    number: u64,
    of: u64,
}

impl Fold<'_> {
    pub(super) async fn refold_all(&self, late: u64, stages: &mut Stages) -> Result<Change> {
        let started = self.lake.env.clock.now_us();
        let log = self.pair.changelog.head().await?;
        let events: u64 = self.pair.changelog.data_files(&log, &KeepAll).await?.iter().map(|file| file.record_count).sum();
        // Linked keys must share a bucket, and the rows of a table without a key have none.
        let whole = self.schema.keys().is_empty() || self.pending.log_continued_rows;
        let buckets = if whole { 1 } else { events.div_ceil(BUCKET_ROWS).max(1) };
        let mut change = Change { late, deleted: self.live_rows().await?, remove: Removal::All, ..Change::default() };
        let mut writer = DataWriter::new(&self.lake.env, &self.base)?;
        for number in 0..buckets {
            let rows = self.fold_bucket(&log, Bucket { number, of: buckets }, &mut change).await?;
            change.inserted += rows.num_rows() as u64;
            writer.write(&rows).await?;
        }
        change.add = writer.finish().await?;
        stages.write += self.since(started);
        Ok(change)
    }

    async fn fold_bucket(&self, log: &TableState, bucket: Bucket, change: &mut Change) -> Result<RecordBatch> {
        let changelog = &self.pair.changelog;
        let events = self.rows_of(changelog, log, bucket, |batch| self.is_admitted(batch)).await?;
        let events = ChangeBatch::try_new(events)?;
        let baseline = self.baseline_rows(bucket).await?;
        if self.schema.keys().is_empty() {
            return self.creates_since_truncate(&events, baseline);
        }
        let collapsed = collapse(&events, &self.schema)?;
        let mut by_key = HashMap::new();
        let mut untouched = Vec::new();
        if let Some(rows) = baseline.as_ref().filter(|_| !collapsed.truncated) {
            let encoded = collapsed.encoder().encode(&key_columns(rows, &key_fields(&self.schema))?)?;
            for (number, row) in encoded.iter().enumerate() {
                match collapsed.keys().get(row).filter(|key| collapsed.touches(*key)) {
                    Some(key) => drop(by_key.insert(key, number as u32)),
                    None => untouched.push(number as u32),
                }
            }
        }
        let assembled = collapsed.assemble(&BeforeRows { rows: baseline.clone(), by_key }, |_| true)?;
        change.unresolved += assembled.unresolved;
        let Some(rows) = baseline else { return Ok(assembled.upserts) };
        let kept = conform_batch(&arrow::compute::take_record_batch(&rows, &UInt32Array::from(untouched))?, &assembled.upserts.schema())?;
        Ok(concat_batches(&assembled.upserts.schema(), [&assembled.upserts, &kept])?)
    }

    fn creates_since_truncate(&self, events: &ChangeBatch, baseline: Option<RecordBatch>) -> Result<RecordBatch> {
        let (mut rows, mut kept) = (Vec::new(), baseline);
        for row in fold_order(events).0 {
            if events.op(row as usize)? == Op::Truncate {
                rows.clear();
                kept = None;
            } else {
                rows.push(row);
            }
        }
        let source = conform_batch(&events.source_columns()?, &self.base.schema)?;
        let created = arrow::compute::take_record_batch(&source, &UInt32Array::from(rows))?;
        match kept {
            Some(kept) => Ok(concat_batches(&self.base.schema, [&conform_batch(&kept, &self.base.schema)?, &created])?),
            None => Ok(created),
        }
    }

    async fn baseline_rows(&self, bucket: Bucket) -> Result<Option<RecordBatch>> {
        let Some(state) = self.baseline_state().await? else { return Ok(None) };
        self.rows_of(&self.pair.mirror, &state, bucket, |batch| Ok(BooleanArray::from(vec![true; batch.num_rows()]))).await.map(Some)
    }

    /// The anchor of the baseline, seen through today's schema; `None` when events fold onto nothing.
    pub(super) async fn baseline_state(&self) -> Result<Option<TableState>> {
        let Some(anchor) = &self.record.baseline.anchor else { return Ok(None) };
        let version = self.base.refs.get(anchor).ok_or_else(|| {
            Error::corrupt("the tag of the table's baseline is gone; events that arrive late cannot be folded")
                .with("table", self.pair.mirror.name())
                .with("tag", anchor)
        })?;
        let state = self.pair.mirror.at(&self.base, version.version).await?;
        Ok(Some(TableState { schema: self.base.schema.clone(), ..state }))
    }

    /// All live rows of a bucket that `wanted` admits; truncates belong to every bucket.
    async fn rows_of(
        &self,
        format: &Arc<dyn TableFormat>,
        state: &TableState,
        bucket: Bucket,
        wanted: impl Fn(&RecordBatch) -> Result<BooleanArray>,
    ) -> Result<RecordBatch> {
        let columns = TableColumns::of(state)?;
        let encoder = KeyEncoder::new(&key_fields(&self.schema))?;
        let deletes = Deletes::new(format.clone(), state, self.lake.files.clone())?;
        let mut batches = Vec::new();
        for file in format.data_files(state, &KeepAll).await? {
            let deleted = deletes.of(&file).await?;
            let opened = self.lake.files.open_data_file(state, &file).await?;
            let mut read = opened.read(&columns, Rows::Except(&deleted), 1 << 16).await?;
            while let Some(batch) = read.try_next().await? {
                let batch = filter_record_batch(&batch, &wanted(&batch)?)?;
                batches.push(self.in_bucket(batch, bucket, &encoder)?);
            }
        }
        Ok(concat_batches(columns.schema(), &batches)?)
    }

    fn in_bucket(&self, batch: RecordBatch, bucket: Bucket, encoder: &KeyEncoder) -> Result<RecordBatch> {
        if bucket.of == 1 {
            return Ok(batch);
        }
        let keys = encoder.encode(&key_columns(&batch, &key_fields(&self.schema))?)?;
        let ops = batch.column_by_name(waterline_core::change::OP).and_then(|c| c.as_string_opt::<i32>());
        let is_truncate = |row: usize| ops.is_some_and(|ops| ops.value(row) == Op::Truncate.as_str());
        let member: BooleanArray =
            keys.iter().enumerate().map(|(row, key)| Some(is_truncate(row) || hash_key(key) % bucket.of == bucket.number)).collect();
        Ok(filter_record_batch(&batch, &member)?)
    }

    /// Which events are of batches up to the folded one and newer than the baseline.
    pub(super) fn is_admitted(&self, events: &RecordBatch) -> Result<BooleanArray> {
        let all = ChangeBatch::try_new(events.clone())?;
        let ordinals = events.column_by_name(BATCH).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let ordinals = ordinals.ok_or_else(|| Error::corrupt("a changelog lacks a system column").with("column", BATCH))?;
        let upto = self.pending.upto.0;
        let admitted = self.record.baseline.admitted(&all)?;
        Ok((0..all.len()).map(|row| Some(ordinals.value(row) <= upto && admitted.value(row))).collect())
    }
}
