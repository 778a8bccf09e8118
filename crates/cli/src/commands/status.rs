//! `status`: how far tables are, one row each.

mod terminal;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, stream};
use waterline_core::as_of::{Answerable, answerable_range, kept_moments};
use waterline_core::error::Result;
use waterline_core::format::{Catalog, TableState};
use waterline_core::record::{LogHeader, Record, log_header, record_of};
use waterline_core::table::TableName;
use waterline_engine::lake::Lake;
use waterline_engine::quarantine::Quarantine;
use waterline_engine::runs::{LastRuns, TableRun, last_runs};

use crate::args::{OutputFormat, StatusArgs};
use crate::commands::history::live_rows;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::selection::selected;

const CONCURRENT_TABLES: usize = 8;

pub(crate) async fn run(context: &mut Context<'_>, args: &StatusArgs) -> Result<(), Failure> {
    let lake = open_lake(&context.settings()?.lake, &context.env).await?;
    let names = selected(&lake.catalog.list().await?, &args.tables)?;
    let lake = &lake;
    let rows: Vec<Row> = stream::iter(names).map(|name| Row::read(lake, name)).buffered(CONCURRENT_TABLES).collect().await;
    if context.printer.format() != OutputFormat::Table {
        return context.printer.batch(&batch(&rows)?);
    }
    let now_us = context.env.clock.now_us();
    context.printer.batch(&terminal::batch(&rows, now_us)?)?;
    context.printer.text(&terminal::troubles(&rows, now_us))
}

struct Row {
    table: TableName,
    facts: Result<Facts>,
}

#[derive(Default)]
struct Facts {
    /// Absent until the first merge or load.
    mirror: Option<TableState>,
    /// Absent in a table that Waterline has never written.
    record: Option<Record>,
    log: LogHeader,
    answerable: Answerable,
    /// Moments before that range which are answered too.
    kept: Vec<i64>,
    /// Records in quarantine now.
    quarantined: u64,
    runs: LastRuns,
}

impl Row {
    async fn read(lake: &Lake, table: TableName) -> Self {
        let facts = Facts::read(lake, &table).await;
        Self { table, facts }
    }

    fn fact<T>(&self, value: impl Fn(&Facts) -> Option<T>) -> Option<T> {
        self.facts.as_ref().ok().and_then(value)
    }
}

impl Facts {
    async fn read(lake: &Lake, table: &TableName) -> Result<Self> {
        let mirror = head(lake.catalog.as_ref(), table).await?;
        let changelog = head(lake.catalog.as_ref(), &table.changelog()).await?;
        let (answerable, kept) = match (&mirror, &changelog) {
            (Some(mirror), Some(changelog)) => (answerable_range(mirror, changelog)?, kept_moments(mirror, changelog)?),
            _ => Default::default(),
        };
        let (quarantined, runs) = match &mirror {
            Some(mirror) => (Quarantine::of(lake, mirror).count().await?, last_runs(lake, &mirror.own_folder).await?),
            None => Default::default(),
        };
        let record = mirror.as_ref().map(record_of).transpose()?.flatten();
        let log = changelog.as_ref().map(log_header).transpose()?.unwrap_or_default();
        Ok(Self { mirror, record, log, answerable, kept, quarantined, runs })
    }

    fn total_rows(&self) -> Option<i64> {
        live_rows(self.mirror.as_ref()?.current()?)
    }

    fn committed_at_us(&self) -> Option<i64> {
        self.mirror.as_ref()?.current()?.committed_at_ms.checked_mul(1000)
    }

    /// Batches that are logged but not merged, up to the newest with events in it.
    fn lag(&self) -> i64 {
        (self.log.last_with_events.0 - self.record.as_ref().map_or(0, |record| record.folded.0)).max(0)
    }

    /// The first moment that can be answered.
    fn earliest_us(&self) -> Option<i64> {
        self.answerable.from_us
    }
}

fn outcome(run: &TableRun) -> &'static str {
    if run.error.is_some() { "failed" } else { "done" }
}

async fn head(catalog: &dyn Catalog, name: &TableName) -> Result<Option<TableState>> {
    match catalog.open(name).await? {
        Some(table) => table.head().await.map(Some),
        None => Ok(None),
    }
}

fn batch(rows: &[Row]) -> Result<RecordBatch> {
    let number =
        |value: fn(&Facts) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(|row| row.fact(value)).collect::<Int64Array>()) };
    let moment = |value: fn(&Facts) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.fact(value)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let text =
        |value: fn(&Facts) -> Option<String>| -> ArrayRef { Arc::new(rows.iter().map(|row| row.fact(value)).collect::<StringArray>()) };
    Ok(RecordBatch::try_from_iter([
        ("table", Arc::new(rows.iter().map(|row| Some(row.table.to_string())).collect::<StringArray>()) as ArrayRef),
        ("rows", number(Facts::total_rows)),
        ("lag_batches", number(|facts| Some(facts.lag()))),
        ("complete_until", moment(|facts| facts.log.watermark_us)),
        ("event_time_max", moment(|facts| facts.log.event_time_max_us)),
        ("earliest", moment(Facts::earliest_us)),
        ("kept_moments", number(|facts| i64::try_from(facts.kept.len()).ok())),
        ("kept_from", moment(|facts| facts.kept.first().copied())),
        ("last_merge", moment(Facts::committed_at_us)),
        ("last_run", moment(|facts| Some(facts.runs.newest()?.ended_us))),
        ("last_run_verb", text(|facts| Some(facts.runs.newest()?.verb.clone()))),
        ("last_run_outcome", text(|facts| facts.runs.newest().map(outcome).map(str::to_owned))),
        ("last_error", text(|facts| facts.runs.failed.as_ref()?.error.clone())),
        ("last_error_at", moment(|facts| Some(facts.runs.failed.as_ref()?.ended_us))),
        ("events", number(|facts| i64::try_from(facts.log.counts.events).ok())),
        ("late", number(|facts| i64::try_from(facts.log.counts.late).ok())),
        ("below_watermark", number(|facts| i64::try_from(facts.log.counts.below_watermark).ok())),
        ("torn", number(|facts| i64::try_from(facts.log.counts.torn).ok())),
        ("too_late", number(|facts| i64::try_from(facts.log.counts.too_late).ok())),
        ("repeated", number(|facts| i64::try_from(facts.log.counts.repeated).ok())),
        ("quarantined", number(|facts| i64::try_from(facts.quarantined).ok())),
        ("error", Arc::new(rows.iter().map(|row| row.facts.as_ref().err().map(ToString::to_string)).collect::<StringArray>())),
    ])?)
}

#[cfg(test)]
mod tests;
