//! What a load or a merge did: a line per table for people, rows of a result for machines.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, ListArray, StringArray, StructArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::record_batch::RecordBatch;
use indicatif::{HumanBytes, HumanCount};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::table::TableName;

#[derive(Debug, Default)]
pub(crate) struct SyncReport {
    pub(crate) tables: Vec<TableReport>,
    pub(crate) elapsed: Duration,
}

#[derive(Debug)]
pub(crate) struct TableReport {
    pub(crate) table: TableName,
    pub(crate) counts: TableCounts,
    pub(crate) stages: Vec<StageTime>,
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
    fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("rows_read", self.rows_read),
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("deleted", self.deleted),
            ("late", self.late),
            ("repeated", self.repeated),
            ("quarantined", self.quarantined),
            ("files_written", self.files_written),
            ("bytes_written", self.bytes_written),
        ]
    }
}

impl SyncReport {
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&TableName, &Error)> {
        self.tables.iter().filter_map(|table| table.error.as_ref().map(|error| (&table.table, error)))
    }

    /// The kind whose exit code is the highest.
    pub(crate) fn worst(&self) -> Option<ErrorKind> {
        self.errors().map(|(_, error)| error.kind()).max_by_key(|kind| kind.exit_code())
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let counts = &table.counts;
            let _ = write!(out, "{}: {} rows read", table.table, HumanCount(counts.rows_read));
            for (name, count) in counts.named().into_iter().skip(1).take(6).filter(|(_, count)| *count > 0) {
                let _ = write!(out, ", {} {name}", HumanCount(count));
            }
            if counts.files_written > 0 {
                let _ = write!(out, "; {} files, {} written", HumanCount(counts.files_written), HumanBytes(counts.bytes_written));
            }
            out.push_str(if table.error.is_some() { "; FAILED\n" } else { "\n" });
            push_stages(&mut out, &table.stages);
        }
        if self.tables.is_empty() {
            out.push_str("Nothing is due.\n");
        }
        let _ = writeln!(out, "{:.2} s", self.elapsed.as_secs_f64());
        out
    }

    /// One row per table.
    pub(crate) fn to_batch(&self) -> Result<RecordBatch> {
        let names: StringArray = self.tables.iter().map(|table| Some(table.table.to_string())).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![("table", Arc::new(names))];
        for (at, (name, _)) in TableCounts::default().named().into_iter().enumerate() {
            let counts: UInt64Array = self.tables.iter().map(|table| table.counts.named()[at].1).collect::<Vec<_>>().into();
            columns.push((name, Arc::new(counts)));
        }
        columns.push(("stages", Arc::new(self.stages()?)));
        let errors: StringArray = self.tables.iter().map(|table| table.error.as_ref().map(ToString::to_string)).collect();
        columns.push(("error", Arc::new(errors)));
        Ok(RecordBatch::try_from_iter(columns)?)
    }

    fn stages(&self) -> Result<ListArray> {
        let all = || self.tables.iter().flat_map(|table| &table.stages);
        let names: StringArray = all().map(|stage| Some(stage.stage.as_str())).collect();
        let seconds: Float64Array = all().map(|stage| Some(stage.elapsed.as_secs_f64())).collect();
        let fields = Fields::from(vec![Field::new("stage", DataType::Utf8, true), Field::new("seconds", DataType::Float64, true)]);
        let stages = StructArray::try_new(fields.clone(), vec![Arc::new(names), Arc::new(seconds)], None)?;
        let lengths = OffsetBuffer::from_lengths(self.tables.iter().map(|table| table.stages.len()));
        Ok(ListArray::try_new(Arc::new(Field::new("element", DataType::Struct(fields), true)), lengths, Arc::new(stages), None)?)
    }
}

fn push_stages(out: &mut String, stages: &[StageTime]) {
    if stages.is_empty() {
        return;
    }
    out.push_str("  ");
    for (i, stage) in stages.iter().enumerate() {
        let _ = write!(out, "{}{} {:.2} s", if i == 0 { "" } else { ", " }, stage.stage, stage.elapsed.as_secs_f64());
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
