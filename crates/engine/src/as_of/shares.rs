//! Shares of the events of a table, so that each fits into memory: events that have to do with each other are in one share.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields};
use waterline_core::change::{DOMAIN, OP, Op, SEQUENCE, key_fields};
use waterline_core::error::Result;
use waterline_core::key::{Key, KeyEncoder, KeyId, KeyIndex, hash_key};
use waterline_core::locate::key_columns;
use waterline_core::schema::TableSchema;

/// The keys whose hash has this remainder, of a table without a key the events.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub number: u64,
    pub of: u64,
    /// `None` where no keys are linked, or all are in one bucket.
    pub linked: Option<Arc<Linked>>,
}

impl Bucket {
    pub(crate) const ALL: Self = Self { number: 0, of: 1, linked: None };

    pub(crate) fn holds<'k>(&self, key: impl Into<Key<'k>>) -> bool {
        let key = key.into();
        self.of == 1 || self.linked.as_ref().map_or_else(|| hash_key(key), |linked| linked.hash(key)) % self.of == self.number
    }

    /// The rows of a batch of a changelog that belong to the bucket, of those in the mask; truncates belong to each.
    pub(crate) fn mask(&self, batch: &RecordBatch, mask: BooleanArray, dealt: &Dealt) -> Result<BooleanArray> {
        if self.of == 1 {
            return Ok(mask);
        }
        let ops = batch.column_by_name(OP).and_then(|ops| ops.as_string_opt::<i32>());
        let is_truncate = |row: usize| ops.is_some_and(|ops| ops.value(row) == Op::Truncate.as_str());
        let keys = dealt.encoder.encode(&key_columns(batch, &dealt.by)?)?;
        let member = |row: usize| mask.value(row) && (is_truncate(row) || self.holds(keys.row(row)));
        Ok((0..batch.num_rows()).map(|row| Some(member(row))).collect())
    }
}

/// By what events are dealt out: their keys; where there are none, their identities.
#[derive(Debug)]
pub(crate) struct Dealt {
    by: Fields,
    encoder: KeyEncoder,
}

impl Dealt {
    pub(crate) fn of(schema: &TableSchema) -> Result<Self> {
        let by = match schema.keys() {
            [] => [DOMAIN, SEQUENCE].map(|name| Field::new(name, DataType::Utf8, false)).to_vec().into(),
            _ => key_fields(schema),
        };
        Ok(Self { encoder: KeyEncoder::new(&by)?, by })
    }
}

/// Keys whose rows continue each other's: their events fold together (DESIGN.md rule 6).
#[derive(Debug, Default)]
pub(crate) struct Linked {
    keys: KeyIndex,
    /// By number of the key: a key of the same group with a lower number, or the key itself.
    leads_to: Vec<KeyId>,
}

impl Linked {
    pub(crate) fn link<'k>(&mut self, one: impl Into<Key<'k>>, other: impl Into<Key<'k>>) {
        let (one, other) = (self.first_of(one.into()), self.first_of(other.into()));
        self.leads_to[one.max(other).index()] = one.min(other);
    }

    /// The first key of the group of one that may be new.
    fn first_of(&mut self, key: Key<'_>) -> KeyId {
        let at = self.keys.insert(key);
        if at.index() == self.leads_to.len() {
            self.leads_to.push(at);
        }
        let first = self.first(at);
        self.leads_to[at.index()] = first;
        first
    }

    fn first(&self, mut at: KeyId) -> KeyId {
        while self.leads_to[at.index()] != at {
            at = self.leads_to[at.index()];
        }
        at
    }

    /// The same for all keys of a group.
    fn hash(&self, key: Key<'_>) -> u64 {
        hash_key(self.keys.get(key).map_or(key, |known| self.keys.key(self.first(known))))
    }

    /// Adds the rest of every group of which a key is there.
    pub(crate) fn complete(&self, keys: &mut KeyIndex) {
        let mut is_wanted = vec![false; self.leads_to.len()];
        for key in self.keys.ids().filter(|key| keys.get(self.keys.key(*key)).is_some()) {
            is_wanted[self.first(key).index()] = true;
        }
        for key in self.keys.ids().filter(|key| is_wanted[self.first(*key).index()]) {
            keys.insert(self.keys.key(key));
        }
    }
}

#[cfg(test)]
mod tests;
