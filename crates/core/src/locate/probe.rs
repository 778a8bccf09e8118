//! A hash table for the most common key, one integer column: the inner loop of a merge.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use crate::key::KeyId;

/// Open addressing with a bit filter in front, so that a row which is not meant costs one cached look.
#[derive(Debug)]
pub(super) struct IntegerProbe {
    filter: Vec<u64>,
    slots: Vec<(i64, u32)>,
    mask: u64,
    ids: Vec<KeyId>,
}

const EMPTY: u32 = u32::MAX;
/// Filter bits per slot of the table.
const FILTER_SHIFT: u32 = 2;

impl IntegerProbe {
    /// `None` when a key is null: then the general way serves.
    pub(super) fn new(keys: &ArrayRef, ids: &[KeyId]) -> Option<Self> {
        if keys.null_count() > 0 {
            return None;
        }
        let capacity = (keys.len() * 2).next_power_of_two().max(64);
        let bits = capacity << FILTER_SHIFT;
        let mut probe =
            Self { filter: vec![0; bits / 64], slots: vec![(0, EMPTY); capacity], mask: capacity as u64 - 1, ids: ids.to_vec() };
        for (at, key) in integers(keys).into_iter().enumerate() {
            probe.insert(key, at as u32);
        }
        Some(probe)
    }

    fn insert(&mut self, key: i64, at: u32) {
        let hash = mix(key);
        let bit = self.filter_bit(hash);
        self.filter[bit / 64] |= 1 << (bit % 64);
        let mut slot = hash & self.mask;
        while self.slots[slot as usize].1 != EMPTY {
            slot = (slot + 1) & self.mask;
        }
        self.slots[slot as usize] = (key, at);
    }

    /// Bits that the slot number does not use.
    fn filter_bit(&self, hash: u64) -> usize {
        ((hash >> 20) as usize) & (self.filter.len() * 64 - 1)
    }

    fn get(&self, key: i64) -> Option<KeyId> {
        let hash = mix(key);
        let bit = self.filter_bit(hash);
        if self.filter[bit / 64] & (1 << (bit % 64)) == 0 {
            return None;
        }
        let mut slot = hash & self.mask;
        loop {
            let (candidate, at) = self.slots[slot as usize];
            if at == EMPTY {
                return None;
            }
            if candidate == key {
                return Some(self.ids[at as usize]);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    pub(super) fn probe(&self, column: &ArrayRef, found: impl FnMut(usize, KeyId)) {
        let nulls = column.logical_nulls();
        if column.data_type() == &DataType::Int32 {
            self.probe_values(column.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v)), nulls.as_ref(), found);
        } else {
            self.probe_values(column.as_primitive::<Int64Type>().values().iter().copied(), nulls.as_ref(), found);
        }
    }

    fn probe_values(&self, keys: impl Iterator<Item = i64>, nulls: Option<&NullBuffer>, mut found: impl FnMut(usize, KeyId)) {
        for (row, key) in keys.enumerate() {
            if let Some(id) = self.get(key)
                && nulls.is_none_or(|nulls| nulls.is_valid(row))
            {
                found(row, id);
            }
        }
    }
}

/// All values of an `Int32` or `Int64` column.
fn integers(column: &ArrayRef) -> Vec<i64> {
    if column.data_type() == &DataType::Int32 {
        column.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v)).collect()
    } else {
        column.as_primitive::<Int64Type>().values().to_vec()
    }
}

/// Finalizer of splitmix64: spreads neighbouring integers over all bits.
fn mix(key: i64) -> u64 {
    let mut x = key.cast_unsigned();
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
