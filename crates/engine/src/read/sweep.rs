//! One query at many moments of the source, in one sorted sweep that shares the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use waterline_core::as_of::Cut;
use waterline_core::error::{Error, Result};
use waterline_core::format::Catalog;
use waterline_env::Env;

use super::error::from_datafusion;
use super::query::query;
use super::session::{SessionOptions, session_of};
use super::version::ReadAt;

/// Name of the column with the moment that a result belongs to.
pub const MOMENT: &str = "as_of";

/// The moments of a sweep, oldest first, and the one that is read now.
#[derive(Debug)]
pub(super) struct Moments {
    pub(super) at_us: Vec<i64>,
    now: AtomicUsize,
}

impl Moments {
    pub(super) fn now(&self) -> usize {
        self.now.load(Ordering::Acquire)
    }
}

/// A query that is run at one moment after the other. All tables stay as they were when the query first named them, so that what
/// is logged meanwhile changes no result.
pub struct SweepQuery {
    session: SessionContext,
    moments: Arc<Moments>,
    sql: String,
    next: usize,
}

impl SweepQuery {
    /// Prepares the query at each of the moments, by what had been committed at `known_by_ms` if given. They are taken in order of time.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        env: &Env,
        sql: &str,
        moments_us: &[i64],
        known_by_ms: Option<i64>,
        options: &SessionOptions,
    ) -> Result<Self> {
        let mut at_us = moments_us.to_vec();
        at_us.sort_unstable();
        let first = *at_us.first().ok_or_else(|| Error::usage("a sweep needs a moment at least"))?;
        let moments = Arc::new(Moments { at_us, now: AtomicUsize::new(0) });
        let at = ReadAt::AsOf(Cut { at_us: first, known_by_ms, beyond: options.beyond });
        let session = session_of(catalog, env, at, options, Some(moments.clone()))?;
        Ok(Self { session, moments, sql: sql.to_owned(), next: 0 })
    }

    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// The next moment, in microseconds since the epoch, and the rows of the query at it.
    pub async fn next(&mut self) -> Result<Option<(i64, SendableRecordBatchStream)>> {
        let Some(at_us) = self.moments.at_us.get(self.next).copied() else { return Ok(None) };
        self.moments.now.store(self.next, Ordering::Release);
        self.next += 1;
        let rows = query(&self.session, &self.sql).await?.execute_stream().await.map_err(from_datafusion)?;
        Ok(Some((at_us, rows)))
    }
}

/// The schema of a result with its moment as first column.
pub fn schema_with_moment(schema: &Schema) -> SchemaRef {
    let moment = Field::new(MOMENT, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    Arc::new(Schema::new(std::iter::once(Arc::new(moment)).chain(schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// Rows with their moment as first column.
pub fn with_moment(at_us: i64, rows: &RecordBatch) -> Result<RecordBatch> {
    let moment: ArrayRef = Arc::new(TimestampMicrosecondArray::from_value(at_us, rows.num_rows()).with_timezone("UTC"));
    let columns = std::iter::once(moment).chain(rows.columns().iter().cloned()).collect();
    Ok(RecordBatch::try_new(schema_with_moment(&rows.schema()), columns)?)
}
