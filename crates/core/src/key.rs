//! Keys of rows as comparable bytes, and a dense number for each distinct key.

use arrow::array::ArrayRef;
use arrow::datatypes::Fields;
use arrow::row::{OwnedRow, Row, RowConverter, Rows, SortField};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;

/// Number of a distinct key inside one [`KeyIndex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl KeyId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Encodes key columns, in key order, into bytes that are equal where the keys are.
#[derive(Debug)]
pub struct KeyEncoder {
    converter: RowConverter,
}

impl KeyEncoder {
    pub fn new(fields: &Fields) -> Result<Self> {
        let fields = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        Ok(Self { converter: RowConverter::new(fields)? })
    }

    pub fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        Ok(self.converter.convert_columns(columns)?)
    }

    pub fn decode(&self, keys: &[OwnedRow]) -> Result<Vec<ArrayRef>> {
        Ok(self.converter.convert_rows(keys.iter().map(OwnedRow::row))?)
    }
}

/// A hash of a key that is the same in every process.
pub fn hash_key(key: Row<'_>) -> u64 {
    xxh3_64(key.data())
}

/// Distinct keys in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct KeyIndex {
    keys: Vec<OwnedRow>,
    table: HashTable<u32>,
}

impl KeyIndex {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn insert(&mut self, key: Row<'_>) -> KeyId {
        let hash = hash_key(key);
        if let Some(&id) = self.table.find(hash, |&id| self.keys[id as usize].row() == key) {
            return KeyId(id);
        }
        let id = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.push(key.owned());
        self.table.insert_unique(hash, id, |&id| hash_key(self.keys[id as usize].row()));
        KeyId(id)
    }

    pub fn get(&self, key: Row<'_>) -> Option<KeyId> {
        self.table.find(hash_key(key), |&id| self.keys[id as usize].row() == key).map(|&id| KeyId(id))
    }

    pub fn key(&self, id: KeyId) -> Row<'_> {
        self.keys[id.index()].row()
    }

    pub fn keys(&self) -> &[OwnedRow] {
        &self.keys
    }

    pub fn ids(&self) -> impl Iterator<Item = KeyId> + use<> {
        (0..self.keys.len() as u32).map(KeyId)
    }
}
