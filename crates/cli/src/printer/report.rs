//! What a load or a merge did: a line per table for people, a document or rows for machines.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Map, Value, json};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::table::TableName;

use waterline_core::text::{Zone, format_timestamp};

use crate::printer::counted;

#[derive(Debug, Default)]
pub(crate) struct SyncReport {
    pub(crate) tables: Vec<TableReport>,
    /// What is done for all tables at once, such as decoding.
    pub(crate) stages: Vec<StageTime>,
    pub(crate) elapsed: Duration,
    pub(crate) failed_sources: Vec<FailedSource>,
}

/// A source that could not be read at all.
#[derive(Debug)]
pub(crate) struct FailedSource {
    pub(crate) source: String,
    /// The one table that was asked for.
    pub(crate) table: Option<TableName>,
    pub(crate) error: Error,
}

#[derive(Debug)]
pub(crate) struct TableReport {
    pub(crate) table: TableName,
    pub(crate) counts: TableCounts,
    pub(crate) stages: Vec<StageTime>,
    /// Event time, in microseconds since the epoch.
    pub(crate) complete_until_us: Option<i64>,
    /// Why the table stopped; what came before it is counted.
    pub(crate) error: Option<Error>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableCounts {
    pub(crate) rows_read: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    pub(crate) late: u64,
    pub(crate) repeated: u64,
    pub(crate) quarantined: u64,
    /// Events that came after their source was said to be complete: they change answers.
    pub(crate) below_watermark: u64,
    /// Events whose transaction a moment may show in part.
    pub(crate) torn: u64,
    /// Columns that an event left out, and no row had a value for.
    pub(crate) unresolved: u64,
    pub(crate) files_written: u64,
    pub(crate) bytes_written: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct StageTime {
    pub(crate) stage: String,
    pub(crate) elapsed: Duration,
}

impl TableCounts {
    /// Names and numbers, in the order in which they are shown.
    fn named(&self) -> [(&'static str, u64); 12] {
        [
            ("rows_read", self.rows_read),
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("deleted", self.deleted),
            ("late", self.late),
            ("repeated", self.repeated),
            ("quarantined", self.quarantined),
            ("below_watermark", self.below_watermark),
            ("torn", self.torn),
            ("unresolved", self.unresolved),
            ("files_written", self.files_written),
            ("bytes_written", self.bytes_written),
        ]
    }
}

impl SyncReport {
    pub(crate) fn errors(&self) -> impl Iterator<Item = (String, &Error)> {
        let tables = self.tables.iter().filter_map(|table| table.error.as_ref().map(|error| (table.table.to_string(), error)));
        tables.chain(self.failed_sources.iter().map(|failed| (failed.label(), &failed.error)))
    }

    /// The kind whose exit code is the highest.
    pub(crate) fn worst(&self) -> Option<ErrorKind> {
        self.errors().map(|(_, error)| error.kind()).max_by_key(|kind| kind.exit_code())
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let counts = &table.counts;
            let _ = write!(out, "{}: {} read", table.table, counted(counts.rows_read, "row"));
            for (name, count) in counts.named().into_iter().skip(1).take(9).filter(|(_, count)| *count > 0) {
                let _ = write!(out, ", {} {name}", HumanCount(count), name = name.replace('_', " "));
            }
            if counts.files_written > 0 {
                let _ = write!(out, "; {}, {} written", counted(counts.files_written, "file"), HumanBytes(counts.bytes_written));
            }
            out.push_str(if table.error.is_some() { "; FAILED\n" } else { "\n" });
            if !table.stages.is_empty() && counts.rows_read + counts.files_written > 0 {
                let _ = writeln!(out, "  {}", stages_text(&table.stages));
            }
        }
        if self.tables.is_empty() && self.failed_sources.is_empty() {
            out.push_str("Nothing is due.\n");
        }
        let _ = write!(out, "{:.2} s", self.elapsed.as_secs_f64());
        if !self.stages.is_empty() {
            let _ = write!(out, ", of which {}", stages_text(&self.stages));
        }
        out.push('\n');
        out
    }

    pub(crate) fn to_document(&self) -> Value {
        let tables: Vec<Value> = self.tables.iter().map(TableReport::to_document).collect();
        let failed: Vec<Value> = self.failed_sources.iter().map(FailedSource::to_document).collect();
        json!({
            "tables": tables,
            "failed_sources": failed,
            "seconds": self.elapsed.as_secs_f64(),
            "stages": stages_document(&self.stages),
        })
    }

    /// One row per table.
    pub(crate) fn to_batch(&self) -> Result<RecordBatch> {
        let names: StringArray = self.tables.iter().map(|table| Some(table.table.to_string())).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![("table", Arc::new(names))];
        for (at, (name, _)) in TableCounts::default().named().into_iter().enumerate() {
            let counts: UInt64Array = self.tables.iter().map(|table| table.counts.named()[at].1).collect::<Vec<_>>().into();
            columns.push((name, Arc::new(counts)));
        }
        let errors: StringArray = self.tables.iter().map(|table| table.error.as_ref().map(ToString::to_string)).collect();
        columns.push(("error", Arc::new(errors)));
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

impl FailedSource {
    fn label(&self) -> String {
        self.table.as_ref().map_or_else(|| format!("source {}", self.source), ToString::to_string)
    }

    fn to_document(&self) -> Value {
        json!({ "source": self.source, "table": self.table.as_ref().map(ToString::to_string), "error": self.error.to_string() })
    }
}

impl TableReport {
    fn to_document(&self) -> Value {
        let mut document = Map::from_iter([("table".to_owned(), self.table.to_string().into())]);
        document.extend(self.counts.named().map(|(name, count)| (name.to_owned(), count.into())));
        document.insert("complete_until".into(), self.complete_until_us.map(|us| format_timestamp(us, Zone::Utc).to_string()).into());
        document.insert("stages".into(), stages_document(&self.stages));
        document.insert("error".into(), self.error.as_ref().map(ToString::to_string).into());
        Value::Object(document)
    }
}

/// Seconds by stage.
fn stages_document(stages: &[StageTime]) -> Value {
    stages.iter().map(|stage| (stage.stage.clone(), Value::from(stage.elapsed.as_secs_f64()))).collect::<Map<_, _>>().into()
}

fn stages_text(stages: &[StageTime]) -> String {
    let stages: Vec<String> = stages.iter().map(|stage| format!("{} {:.2} s", stage.stage, stage.elapsed.as_secs_f64())).collect();
    stages.join(", ")
}

#[cfg(test)]
mod tests;
