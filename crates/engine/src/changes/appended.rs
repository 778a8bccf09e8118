//! Changes of a table without a key.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use futures::TryStreamExt;
use waterline_core::change::{ChangeBatch, EVENT_TIME, OP, Op};
use waterline_core::changes::{appended, takes_part};
use waterline_core::collapse::BeforeRows;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FilePruner, FileSummary};
use waterline_core::value::Value;

use super::{Feed, Stretch};
use crate::as_of::{Bucket, Dealt};
use crate::events::Window;
use crate::parquet_io::{Rows, TableColumns};

/// Rows of a batch of events.
const BATCH_ROWS: usize = 1 << 13;

impl Stretch {
    /// Without truncates each create stands for itself. A truncate has to know all events that it may be before or after, so then
    /// events are taken in shares with all truncates.
    pub(super) async fn appended(&self, out: &Feed) -> Result<()> {
        let past = self.until.past();
        if past.counts.truncates == 0 {
            return self.appended_share(None, out).await;
        }
        for bucket in past.buckets(&self.since.from_baseline(), &self.until.window(), &self.limits).await? {
            self.appended_share(Some(&bucket), out).await?;
        }
        Ok(())
    }

    async fn appended_share(&self, bucket: Option<&Bucket>, out: &Feed) -> Result<()> {
        let past = self.until.past();
        let (columns, window, dealt) = (TableColumns::of(past.log)?, self.until.window(), Dealt::of(past.schema)?);
        let mut events = vec![RecordBatch::new_empty(columns.schema().clone())];
        for file in self.log_files().await? {
            let opened = past.lake.files.open_data_file(past.log, &file).await?;
            let mut batches = opened.read(&columns, Rows::All, BATCH_ROWS).await?;
            while let Some(batch) = batches.try_next().await? {
                match bucket {
                    Some(bucket) => {
                        let mask = bucket.mask(&batch, window.mask(&batch)?, &dealt)?;
                        events.push(filter_record_batch(&batch, &mask)?);
                    }
                    None => self.tell_appended(&window.filter(&batch)?, true, out).await?,
                }
            }
        }
        let tells_truncates = bucket.is_none_or(|bucket| bucket.number == 0);
        self.tell_appended(&concat_batches(columns.schema(), &events)?, tells_truncates, out).await
    }

    async fn tell_appended(&self, events: &RecordBatch, tells_truncates: bool, out: &Feed) -> Result<()> {
        let all = ChangeBatch::try_new(events.clone())?;
        let takes_part = takes_part(&all, self.since_us());
        let mask: BooleanArray = (0..all.len()).map(|row| Some(takes_part(row))).collect();
        let events = ChangeBatch::try_new(filter_record_batch(events, &mask)?)?;
        let walked = appended(&events, self.table_schema(), self.since_us(), self.detail)?;
        for from in (0..walked.len()).step_by(BATCH_ROWS) {
            let rows = walked.assemble(from..walked.len().min(from + BATCH_ROWS), &BeforeRows::default())?;
            out.send(if tells_truncates { rows } else { without_truncates(&rows)? }).await?;
        }
        Ok(())
    }

    async fn log_files(&self) -> Result<Vec<DataFile>> {
        let past = self.until.past();
        let after_us = if past.counts.truncates > 0 { None } else { Some(self.since_us()) };
        past.pair.changelog.data_files(past.log, &Later { window: self.until.window(), after_us }).await
    }
}

fn without_truncates(feed: &RecordBatch) -> Result<RecordBatch> {
    let ops = feed.column_by_name(OP).and_then(|ops| ops.as_string_opt::<i32>());
    let is_other = |row| ops.is_none_or(|ops| ops.value(row) != Op::Truncate.as_str());
    Ok(filter_record_batch(feed, &(0..feed.num_rows()).map(|row| Some(is_other(row))).collect())?)
}

/// Files of a window that may hold events after a time.
struct Later {
    window: Window,
    after_us: Option<i64>,
}

impl FilePruner for Later {
    fn keep(&self, file: &FileSummary) -> bool {
        let newest = file.bounds.get(EVENT_TIME).and_then(|bounds| bounds.upper.as_ref());
        let is_earlier = matches!((newest, self.after_us), (Some(Value::Int(newest)), Some(after)) if *newest <= after);
        !is_earlier && self.window.keep(file)
    }
}
