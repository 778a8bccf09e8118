//! Changes between two moments of a source, read from the changelog and from the rows that the changed keys had (`core::changes`).
//!
//! Keys are taken in shares that fit into memory, as an as-of read takes them; what they make is then sorted, on disk where it
//! does not fit.

mod appended;
mod keyed;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::ident;
use tokio::sync::mpsc::Sender;
use waterline_core::as_of::{Beyond, Cut, Plan, time_text};
use waterline_core::change::{DOMAIN, EVENT_TIME, SEQUENCE};
use waterline_core::changes::{Detail, RANK, feed_schema};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;

use crate::as_of::AsOf;
use crate::lake::{Lake, Limits};
use crate::read::{external, from_datafusion};

/// Batches that wait for the sort.
const WAITING_BATCHES: usize = 2;

/// Which changes are told: those with event times in `(since_us, until_us]`, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub since_us: i64,
    pub until_us: i64,
    /// Only what had been committed by then, in milliseconds since the epoch.
    pub known_by_ms: Option<i64>,
    pub beyond: Beyond,
}

/// The changes of one table. What is known of it was fixed when it was opened.
pub struct Changes {
    since: Plan,
    since_cut: Cut,
    until: AsOf,
    detail: Detail,
    limits: Limits,
}

impl Changes {
    /// Fails with [`ErrorKind::NotAnswerable`] unless the table answers both moments, from one baseline.
    pub async fn open(lake: &Lake, table: &TableName, span: &Span, detail: Detail, limits: &Limits) -> Result<Self> {
        if span.until_us < span.since_us {
            return Err(Error::usage("the changes end before they begin")
                .with("since", time_text(span.since_us))
                .with("until", time_text(span.until_us)));
        }
        let cut = |at_us| Cut { at_us, known_by_ms: span.known_by_ms, beyond: span.beyond };
        let until = AsOf::open(lake, table, &cut(span.until_us), limits).await?;
        let since_cut = cut(span.since_us);
        let since = until.plan_at(&since_cut)?;
        let (first, last) = (&since.baseline.baseline, &until.plan().baseline.baseline);
        if first != last {
            let from = last.until_us.or(last.at_us).map_or_else(|| "unknown".to_owned(), time_text);
            return Err(Error::new(
                ErrorKind::NotAnswerable,
                "a newer baseline lies between the two moments, and no events say what led to it; ask for changes up to it or from it on",
            )
            .with("table", table)
            .with("baseline", from));
        }
        Ok(Self { since, since_cut, until, detail, limits: *limits })
    }

    /// The columns of the feed, see [`feed_schema`].
    pub fn schema(&self) -> SchemaRef {
        let feed = feed_schema(self.table_schema());
        let shown = feed.fields().iter().filter(|field| field.name() != RANK).cloned().collect::<Vec<_>>();
        Arc::new(Schema::new(shown))
    }

    /// The feed in its order. It is sorted within the memory of the session.
    pub async fn stream(self, session: &SessionContext) -> Result<SendableRecordBatchStream> {
        let part = Unsorted { schema: feed_schema(self.table_schema()), changes: Arc::new(self), session: session.clone() };
        let table = StreamingTable::try_new(part.schema.clone(), vec![Arc::new(part)]).map_err(from_datafusion)?;
        let order = [EVENT_TIME, DOMAIN, SEQUENCE, RANK].map(|column| ident(column).sort(true, false)).to_vec();
        let feed = session.read_table(Arc::new(table)).and_then(|feed| feed.sort(order)).and_then(|feed| feed.drop_columns(&[RANK]));
        feed.map_err(from_datafusion)?.execute_stream().await.map_err(from_datafusion)
    }

    fn table_schema(&self) -> &TableSchema {
        self.until.past().schema
    }

    fn since_us(&self) -> i64 {
        self.since.at_us
    }

    async fn produce(&self, session: &SessionContext, out: &Feed) -> Result<()> {
        if self.since_us() == self.until.plan().at_us {
            return Ok(());
        }
        if self.table_schema().keys().is_empty() { self.appended(out).await } else { self.keyed(session, out).await }
    }
}

/// Where rows of the feed go, in any order.
struct Feed(Sender<datafusion::error::Result<RecordBatch>>);

impl Feed {
    /// A reader that has gone wants no more.
    async fn send(&self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.0.send(Ok(rows)).await.map_err(|e| Error::internal("nobody reads the changes any more").caused_by(e))
    }
}

/// The feed before it is sorted.
struct Unsorted {
    changes: Arc<Changes>,
    session: SessionContext,
    schema: SchemaRef,
}

impl fmt::Debug for Unsorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsorted").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Unsorted {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), WAITING_BATCHES);
        let (changes, session, feed) = (self.changes.clone(), self.session.clone(), Feed(builder.tx()));
        builder.spawn(async move {
            let table = changes.until.pair().mirror.name().clone();
            changes.produce(&session, &feed).await.map_err(|e| external(e.with("table", table)))
        });
        builder.build()
    }
}
