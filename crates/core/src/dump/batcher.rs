//! Collects the cells of rows into batches of a table.

use std::collections::BTreeSet;
use std::mem;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::cell::CellResult;
use super::column::ColumnBuilder;
use super::{DumpOptions, MAX_BATCH_BYTES, MAX_BATCH_ROWS};
use crate::error::{Error, Result};
use crate::schema::TableSchema;

pub(super) struct Batcher {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    except: BTreeSet<String>,
    rows: usize,
    input_bytes: usize,
    /// Columns that the row at hand has given a value.
    filled: Vec<bool>,
}

/// Where a field of the dump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Column(usize),
    LeftOut,
}

impl Batcher {
    pub(super) fn new(table: &TableSchema, options: &DumpOptions) -> Result<Self> {
        let columns = table.fields().iter().map(|field| ColumnBuilder::new(field, options.timezone)).collect::<Result<Vec<_>>>()?;
        let except = options.except_columns.iter().cloned().collect();
        Ok(Self { schema: table.to_arrow(), filled: vec![false; columns.len()], columns, except, rows: 0, input_bytes: 0 })
    }

    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The name of a column, for errors.
    pub(super) fn name(&self, target: Target) -> &str {
        match target {
            Target::Column(at) => self.schema.fields().get(at).map_or("", |field| field.name()),
            Target::LeftOut => "",
        }
    }

    pub(super) fn type_name(&self, target: Target) -> String {
        match target {
            Target::Column(at) => self.schema.fields().get(at).map_or_else(String::new, |field| field.data_type().to_string()),
            Target::LeftOut => String::new(),
        }
    }

    /// `None` for a name that the table lacks.
    pub(super) fn target(&self, name: &str) -> Option<Target> {
        match self.schema.index_of(name) {
            _ if self.except.contains(name) => Some(Target::LeftOut),
            Ok(at) => Some(Target::Column(at)),
            Err(_) => None,
        }
    }

    /// Gives a column its value, by a closure that appends exactly one.
    pub(super) fn fill(&mut self, target: Target, append: impl FnOnce(&mut ColumnBuilder) -> CellResult<()>) -> CellResult<()> {
        let Target::Column(at) = target else { return Ok(()) };
        let (Some(column), Some(filled)) = (self.columns.get_mut(at), self.filled.get_mut(at)) else { return Err("no such column") };
        if mem::replace(filled, true) {
            return Err("the field comes twice");
        }
        append(column)
    }

    /// Ends the row: columns without a value are null. Fails with the name of a key column that is.
    pub(super) fn end_row(&mut self, input_bytes: usize) -> Result<(), String> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let filled = self.filled.get_mut(at).is_some_and(mem::take);
            if filled {
                continue;
            }
            if let Some(field) = self.schema.fields().get(at).filter(|field| !field.is_nullable()) {
                return Err(field.name().clone());
            }
            column.append_null();
        }
        self.rows += 1;
        self.input_bytes += input_bytes;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= MAX_BATCH_ROWS || self.input_bytes >= MAX_BATCH_BYTES
    }

    /// The rows so far, when there are any.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(ColumnBuilder::finish).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(mem::take(&mut self.rows)));
        self.input_bytes = 0;
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map(Some)
            .map_err(|e| Error::internal("a batch of a dump contradicts its schema").caused_by(e))
    }
}
