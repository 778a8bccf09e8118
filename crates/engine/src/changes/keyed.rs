//! Changes of a table with a key.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use waterline_core::as_of::Plan;
use waterline_core::change::{ChangeBatch, key_fields};
use waterline_core::changes::{Detail, truncated, truncates, truncates_after, walk};
use waterline_core::error::{Error, Result};
use waterline_core::key::{KeyEncoder, KeyIndex};
use waterline_core::locate::key_columns;

use super::{Feed, Stretch};
use crate::as_of::{Bucket, Loaded, Onto, Residual, Whole};
use crate::read::{AsOfTable, from_datafusion};

/// Rows of a batch of the feed.
const BATCH_ROWS: usize = 1 << 13;

impl Stretch {
    pub(super) async fn keyed(&self, session: &SessionContext, out: &Feed) -> Result<()> {
        let serves =
            self.walk_buckets(&self.since, session, out).await? || self.walk_buckets(&self.since.from_baseline(), session, out).await?;
        if serves { Ok(()) } else { Err(Error::internal("a truncate is late although nothing is folded before it")) }
    }

    /// Returns whether the plan's base serves: nothing is told when a truncate sorts below what it has folded.
    async fn walk_buckets(&self, plan: &Plan, session: &SessionContext, out: &Feed) -> Result<bool> {
        let (past, window) = (self.until.past(), self.until.window());
        let (base, baseline) = past.grounds(plan).await?;
        let ground = past.ground(window.clone(), baseline.as_ref());
        let onto = Onto { state: base.as_ref(), record: &plan.base.record };
        for bucket in past.buckets(plan, &window, &self.limits).await? {
            match Residual::load(&ground, onto, bucket.clone(), Whole::ChangedAfter(self.since_us())).await? {
                Loaded::Residual(residual) => self.walk_bucket(&bucket, &residual, session, out).await?,
                // Truncates belong to every bucket, so the first one shows it.
                Loaded::LateTruncate => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn walk_bucket(&self, bucket: &Bucket, residual: &Residual, session: &SessionContext, out: &Feed) -> Result<()> {
        let mut told = KeyIndex::default();
        for history in residual.histories() {
            let walked = walk(history.events(), self.table_schema(), self.since_us(), self.detail)?;
            let before = history.before(walked.keys());
            for from in (0..walked.len()).step_by(BATCH_ROWS) {
                out.send(walked.assemble(from..walked.len().min(from + BATCH_ROWS), &before)?).await?;
            }
            for key in walked.keys().ids() {
                told.insert(walked.keys().key(key));
            }
        }
        let events = residual.truncates();
        let rows = truncates_after(events, self.since_us());
        match (self.detail, rows.last()) {
            (Detail::EveryEvent, Some(_)) if bucket.number == 0 => out.send(truncates(self.table_schema(), events, &rows)?).await,
            (Detail::Net, Some(last)) => self.rows_gone(bucket, &told, (events, *last), session, out).await,
            _ => Ok(()),
        }
    }

    /// The rows that no event but a truncate took away.
    async fn rows_gone(
        &self,
        bucket: &Bucket,
        told: &KeyIndex,
        (events, truncate): (&ChangeBatch, u32),
        session: &SessionContext,
        out: &Feed,
    ) -> Result<()> {
        let schema = self.table_schema();
        let fields = key_fields(schema);
        let encoder = KeyEncoder::new(&fields)?;
        let mut batches = self.rows_at_since(session).await?;
        while let Some(rows) = batches.try_next().await.map_err(from_datafusion)? {
            let keys = encoder.encode(&key_columns(&rows, &fields)?)?;
            let is_ours = |row: usize| bucket.holds(keys.row(row)) && told.get(keys.row(row)).is_none();
            let ours: BooleanArray = (0..rows.num_rows()).map(|row| Some(is_ours(row))).collect();
            out.send(truncated(schema, events, truncate, &filter_record_batch(&rows, &ours)?)?).await?;
        }
        Ok(())
    }

    async fn rows_at_since(&self, session: &SessionContext) -> Result<SendableRecordBatchStream> {
        let table = AsOfTable::new(self.until.at(&self.since_cut)?)?;
        let rows = session.read_table(Arc::new(table)).map_err(from_datafusion)?;
        rows.execute_stream().await.map_err(from_datafusion)
    }
}
