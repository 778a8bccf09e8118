//! Diff: two tables side by side, row by row in the order of their key.
//!
//! [`diff`] sorts both sides, spilling what does not fit into memory, and [`compare`] walks two sorted streams in step, so that
//! tables of any size need bounded memory. Null equals null and NaN equals NaN; numbers and moments are compared by value,
//! whatever their type's scale or zone; text is compared as it is, with trailing spaces.

mod columns;
mod examples;
mod side;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::{Expr, ident};
use waterline_core::error::{Error, Result};

use crate::read::from_datafusion;
use columns::SharedColumns;
pub(crate) use columns::comparable;
pub use examples::Example;
pub use walk::compare;

/// How two tables differ.
#[derive(Clone, Debug, Default)]
pub struct DiffReport {
    /// Columns by which rows were matched; none where whole rows were.
    pub keys: Vec<String>,
    pub left: SideReport,
    pub right: SideReport,
    /// Rows that both sides have by their key, with other values.
    pub changed_rows: u64,
    /// In how many of [`Self::changed_rows`] a column differs, for the columns outside of the key that both sides have.
    pub columns: Vec<(String, u64)>,
    /// The first differences, in the order of the key.
    pub examples: Vec<Example>,
}

/// What one side has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideReport {
    pub rows: u64,
    /// Rows that the other side lacks.
    pub only_rows: u64,
    /// Rows with the key of an earlier one. They match repeated ones of the other side in the order in which they come.
    pub repeated_keys: u64,
    /// Columns that the other side lacks, which were not compared.
    pub only_columns: Vec<String>,
}

impl DiffReport {
    /// Whether both sides have the same rows, in the columns that both have.
    pub fn same_rows(&self) -> bool {
        self.changed_rows == 0 && self.left.only_rows == 0 && self.right.only_rows == 0
    }

    /// Whether both sides have the same rows and the same columns.
    pub fn is_same(&self) -> bool {
        self.same_rows() && self.left.only_columns.is_empty() && self.right.only_columns.is_empty()
    }
}

/// Compares two tables by `keys`, or as multisets of whole rows where there is no key. Columns are matched by name; at most
/// `example_limit` rows are kept as examples. Fails when a key is absent from a side, or when the types of a column mean
/// different things, such as text and a number.
pub async fn diff(
    session: &SessionContext,
    left: Arc<dyn TableProvider>,
    right: Arc<dyn TableProvider>,
    keys: &[String],
    example_limit: usize,
) -> Result<DiffReport> {
    let shared = SharedColumns::of(&left.schema(), &right.schema())?;
    if let Some(missing) = keys.iter().find(|key| !shared.has(key)) {
        return Err(Error::usage("a column of the key is not on both sides").with("column", missing));
    }
    // The key comes first, so that its columns are compared and shown in its order.
    let order: Vec<String> = if keys.is_empty() { shared.names() } else { keys.to_vec() };
    let session = of_one_partition(session);
    let left = sorted(&session, left, shared.expressions(), &order).await?;
    let right = sorted(&session, right, shared.expressions(), &order).await?;
    let mut report = compare(left, right, &order, example_limit).await?;
    report.keys = keys.to_vec();
    report.left.only_columns = shared.only_left;
    report.right.only_columns = shared.only_right;
    Ok(report)
}

/// The session with one sort a side: two that work at the same time leave each other memory enough to spill.
fn of_one_partition(session: &SessionContext) -> SessionContext {
    let mut state = session.state();
    state.config_mut().options_mut().execution.target_partitions = 1;
    SessionContext::new_with_state(state)
}

async fn sorted(
    session: &SessionContext,
    table: Arc<dyn TableProvider>,
    columns: Vec<Expr>,
    keys: &[String],
) -> Result<SendableRecordBatchStream> {
    let order = keys.iter().map(|key| ident(key).sort(true, true)).collect();
    let rows = session.read_table(table).and_then(|rows| rows.select(columns)).and_then(|rows| rows.sort(order));
    rows.map_err(from_datafusion)?.execute_stream().await.map_err(from_datafusion)
}
