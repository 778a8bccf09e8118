//! What a newer baseline says other than the events before it, and the net change over such baselines.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionContext;
use datafusion::prelude::{DataFrame, ident};
use futures::{FutureExt, TryStreamExt};
use waterline_core::as_of::Cut;
use waterline_core::changes::{Side, Turn, feed_schema, joined, joined_order, keyed, keyed_schema};
use waterline_core::error::Result;
use waterline_core::schema::TableSchema;

use super::feed::{Feed, produced};
use crate::as_of::AsOf;
use crate::read::{AsOfTable, from_datafusion};

/// The two states of a table at the moment from which a newer baseline counts.
pub(super) struct TurnOver {
    turn: Turn,
    before: Arc<AsOfTable>,
    after: Arc<AsOfTable>,
    schema: TableSchema,
}

impl TurnOver {
    /// `before` is the state at the cut by the baseline of before.
    pub(super) fn new(until: &AsOf, before: AsOf, cut: &Cut) -> Result<Self> {
        let after = until.at(cut)?;
        let turn = Turn::to(&after.plan().baseline.baseline, cut.at_us);
        let schema = until.past().schema.clone();
        Ok(Self { turn, before: Arc::new(AsOfTable::new(before)?), after: Arc::new(AsOfTable::new(after)?), schema })
    }

    /// The rows that differ, each as one change.
    pub(super) fn rows(&self, session: &SessionContext) -> Result<DataFrame> {
        let side = |side: Side, step: i32| {
            let table = if side == Side::Before { &self.before } else { &self.after };
            let rows = session.read_table(table.clone()).map_err(from_datafusion)?;
            let (turn, schema) = (self.turn.clone(), self.schema.clone());
            let produce = move |feed: Feed| {
                let (rows, turn, schema) = (rows.clone(), turn.clone(), schema.clone());
                async move {
                    let mut batches = rows.execute_stream().await.map_err(from_datafusion)?;
                    while let Some(rows) = batches.try_next().await.map_err(from_datafusion)? {
                        feed.send(keyed(&schema, &turn.rows(&schema, side, &rows)?, step)?).await?;
                    }
                    Ok(())
                }
                .boxed()
            };
            session.read_table(produced(keyed_schema(&self.schema), produce)?).map_err(from_datafusion)
        };
        let sides = side(Side::Before, 0)?.union(side(Side::After, 1)?).map_err(from_datafusion)?;
        join(session, sides, &self.schema)
    }
}

/// The changes of all steps, in their order, as one change for each key.
pub(super) fn net(session: &SessionContext, steps: Vec<DataFrame>, schema: &TableSchema) -> Result<DataFrame> {
    let mut all: Option<DataFrame> = None;
    for (step, rows) in (0..).zip(steps) {
        let table = with_keys(rows, schema, step)?;
        let rows = session.read_table(table).map_err(from_datafusion)?;
        all = Some(match all {
            Some(before) => before.union(rows).map_err(from_datafusion)?,
            None => rows,
        });
    }
    let none = || session.read_empty().map_err(from_datafusion);
    join(session, all.map_or_else(none, Ok)?, schema)
}

fn with_keys(rows: DataFrame, schema: &TableSchema, step: i32) -> Result<Arc<dyn TableProvider>> {
    let schema = schema.clone();
    produced(keyed_schema(&schema), move |feed| {
        let (rows, schema) = (rows.clone(), schema.clone());
        async move {
            let mut batches = rows.execute_stream().await.map_err(from_datafusion)?;
            while let Some(rows) = batches.try_next().await.map_err(from_datafusion)? {
                feed.send(keyed(&schema, &rows, step)?).await?;
            }
            Ok(())
        }
        .boxed()
    })
}

/// Sorts rows with keys, on disk where they do not fit into memory, and joins those of one key.
fn join(session: &SessionContext, rows: DataFrame, schema: &TableSchema) -> Result<DataFrame> {
    let order = joined_order(schema).iter().map(|column| ident(column).sort(true, true)).collect();
    let sorted = rows.sort(order).map_err(from_datafusion)?;
    let schema = schema.clone();
    let table = produced(feed_schema(&schema), move |feed| {
        let (sorted, schema) = (sorted.clone(), schema.clone());
        async move { join_sorted(sorted, &schema, &feed).await }.boxed()
    })?;
    session.read_table(table).map_err(from_datafusion)
}

async fn join_sorted(sorted: DataFrame, schema: &TableSchema, feed: &Feed) -> Result<()> {
    let mut batches = sorted.execute_stream().await.map_err(from_datafusion)?;
    // Rows of a key of which more may follow.
    let mut open = RecordBatch::new_empty(keyed_schema(schema));
    while let Some(rows) = batches.try_next().await.map_err(from_datafusion)? {
        let rows = concat_batches(&open.schema(), [&open, &rows])?;
        let (changes, done) = joined(schema, &rows, false)?;
        feed.send(changes).await?;
        open = rows.slice(done, rows.num_rows() - done);
    }
    feed.send(joined(schema, &open, true)?.0).await
}
