//! Changes of a table without a key.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use futures::TryStreamExt;
use waterline_core::change::{ChangeBatch, EVENT_TIME};
use waterline_core::changes::{appended, takes_part};
use waterline_core::collapse::BeforeRows;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FilePruner, FileSummary};
use waterline_core::value::Value;

use super::{Feed, Stretch};
use crate::events::Window;
use crate::parquet_io::{Rows, TableColumns};

/// Rows of a batch of events.
const BATCH_ROWS: usize = 1 << 13;

impl Stretch {
    /// Without truncates each create stands for itself. A truncate has to know all events that it may be before or after.
    pub(super) async fn appended(&self, out: &Feed) -> Result<()> {
        let past = self.until.past();
        let columns = TableColumns::of(past.log)?;
        let mut events = vec![RecordBatch::new_empty(columns.schema().clone())];
        for file in self.log_files().await? {
            let opened = past.lake.files.open_data_file(past.log, &file).await?;
            let mut batches = opened.read(&columns, Rows::All, BATCH_ROWS).await?;
            while let Some(batch) = batches.try_next().await? {
                let batch = self.until.window().filter(&batch)?;
                if past.counts.truncates > 0 { events.push(batch) } else { self.tell_appended(&batch, out).await? }
            }
        }
        self.tell_appended(&concat_batches(columns.schema(), &events)?, out).await
    }

    async fn tell_appended(&self, events: &RecordBatch, out: &Feed) -> Result<()> {
        let all = ChangeBatch::try_new(events.clone())?;
        let takes_part = takes_part(&all, self.since_us());
        let mask: BooleanArray = (0..all.len()).map(|row| Some(takes_part(row))).collect();
        let events = ChangeBatch::try_new(filter_record_batch(events, &mask)?)?;
        let walked = appended(&events, self.table_schema(), self.since_us(), self.detail)?;
        for from in (0..walked.len()).step_by(BATCH_ROWS) {
            out.send(walked.assemble(from..walked.len().min(from + BATCH_ROWS), &BeforeRows::default())?).await?;
        }
        Ok(())
    }

    async fn log_files(&self) -> Result<Vec<DataFile>> {
        let past = self.until.past();
        let after_us = if past.counts.truncates > 0 { None } else { Some(self.since_us()) };
        past.pair.changelog.data_files(past.log, &Later { window: self.until.window(), after_us }).await
    }
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
