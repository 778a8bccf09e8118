//! Gathers the columns of the images, once, after the fold.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch, StructArray, UInt32Array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::{interleave, take};

use super::fold::{Cell, Image, Slot};
use super::{Collapsed, Outcome, source_columns};
use crate::change::ChangeBatch;
use crate::conform::conform_batch;
use crate::error::Result;
use crate::key::KeyId;
use crate::schema::TableSchema;

/// Rows of the state before, for the keys of [`Collapsed::needed_before`] that have one.
#[derive(Clone, Debug, Default)]
pub struct BeforeRows {
    /// All columns of the table, in its order; `None` when no key has a row.
    pub rows: Option<RecordBatch>,
    /// Row of each key that has one.
    pub by_key: HashMap<KeyId, u32>,
}

/// The images of a collapsed batch.
#[derive(Debug)]
pub struct Assembled {
    /// In the order of their keys.
    pub upserts: RecordBatch,
    /// Unset columns that had no row to take their value from, and are null.
    pub unresolved: u64,
}

impl Collapsed {
    /// The rows of the keys that `wanted` admits, sorted by key, out of the events that were collapsed.
    pub fn assemble(
        &self,
        events: &ChangeBatch,
        schema: &TableSchema,
        before: &BeforeRows,
        wanted: impl Fn(KeyId) -> bool,
    ) -> Result<Assembled> {
        let source = source_columns(events, schema)?;
        let images = self.sorted_images(wanted);
        let mut unresolved = self.unresolved;
        let patched: Vec<usize> = patched_columns(&images);
        let rows = UInt32Array::from(images.iter().map(|image| image.row).collect::<Vec<u32>>());
        let columns = (0..source.num_columns())
            .map(|at| {
                let events = source.column(at);
                if patched.binary_search(&at).is_ok() {
                    patch(at, events, &images, before, &mut unresolved)
                } else {
                    Ok(take(events, &rows, None)?)
                }
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        Ok(Assembled { upserts: RecordBatch::try_new(source.schema(), columns)?, unresolved })
    }

    fn sorted_images(&self, wanted: impl Fn(KeyId) -> bool) -> Vec<&Image> {
        let mut images: Vec<(KeyId, &Image)> = self
            .keys
            .ids()
            .zip(&self.outcomes)
            .filter_map(|(id, o)| if let Outcome::Upserted(image) = o { Some((id, image)) } else { None })
            .filter(|(id, _)| wanted(*id))
            .collect();
        images.sort_unstable_by(|(a, _), (b, _)| self.keys.key(*a).cmp(&self.keys.key(*b)));
        images.into_iter().map(|(_, image)| image).collect()
    }
}

/// The rows that keys had at points of a fold, as structs of the table's columns; null where there was none.
pub(crate) fn gather<'a>(
    slots: impl Iterator<Item = &'a Slot> + Clone,
    events: &ChangeBatch,
    schema: &TableSchema,
    before: &BeforeRows,
) -> Result<StructArray> {
    let source = source_columns(events, schema)?;
    let rows_before = before.rows.as_ref().map(|rows| conform_batch(rows, &source.schema())).transpose()?;
    let row_before = |key: &KeyId| before.by_key.get(key).map_or(NOWHERE, |row| (1, *row as usize));
    let column = |at: usize| {
        let null = new_null_array(source.column(at).data_type(), 1);
        let rows_before = rows_before.as_ref().map_or(&null, |rows| rows.column(at));
        let indices: Vec<(usize, usize)> = slots
            .clone()
            .map(|slot| match slot {
                Slot::Nothing => NOWHERE,
                Slot::Before(key) => row_before(key),
                Slot::Image(image) => match image.patches.iter().find(|(column, _)| *column == at) {
                    None => (0, image.row as usize),
                    Some((_, cell)) => place(cell, before, &mut 0),
                },
            })
            .collect();
        Ok(interleave(&[source.column(at).as_ref(), rows_before.as_ref(), null.as_ref()], &indices)?)
    };
    let columns = (0..source.num_columns()).map(column).collect::<Result<Vec<ArrayRef>>>()?;
    let present: NullBuffer = slots
        .clone()
        .map(|slot| match slot {
            Slot::Nothing => false,
            Slot::Before(key) => before.by_key.contains_key(key),
            Slot::Image(_) => true,
        })
        .collect();
    Ok(StructArray::try_new(source.schema().fields().clone(), columns, Some(present))?)
}

fn patched_columns(images: &[&Image]) -> Vec<usize> {
    let mut columns: Vec<usize> = images.iter().flat_map(|image| image.patches.iter().map(|(column, _)| *column)).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// One column out of three sources: the events, the rows before, and null.
fn patch(at: usize, events: &ArrayRef, images: &[&Image], before: &BeforeRows, unresolved: &mut u64) -> Result<ArrayRef> {
    let null = new_null_array(events.data_type(), 1);
    let rows_before = before.rows.as_ref().map_or_else(|| null.clone(), |rows| rows.column(at).clone());
    let indices: Vec<(usize, usize)> = images
        .iter()
        .map(|image| match image.patches.iter().find(|(column, _)| *column == at) {
            None => (0, image.row as usize),
            Some((_, cell)) => place(cell, before, unresolved),
        })
        .collect();
    Ok(interleave(&[events.as_ref(), rows_before.as_ref(), null.as_ref()], &indices)?)
}

/// The null among the sources of a cell.
const NOWHERE: (usize, usize) = (2, 0);

/// Which of the sources a cell comes from, and its row there.
fn place(cell: &Cell, before: &BeforeRows, unresolved: &mut u64) -> (usize, usize) {
    let mut at = cell;
    while let Cell::Before(key, rest) = at {
        if let Some(row) = before.by_key.get(key) {
            return (1, *row as usize);
        }
        at = rest;
    }
    match (at, cell) {
        (Cell::Event(row), _) => (0, *row as usize),
        // Counted when it was folded.
        (_, Cell::Null) => NOWHERE,
        _ => {
            *unresolved += 1;
            NOWHERE
        }
    }
}
