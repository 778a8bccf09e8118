//! `status`: how far tables are, one row each.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, stream};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Catalog, TableState};
use waterline_core::record::{LogHeader, Record, log_header, record_of};
use waterline_core::table::TableName;

use crate::args::StatusArgs;
use crate::commands::history::live_rows;
use crate::context::Context;
use crate::failure::Failure;
use crate::settings::TablePattern;

const CONCURRENT_TABLES: usize = 8;

pub(crate) async fn run(context: &mut Context<'_>, args: &StatusArgs) -> Result<(), Failure> {
    let catalog = context.catalog().await?;
    let names = selected(&catalog.list().await?, &args.tables)?;
    let catalog = catalog.as_ref();
    let rows: Vec<Row> = stream::iter(names).map(|name| Row::read(catalog, name)).buffered(CONCURRENT_TABLES).collect().await;
    context.printer.batch(&batch(&rows)?)
}

/// Tables by their own names, changelogs aside. A name that matches nothing is an error.
pub(super) fn selected(all: &[TableName], patterns: &[String]) -> Result<BTreeSet<TableName>> {
    let mirrors: BTreeSet<TableName> = all.iter().map(|name| name.mirror().unwrap_or_else(|| name.clone())).collect();
    if patterns.is_empty() {
        return Ok(mirrors);
    }
    let mut chosen = BTreeSet::new();
    for pattern in patterns {
        let pattern = TablePattern::new(pattern);
        let before = chosen.len();
        chosen.extend(mirrors.iter().filter(|name| pattern.matches(name)).cloned());
        if chosen.len() == before && !mirrors.iter().any(|name| pattern.matches(name)) {
            return Err(Error::not_found("the catalog has no such table").with("table", pattern.as_str()));
        }
    }
    Ok(chosen)
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
}

impl Row {
    async fn read(catalog: &dyn Catalog, table: TableName) -> Self {
        let facts = Facts::read(catalog, &table).await;
        Self { table, facts }
    }

    fn fact<T>(&self, value: impl Fn(&Facts) -> Option<T>) -> Option<T> {
        self.facts.as_ref().ok().and_then(value)
    }
}

impl Facts {
    async fn read(catalog: &dyn Catalog, table: &TableName) -> Result<Self> {
        let mirror = head(catalog, table).await?;
        let changelog = head(catalog, &table.changelog()).await?;
        let record = mirror.as_ref().map(record_of).transpose()?.flatten();
        let log = changelog.as_ref().map(log_header).transpose()?.unwrap_or_default();
        Ok(Self { mirror, record, log })
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
        let baseline = &self.record.as_ref()?.baseline;
        baseline.until_us.or(baseline.at_us)
    }
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
    Ok(RecordBatch::try_from_iter([
        ("table", Arc::new(rows.iter().map(|row| Some(row.table.to_string())).collect::<StringArray>()) as ArrayRef),
        ("rows", number(Facts::total_rows)),
        ("lag_batches", number(|facts| Some(facts.lag()))),
        ("complete_until", moment(|facts| facts.log.watermark_us)),
        ("event_time_max", moment(|facts| facts.log.event_time_max_us)),
        ("earliest", moment(Facts::earliest_us)),
        ("last_merge", moment(Facts::committed_at_us)),
        ("events", number(|facts| i64::try_from(facts.log.counts.events).ok())),
        ("late", number(|facts| i64::try_from(facts.log.counts.late).ok())),
        ("below_watermark", number(|facts| i64::try_from(facts.log.counts.below_watermark).ok())),
        ("repeated", number(|facts| i64::try_from(facts.log.counts.repeated).ok())),
        ("quarantined", number(|facts| i64::try_from(facts.log.counts.quarantined).ok())),
        ("error", Arc::new(rows.iter().map(|row| row.facts.as_ref().err().map(ToString::to_string)).collect::<StringArray>())),
    ])?)
}

#[cfg(test)]
mod tests;
