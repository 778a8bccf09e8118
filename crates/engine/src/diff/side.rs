//! One side of a comparison: a sorted stream, and where in it the walk is.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::row::{OwnedRow, Row, Rows};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use waterline_core::error::{Error, Result};
use waterline_core::key::KeyEncoder;

use super::SideReport;
use crate::read::from_datafusion;

pub(super) struct Side {
    stream: SendableRecordBatchStream,
    key_columns: Vec<usize>,
    /// The batch at hand and its keys; `None` at the end.
    at: Option<(RecordBatch, Rows)>,
    row: usize,
    /// The key of the row before the one at hand.
    before: Option<OwnedRow>,
    pub(super) report: SideReport,
}

impl Side {
    pub(super) async fn start(stream: SendableRecordBatchStream, key_columns: Vec<usize>, encoder: &KeyEncoder) -> Result<Self> {
        let mut side = Self { stream, key_columns, at: None, row: 0, before: None, report: SideReport::default() };
        side.next_batch(encoder).await?;
        Ok(side)
    }

    /// Leaves the batch at hand for the next one that holds rows.
    pub(super) async fn next_batch(&mut self, encoder: &KeyEncoder) -> Result<()> {
        let last = self.at.as_ref().and_then(|(_, keys)| keys.num_rows().checked_sub(1).map(|last| keys.row(last).owned()));
        self.before = last.or_else(|| self.before.take());
        self.row = 0;
        self.at = None;
        while let Some(batch) = self.stream.try_next().await.map_err(from_datafusion)? {
            if batch.num_rows() > 0 {
                let keys: Vec<ArrayRef> = self.key_columns.iter().map(|&column| batch.column(column).clone()).collect();
                let keys = encoder.encode(&keys)?;
                self.at = Some((batch, keys));
                break;
            }
        }
        Ok(())
    }

    /// The row at hand, `None` at the end of the batch.
    pub(super) fn row(&self) -> Option<usize> {
        self.at.as_ref().filter(|(batch, _)| self.row < batch.num_rows()).map(|_| self.row)
    }

    pub(super) fn key(&self) -> Option<Row<'_>> {
        let (_, keys) = self.at.as_ref()?;
        (self.row < keys.num_rows()).then(|| keys.row(self.row))
    }

    pub(super) fn batch(&self) -> Option<&RecordBatch> {
        self.at.as_ref().map(|(batch, _)| batch)
    }

    pub(super) fn has_batch(&self) -> bool {
        self.at.is_some()
    }

    /// Counts the row at hand and goes on to the next. Fails when the stream is not sorted.
    pub(super) fn step(&mut self) -> Result<()> {
        let Some((_, keys)) = &self.at else { return Ok(()) };
        let key = keys.row(self.row);
        let before = if self.row > 0 { Some(keys.row(self.row - 1)) } else { self.before.as_ref().map(OwnedRow::row) };
        match before.map(|before| before.cmp(&key)) {
            Some(std::cmp::Ordering::Equal) => self.report.repeated_keys += 1,
            Some(std::cmp::Ordering::Greater) => return Err(Error::internal("rows to compare are not sorted by their key")),
            _ => {}
        }
        self.report.rows += 1;
        self.row += 1;
        Ok(())
    }
}
