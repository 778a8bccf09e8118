//! What commands of upkeep do or would do, a row per step.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use waterline_core::error::{Error, Result};
use waterline_core::format::Catalog;
use waterline_core::maintain::expire::Caution;
use waterline_core::table::TableName;
use waterline_engine::maintain::Action;

use crate::args::CareArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::settings::span_ms;

/// One step of upkeep.
pub(super) struct Step {
    pub(super) table: TableName,
    pub(super) step: &'static str,
    /// What it is done to, or what comes of it.
    pub(super) what: String,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// Whether it changes anything.
    pub(super) is_something: bool,
}

impl Step {
    pub(super) fn of(table: &TableName, step: &'static str, what: impl Into<String>) -> Self {
        Self { table: table.clone(), step, what: what.into(), files: 0, bytes: 0, rows: 0, is_something: true }
    }

    pub(super) fn with_files(self, files: u64, bytes: u64) -> Self {
        Self { files, bytes, ..self }
    }
}

pub(super) fn action(care: &CareArgs) -> Action {
    if care.dry_run { Action::Plan } else { Action::Do }
}

pub(super) fn caution(care: &CareArgs) -> Caution {
    if care.force { Caution::Forced } else { Caution::Usual }
}

pub(super) fn age_ms(text: &str, option: &'static str) -> Result<i64> {
    span_ms(text).map_err(|e| e.with("option", option))
}

/// The tables that are there, each with its changelog if it has one.
pub(super) async fn with_changelogs(catalog: &dyn Catalog, tables: &BTreeSet<TableName>) -> Result<Vec<TableName>> {
    let all: BTreeSet<TableName> = catalog.list().await?.into_iter().collect();
    let both = tables.iter().flat_map(|table| [table.clone(), table.changelog()]);
    Ok(both.filter(|table| all.contains(table)).collect())
}

/// Prints steps, and what could not be done of the others.
pub(super) fn print(context: &mut Context<'_>, action: Action, steps: &[Step], failed: Vec<(TableName, Error)>) -> Result<(), Failure> {
    context.printer.batch(&batch(steps)?)?;
    if action == Action::Plan {
        context.printer.note("This is a plan: nothing was changed.");
    }
    let worst = failed.iter().map(|(_, error)| error.kind()).max_by_key(|kind| kind.exit_code());
    for (table, error) in failed {
        context.printer.error(&format!("{table}: {}", error.without("table", &table)));
    }
    worst.map_or(Ok(()), |kind| Err(Failure::Reported(kind)))
}

fn batch(steps: &[Step]) -> Result<RecordBatch> {
    let texts = |of: fn(&Step) -> String| Arc::new(steps.iter().map(|step| Some(of(step))).collect::<StringArray>()) as ArrayRef;
    let counts = |of: fn(&Step) -> u64| Arc::new(steps.iter().map(|step| Some(of(step))).collect::<UInt64Array>()) as ArrayRef;
    Ok(RecordBatch::try_from_iter([
        ("table", texts(|step| step.table.to_string())),
        ("step", texts(|step| step.step.to_owned())),
        ("what", texts(|step| step.what.clone())),
        ("files", counts(|step| step.files)),
        ("bytes", counts(|step| step.bytes)),
        ("rows", counts(|step| step.rows)),
    ])?)
}
