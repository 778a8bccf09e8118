//! Locate, the deciding half: which files and parts of files can hold a set of keys, and which rows of a file's key columns are theirs.

mod narrow;
mod probe;
mod prune;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Fields};

pub use self::narrow::{KeyValues, Look, Page, joined, rows_of_pages};
use self::probe::IntegerProbe;
pub use self::prune::KeyPruner;
use crate::error::Result;
use crate::key::{KeyEncoder, KeyId, KeyIndex};
use crate::side_by_side::side_by_side;

/// From this many keys on, what is made of them is made on two threads.
const MANY_KEYS: usize = 1 << 16;

/// Keys to look for in the key columns of data files.
#[derive(Debug)]
pub struct KeySet {
    index: Arc<KeyIndex>,
    encoder: Arc<KeyEncoder>,
    fields: Fields,
    integers: Option<IntegerProbe>,
}

impl KeySet {
    /// `fields` are the key columns in key order. `wanted` says which keys of the index count.
    pub fn new(
        index: &Arc<KeyIndex>,
        encoder: &Arc<KeyEncoder>,
        fields: Fields,
        wanted: impl Fn(KeyId) -> bool,
    ) -> Result<(Self, KeyPruner)> {
        let ids: Vec<KeyId> = index.ids().filter(|id| wanted(*id)).collect();
        let columns = if ids.is_empty() {
            fields.iter().map(|f| arrow::array::new_empty_array(f.data_type())).collect()
        } else {
            encoder.decode(ids.iter().map(|id| index.key(*id)))?
        };
        let pruner = || KeyPruner::new(&fields, &columns);
        let integers = || match fields.as_ref() {
            [field] if matches!(field.data_type(), DataType::Int64 | DataType::Int32) => IntegerProbe::new(&columns[0], &ids),
            _ => None,
        };
        let (integers, pruner) = if ids.len() < MANY_KEYS { (integers(), pruner()) } else { side_by_side(integers, pruner)? };
        let pruner = pruner?;
        Ok((Self { index: index.clone(), encoder: encoder.clone(), fields, integers }, pruner))
    }

    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Calls `found` with the row and the key of every row of `columns` (key columns in key order) whose key is known to
    /// the index. It may be a key that is not wanted when the index holds others.
    pub fn probe(&self, columns: &[ArrayRef], mut found: impl FnMut(usize, KeyId)) -> Result<()> {
        if let Some(integers) = &self.integers {
            integers.probe(&columns[0], found);
            return Ok(());
        }
        let rows = self.encoder.encode(columns)?;
        for (at, row) in rows.iter().enumerate() {
            if let Some(key) = self.index.get(row) {
                found(at, key);
            }
        }
        Ok(())
    }
}

/// Key columns of a batch by name, in key order.
pub fn key_columns(batch: &RecordBatch, fields: &Fields) -> Result<Vec<ArrayRef>> {
    let schema = batch.schema();
    fields.iter().map(|field| Ok(batch.column(schema.index_of(field.name())?).clone())).collect()
}
