//! Keys of rows as comparable bytes, and a dense number for each distinct key.

use arrow::array::ArrayRef;
use arrow::datatypes::Fields;
use arrow::row::{Row, RowConverter, Rows, SortField};
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

/// Something of each of many keys of one [`KeyIndex`].
pub type KeyMap<V> = hashbrown::HashMap<KeyId, V>;

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

    pub fn decode<'k>(&self, keys: impl Iterator<Item = Key<'k>>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        Ok(self.converter.convert_rows(keys.map(|key| parser.parse(key.0)))?)
    }
}

/// An encoded key: bytes that sort as the key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<'a>(&'a [u8]);

impl<'a> From<Row<'a>> for Key<'a> {
    fn from(row: Row<'a>) -> Self {
        Self(row.data())
    }
}

/// A hash of a key that is the same in every process.
pub fn hash_key<'k>(key: impl Into<Key<'k>>) -> u64 {
    xxh3_64(key.into().0)
}

/// Distinct keys in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct KeyIndex {
    /// All keys, one after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
}

impl KeyIndex {
    /// With room for this many keys.
    pub fn with_capacity(keys: usize) -> Self {
        Self { ends: Vec::with_capacity(keys), table: HashTable::with_capacity(keys), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn insert<'k>(&mut self, key: impl Into<Key<'k>>) -> KeyId {
        let key = key.into();
        let hash = hash_key(key);
        if let Some(id) = self.find(hash, key) {
            return id;
        }
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(key.0);
        self.ends.push(self.bytes.len());
        let (bytes, ends) = (&self.bytes, &self.ends);
        self.table.insert_unique(hash, id, |id| hash_key(key_at(bytes, ends, *id as usize)));
        KeyId(id)
    }

    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<KeyId> {
        let key = key.into();
        self.find(hash_key(key), key)
    }

    fn find(&self, hash: u64, key: Key<'_>) -> Option<KeyId> {
        self.table.find(hash, |id| self.key(KeyId(*id)) == key).map(|id| KeyId(*id))
    }

    pub fn key(&self, id: KeyId) -> Key<'_> {
        key_at(&self.bytes, &self.ends, id.index())
    }

    pub fn ids(&self) -> impl Iterator<Item = KeyId> + use<> {
        (0..self.ends.len() as u32).map(KeyId)
    }
}

fn key_at<'a>(bytes: &'a [u8], ends: &[usize], number: usize) -> Key<'a> {
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    Key(&bytes[start..ends[number]])
}
