//! Changes between two moments of a source, read from the changelog and from the rows that the changed keys had (`core::changes`).
//!
//! Keys are taken in shares that fit into memory, as an as-of read takes them; what they make is then sorted, on disk where it
//! does not fit. The time is cut where newer baselines begin to count: between such turns events tell all, and at a turn the states
//! on both sides are compared.

mod appended;
mod feed;
mod keyed;
mod turn;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{DataFrame, ident};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use waterline_core::as_of::{Beyond, Cut, Plan, time_text};
use waterline_core::change::{DOMAIN, EVENT_TIME, SEQUENCE};
use waterline_core::changes::{Detail, RANK, feed_schema};
use waterline_core::error::{Error, Result};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;

use self::feed::{Feed, produced};
use self::turn::TurnOver;
use crate::as_of::AsOf;
use crate::lake::{Lake, Limits};
use crate::read::from_datafusion;

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
    parts: Vec<Part>,
    schema: TableSchema,
    detail: Detail,
}

enum Part {
    Stretch(Arc<Stretch>),
    Turn(TurnOver),
}

/// Changes inside of one epoch.
struct Stretch {
    since: Plan,
    since_cut: Cut,
    until: AsOf,
    detail: Detail,
    limits: Limits,
}

impl Changes {
    /// Fails with [`waterline_core::error::ErrorKind::NotAnswerable`] unless the table answers both moments.
    pub async fn open(lake: &Lake, table: &TableName, span: &Span, detail: Detail, limits: &Limits) -> Result<Self> {
        if span.until_us < span.since_us {
            return Err(Error::usage("the changes end before they begin")
                .with("since", time_text(span.since_us))
                .with("until", time_text(span.until_us)));
        }
        let cut = |at_us| Cut { at_us, known_by_ms: span.known_by_ms, beyond: span.beyond };
        let until = AsOf::open(lake, table, &cut(span.until_us), limits).await?;
        let (mut parts, mut since_cut) = (Vec::new(), cut(span.since_us));
        let stretch = |since_cut: Cut, end: AsOf| -> Result<Part> {
            let since = until.plan_at(&since_cut)?;
            Ok(Part::Stretch(Arc::new(Stretch { since, since_cut, until: end, detail, limits: *limits })))
        };
        for at_us in until.turns(span.since_us, &cut(span.until_us))? {
            // What events may still arrive before a baseline, it knows.
            let turn = Cut { at_us, beyond: Beyond::AsLogged, ..since_cut };
            parts.push(stretch(since_cut, until.at_onto(&turn, since_cut.at_us)?)?);
            parts.push(Part::Turn(TurnOver::new(&until, until.at_onto(&turn, since_cut.at_us)?, &turn)?));
            since_cut = turn;
        }
        parts.push(stretch(since_cut, until.at(&cut(span.until_us))?)?);
        Ok(Self { parts, schema: until.past().schema.clone(), detail })
    }

    /// The columns of the feed, see [`feed_schema`].
    pub fn schema(&self) -> SchemaRef {
        let feed = feed_schema(&self.schema);
        let shown = feed.fields().iter().filter(|field| field.name() != RANK).cloned().collect::<Vec<_>>();
        Arc::new(Schema::new(shown))
    }

    /// The feed in its order. It is sorted within the memory of the session.
    pub async fn stream(self, session: &SessionContext) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let one_by_key = self.detail == Detail::Net && !self.schema.keys().is_empty() && self.parts.len() > 1;
        let mut feeds = self.parts.iter().map(|part| part.rows(session)).collect::<Result<Vec<_>>>()?;
        if one_by_key {
            feeds = vec![in_order(turn::net(session, feeds, &self.schema)?)?];
        }
        // One begins when the one before has ended.
        let feeds = stream::iter(feeds).then(|feed| async { feed.drop_columns(&[RANK])?.execute_stream().await });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, feeds.try_flatten().boxed())))
    }
}

impl Part {
    /// In the order of the feed.
    fn rows(&self, session: &SessionContext) -> Result<DataFrame> {
        match self {
            Self::Stretch(stretch) => stretch.rows(session),
            Self::Turn(turn) => turn.rows(session),
        }
    }
}

fn in_order(feed: DataFrame) -> Result<DataFrame> {
    let order = [EVENT_TIME, DOMAIN, SEQUENCE, RANK].map(|column| ident(column).sort(true, false)).to_vec();
    feed.sort(order).map_err(from_datafusion)
}

impl Stretch {
    fn rows(self: &Arc<Self>, session: &SessionContext) -> Result<DataFrame> {
        let (stretch, context) = (self.clone(), session.clone());
        let table = produced(feed_schema(self.table_schema()), move |feed| {
            let (stretch, session) = (stretch.clone(), context.clone());
            async move {
                let table = stretch.until.pair().mirror.name().clone();
                stretch.produce(&session, &feed).await.map_err(|e| e.with("table", table))
            }
            .boxed()
        })?;
        in_order(session.read_table(table).map_err(from_datafusion)?)
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
