//! How two sides differ: counts and examples for people, a document or rows for machines. Here values are shown, since the user
//! asked for them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat;
use indicatif::HumanCount;
use serde::Serialize;
use serde_json::value::RawValue;
use waterline_core::error::{Error, Result};
use waterline_engine::diff::{DiffReport, Example, SideReport};

use crate::printer::counted;
use waterline_core::cells::{Cells, write_object};

/// A report with the names of its sides.
pub(crate) struct DiffView<'a> {
    pub(crate) left: &'a str,
    pub(crate) right: &'a str,
    pub(crate) report: &'a DiffReport,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    same: bool,
    keys: &'a [String],
    left: SideDocument<'a>,
    right: SideDocument<'a>,
    changed_rows: u64,
    columns: Vec<ColumnDocument<'a>>,
    examples: Vec<ExampleDocument<'a>>,
}

#[derive(Serialize)]
struct SideDocument<'a> {
    side: &'a str,
    rows: u64,
    only_rows: u64,
    repeated_keys: u64,
    only_columns: &'a [String],
}

#[derive(Serialize)]
struct ColumnDocument<'a> {
    column: &'a str,
    differing_rows: u64,
}

#[derive(Serialize)]
struct ExampleDocument<'a> {
    difference: &'static str,
    /// Columns that differ, of a row that both sides have.
    columns: &'a [String],
    left: Option<Box<RawValue>>,
    right: Option<Box<RawValue>>,
}

impl DiffView<'_> {
    pub(super) fn has_examples(&self) -> bool {
        !self.report.examples.is_empty()
    }

    pub(super) fn to_text(&self) -> String {
        let report = self.report;
        let mut out = String::new();
        for (label, side, of) in [("left", self.left, &report.left), ("right", self.right, &report.right)] {
            let _ = write!(out, "{label:<7}{side}: {}", counted(of.rows, "row"));
            if of.repeated_keys > 0 && !report.keys.is_empty() {
                let _ = write!(out, ", {} of them with the key of another", HumanCount(of.repeated_keys));
            }
            out.push('\n');
        }
        if report.is_same() {
            out.push_str("No difference.\n");
            return out;
        }
        let only_left = counted(report.left.only_rows, "row");
        let _ = write!(out, "{only_left} only on the left, {} only on the right", HumanCount(report.right.only_rows));
        if report.keys.is_empty() {
            out.push_str("; there is no key, so whole rows were compared\n");
        } else {
            let _ = writeln!(out, ", {} that differ; matched by {}", HumanCount(report.changed_rows), report.keys.join(", "));
        }
        let differing: Vec<String> = self.differing_columns().map(|(name, rows)| format!("{name} ({})", HumanCount(rows))).collect();
        if !differing.is_empty() {
            let _ = writeln!(out, "columns that differ, and in how many rows: {}", differing.join(", "));
        }
        for (label, side) in [("left", &report.left), ("right", &report.right)] {
            if !side.only_columns.is_empty() {
                let _ = writeln!(out, "columns only on the {label}, not compared: {}", side.only_columns.join(", "));
            }
        }
        if self.has_examples() {
            out.push('\n');
        }
        out
    }

    fn differing_columns(&self) -> impl Iterator<Item = (&str, u64)> {
        self.report.columns.iter().filter(|(_, rows)| *rows > 0).map(|(name, rows)| (name.as_str(), *rows))
    }

    pub(super) fn to_document(&self) -> Result<Document<'_>> {
        let report = self.report;
        Ok(Document {
            same: report.is_same(),
            keys: &report.keys,
            left: side_document(self.left, &report.left),
            right: side_document(self.right, &report.right),
            changed_rows: report.changed_rows,
            columns: report.columns.iter().map(|(column, rows)| ColumnDocument { column, differing_rows: *rows }).collect(),
            examples: report.examples.iter().map(example_document).collect::<Result<_>>()?,
        })
    }

    /// A row per example: which side has it, its key, and what differs. Without a key, the whole row.
    pub(super) fn examples(&self) -> Result<RecordBatch> {
        let examples = &self.report.examples;
        let differences: StringArray = examples.iter().map(|example| Some(words(example))).collect();
        let mut columns: Vec<(String, ArrayRef)> = vec![("difference".to_owned(), Arc::new(differences))];
        let rows: Vec<&RecordBatch> = examples.iter().map(row).collect();
        if let Some(first) = rows.first() {
            let all = first.schema();
            let names = all.fields().iter().map(|field| field.name());
            for name in names.filter(|name| self.report.keys.is_empty() || self.report.keys.contains(name)) {
                let cells: Vec<&dyn Array> = rows.iter().filter_map(|row| row.column_by_name(name)).map(AsRef::as_ref).collect();
                columns.push((name.clone(), concat(&cells)?));
            }
        }
        if !self.report.keys.is_empty() {
            let values = examples.iter().map(differing_values).collect::<Result<Vec<_>>>()?;
            columns.push(("differs".to_owned(), Arc::new(StringArray::from(values))));
        }
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

fn side_document<'a>(side: &'a str, report: &'a SideReport) -> SideDocument<'a> {
    let SideReport { rows, only_rows, repeated_keys, only_columns } = report;
    SideDocument { side, rows: *rows, only_rows: *only_rows, repeated_keys: *repeated_keys, only_columns }
}

fn example_document(example: &Example) -> Result<ExampleDocument<'_>> {
    let (columns, left, right): (&[String], _, _) = match example {
        Example::OnlyLeft(row) => (&[], Some(row), None),
        Example::OnlyRight(row) => (&[], None, Some(row)),
        Example::Changed { left, right, columns } => (columns, Some(left), Some(right)),
    };
    let [left, right] = [left, right].map(|row| row.map(row_document).transpose());
    Ok(ExampleDocument { difference: words(example), columns, left: left?, right: right? })
}

/// As the printer of results writes it, so that every value stays exact.
fn row_document(row: &RecordBatch) -> Result<Box<RawValue>> {
    let cells = row.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
    let schema = row.schema();
    let mut json = String::new();
    write_object(&mut json, schema.fields().iter().map(|field| field.name().as_str()).zip(&cells), 0);
    RawValue::from_string(json).map_err(|e| Error::internal("a row is not JSON").caused_by(e))
}

fn words(example: &Example) -> &'static str {
    match example {
        Example::OnlyLeft(_) => "only left",
        Example::OnlyRight(_) => "only right",
        Example::Changed { .. } => "changed",
    }
}

fn row(example: &Example) -> &RecordBatch {
    match example {
        Example::OnlyLeft(row) | Example::OnlyRight(row) | Example::Changed { left: row, .. } => row,
    }
}

/// `status new -> paid, total NULL -> 9.50`
fn differing_values(example: &Example) -> Result<Option<String>> {
    let Example::Changed { left, right, columns } = example else { return Ok(None) };
    let mut parts = Vec::new();
    for name in columns {
        parts.push(format!("{name} {} -> {}", text(left, name)?, text(right, name)?));
    }
    Ok(Some(parts.join(", ")))
}

fn text(row: &RecordBatch, column: &str) -> Result<String> {
    let Some(column) = row.column_by_name(column) else { return Ok(String::new()) };
    let cells = Cells::new(column)?;
    if cells.is_null(0) {
        return Ok("NULL".to_owned());
    }
    let mut text = String::new();
    cells.write_text(&mut text, 0);
    Ok(text)
}
