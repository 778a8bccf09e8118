//! From decoded changes to the columns of a changelog: types, keys, unset columns, order.
//!
//! A [`ChangeBuilder`] takes the changes of one table. With a message's schema the values are read by it, otherwise by the
//! table's own types, and by the modes of [`modes`] where a type leaves them open. MySQL's times, which may be negative or longer than a
//! day, are text: `-838:59:58.999999`. DESIGN.md, rules 1, 2, 6, 7, 8 and 16.

mod column;
mod declared;
mod fault;
mod fit;
mod image;
mod modes;
mod moment;
mod nested;
mod number;
mod order;
mod reading;
mod row;
mod run;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, FieldRef, SchemaRef};

use crate::change::{ChangeBatch, changelog_schema};
use crate::decode::json::is_null;
use crate::decode::wire::{Wire, inferred};
use crate::decode::{Change, DecodeSettings, MessageSchema};
use crate::error::Result;
use crate::schema::TableSchema;
use crate::sequence::SequenceWriter;
use column::Column;
use image::{Cells, Names};
use order::Ordering;
use reading::Reading;
pub use run::RunState;
use system::SystemColumns;

/// A row of fixed-width columns and offsets, without the text in it.
const ROW_BYTES: usize = 128;
const CELL_BYTES: usize = 9;

/// Where a record was read.
#[derive(Clone, Copy, Debug)]
pub struct RecordAt<'a> {
    pub file: &'a str,
    /// Number of the record in its file.
    pub record: u64,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    Added,
    /// Nothing was added: the table must grow to this first. Push the change again to a builder of the grown schema.
    Grow(TableSchema),
}

/// Builds the change events of one table.
pub struct ChangeBuilder {
    table: TableSchema,
    schema: SchemaRef,
    names: Names,
    /// Indices of the key columns, in key order.
    keys: Vec<usize>,
    columns: Vec<Column>,
    system: SystemColumns,
    reading: Reading,
    ordering: Ordering,
    /// The message schema by which the columns read now.
    message: Option<Arc<MessageSchema>>,
    /// For each row appended, whether it is whole: what a failed push left is cut out in the end.
    whole: Vec<bool>,
    broken: usize,
    bytes: usize,
    cells: Cells,
    before: Cells,
    position: SequenceWriter,
    sequence: SequenceWriter,
}

impl ChangeBuilder {
    pub fn new(table: &TableSchema, settings: &DecodeSettings) -> Result<Self> {
        let names: Vec<String> = table.fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self {
            schema: changelog_schema(table),
            names: Names::new(names),
            keys: table.key_indices(),
            columns: table.fields().iter().map(|field| Column::new(field)).collect::<Result<_>>()?,
            system: SystemColumns::new(table)?,
            reading: Reading::new(settings),
            ordering: Ordering::new(table, settings)?,
            table: table.clone(),
            message: None,
            whole: Vec::new(),
            broken: 0,
            bytes: 0,
            cells: Cells::default(),
            before: Cells::default(),
            position: SequenceWriter::default(),
            sequence: SequenceWriter::default(),
        })
    }

    /// Adds a change. A failed push adds nothing and leaves `run` as it was.
    pub fn push(&mut self, change: &Change, at: RecordAt, run: &mut RunState) -> Result<Pushed> {
        match &change.schema {
            Some(message) => {
                if let Some(grown) = self.adopt(message)? {
                    return Ok(Pushed::Grow(grown));
                }
            }
            None => self.forget_message(),
        }
        let start = self.whole.len();
        self.reading.modes = run.modes;
        let pushed = self.push_rows(change, at, run);
        match &pushed {
            Ok(Pushed::Added) => {
                run.modes = self.reading.modes;
                self.bytes += change.line.len() + ROW_BYTES + CELL_BYTES * self.columns.len();
            }
            Ok(Pushed::Grow(_)) | Err(_) => {
                let left = self.whole.get_mut(start..).unwrap_or_default();
                self.broken += left.len();
                left.fill(false);
            }
        }
        pushed
    }

    /// The domain in which the change's sequence compares.
    pub fn domain(&self, change: &Change) -> Arc<str> {
        self.ordering.domain(change)
    }

    /// Events added since the last `finish`.
    pub fn len(&self) -> usize {
        self.whole.len() - self.broken
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About what the events added take in memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// The events added, in order; the builder is empty then. The log step sets `_batch` and `_ingested_at`.
    pub fn finish(&mut self) -> Result<ChangeBatch> {
        let mut columns: Vec<ArrayRef> = self.system.finish()?;
        for column in &mut self.columns {
            columns.push(column.finish()?);
        }
        let mut batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let whole = std::mem::take(&mut self.whole);
        if std::mem::take(&mut self.broken) > 0 {
            batch = filter_record_batch(&batch, &BooleanArray::from(whole))?;
        }
        self.bytes = 0;
        ChangeBatch::try_new(batch)
    }

    /// From now on reads values by the message's schema; or says what the table must grow to before.
    fn adopt(&mut self, message: &Arc<MessageSchema>) -> Result<Option<TableSchema>> {
        if self.message.as_ref().is_some_and(|known| Arc::ptr_eq(known, message)) {
            return Ok(None);
        }
        if let Some(grown) = fit::grown(&self.table, &self.names, message)? {
            return Ok(Some(grown));
        }
        for (name, wire) in &message.columns {
            if let Some(at) = self.names.position(name)
                && let Some(column) = self.columns.get_mut(at)
            {
                column.set_wire(wire);
                self.system.set_wire(self.names.get(at), wire);
            }
        }
        self.message = Some(message.clone());
        Ok(None)
    }

    /// From now on reads values without a schema.
    fn forget_message(&mut self) {
        let Some(message) = self.message.take() else { return };
        for at in message.columns.iter().filter_map(|(name, _)| self.names.position(name)) {
            if let Some(column) = self.columns.get_mut(at) {
                column.set_wire(&Wire::Unknown);
                self.system.set_wire(self.names.get(at), &Wire::Unknown);
            }
        }
    }

    /// The table with the columns of an image that it lacks; `None` when it lacks none that has a value.
    fn grown_by(&self, cells: &Cells) -> Result<Option<TableSchema>> {
        let strangers = cells.strangers.iter().filter(|(_, json)| !is_null(json) && !self.reading.is_unavailable(json));
        let fields: Vec<FieldRef> = strangers.map(|(name, json)| Arc::new(Field::new(name, inferred(json), true)) as FieldRef).collect();
        if fields.is_empty() { Ok(None) } else { self.table.evolve(&TableSchema::new(fields, Vec::new())?) }
    }
}

impl std::fmt::Debug for ChangeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeBuilder").field("table", &self.table).field("len", &self.len()).finish_non_exhaustive()
    }
}
