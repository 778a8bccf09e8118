//! All rows together: keys that occur twice, and the mirror against the fold of its changelog. Both are left to DataFusion, which
//! spills what does not fit into memory.

use std::sync::Arc;

use arrow::datatypes::Fields;
use datafusion::functions_aggregate::count::count_all;
use datafusion::prelude::{SessionContext, col, ident, lit};
use waterline_core::change::key_fields;
use waterline_core::error::{Error, Result};
use waterline_core::format::{TableState, table_schema};
use waterline_core::key::{KeyEncoder, KeyIndex};
use waterline_core::locate::{KeySet, key_columns};
use waterline_core::maintain::check::{Finding, Problem};
use waterline_core::record::record_of;

use super::{Checker, Request};
use crate::as_of::AsOf;
use crate::diff::{DiffReport, diff};
use crate::lake::Lake;
use crate::locate::locate;
use crate::merge::Pair;
use crate::read::{AsOfTable, LakeTable, ReadAt, SessionOptions, from_datafusion, session};

/// Keys that are looked for in files, of those that occur more than once.
const SHOWN_KEYS: usize = 20;

impl Checker<'_> {
    /// One finding for each file that holds one of the first such keys.
    pub(super) async fn duplicate_keys(&self, state: &TableState) -> Result<Vec<Finding>> {
        let table = LakeTable::new(self.format.clone(), state.clone(), self.lake.files.clone())?;
        let rows = self.session()?.read_table(Arc::new(table)).map_err(from_datafusion)?;
        let keys: Vec<_> = state.keys.iter().map(ident).collect();
        let repeated = rows
            .aggregate(keys.clone(), vec![count_all().alias(COUNT)])
            .and_then(|counted| counted.filter(col(COUNT).gt(lit(1))))
            .and_then(|repeated| repeated.select(keys))
            .and_then(|repeated| repeated.limit(0, Some(SHOWN_KEYS)))
            .map_err(from_datafusion)?;
        let fields: Fields = key_fields(&table_schema(state)?);
        let encoder = Arc::new(KeyEncoder::new(&fields)?);
        let mut index = KeyIndex::default();
        for batch in repeated.collect().await.map_err(from_datafusion)? {
            encoder.encode(&key_columns(&batch, &fields)?)?.iter().for_each(|key| {
                index.insert(key);
            });
        }
        if index.is_empty() {
            return Ok(Vec::new());
        }
        let (keys, pruner) = KeySet::new(&Arc::new(index), &encoder, fields, |_| true)?;
        let located = locate(self.lake, self.format, state, keys, &pruner).await?;
        let of_file = |file: &crate::locate::LocatedFile| {
            let detail = format!("{} of its rows have a key that other rows have too", file.rows.len());
            self.finding(Problem::DuplicateKey, &file.file.path, detail)
        };
        Ok(located.files.iter().map(of_file).collect())
    }

    fn session(&self) -> Result<SessionContext> {
        open_session(self.lake, self.request)
    }
}

/// A column of our own beside those of a key.
const COUNT: &str = "\u{1}count";

fn open_session(lake: &Lake, request: &Request) -> Result<SessionContext> {
    let options = SessionOptions { memory_bytes: request.memory_bytes, limits: request.limits, ..SessionOptions::default() };
    session(lake.catalog.clone(), &lake.env, ReadAt::Head, &options)
}

/// Compares the mirror with what is folded into it by its record.
pub(super) async fn not_the_fold(lake: &Lake, pair: &Pair, request: &Request) -> Result<Option<Finding>> {
    let mirror = pair.mirror.head().await?;
    // Another writer's rows are no fold of ours.
    let Some(record) = record_of(&mirror)? else { return Ok(None) };
    let table = LakeTable::new(pair.mirror.clone(), mirror.clone(), lake.files.clone())?;
    let keys = mirror.keys.clone();
    let fold = match AsOf::folded(lake, pair.clone(), mirror, &record, &request.limits).await {
        Ok(fold) => AsOfTable::new(fold)?,
        Err(error) => return corrupt(pair, error).map(Some),
    };
    let differences = match diff(&open_session(lake, request)?, Arc::new(table), Arc::new(fold), &keys, 0).await {
        Ok(report) => report,
        Err(error) => return corrupt(pair, error).map(Some),
    };
    Ok((!differences.same_rows()).then(|| of(pair, text(&differences))))
}

fn corrupt(pair: &Pair, error: Error) -> Result<Finding> {
    match error.kind() {
        waterline_core::error::ErrorKind::Corrupt | waterline_core::error::ErrorKind::NotFound => Ok(of(pair, error.to_string())),
        _ => Err(error),
    }
}

fn of(pair: &Pair, detail: String) -> Finding {
    let table = pair.mirror.name().clone();
    Finding { place: table.to_string(), table, problem: Problem::NotTheFold, detail }
}

fn text(report: &DiffReport) -> String {
    format!(
        "{} rows differ, {} are in the table only, {} in the fold only",
        report.changed_rows, report.left.only_rows, report.right.only_rows
    )
}
