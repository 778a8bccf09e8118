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
const CHUNK_KEYS: usize = 256;
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

    fn may_hold(&self, key: i64) -> bool {
        let bit = self.filter_bit(mix(key));
        self.filter[bit / 64] & (1 << (bit % 64)) != 0
    }

    fn get(&self, key: i64) -> Option<KeyId> {
        let mut slot = mix(key) & self.mask;
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
            self.probe_values(column.as_primitive::<Int32Type>().values(), nulls.as_ref(), found);
        } else {
            self.probe_values(column.as_primitive::<Int64Type>().values(), nulls.as_ref(), found);
        }
    }

    /// The filter is asked for a chunk of keys before the table is, so that many looks into memory are under way at a time.
    fn probe_values<T: Copy + Into<i64>>(&self, keys: &[T], nulls: Option<&NullBuffer>, mut found: impl FnMut(usize, KeyId)) {
        let mut passing = [0_usize; CHUNK_KEYS];
        for (start, chunk) in keys.chunks(CHUNK_KEYS).enumerate().map(|(number, chunk)| (number * CHUNK_KEYS, chunk)) {
            let mut count = 0;
            for (at, key) in chunk.iter().enumerate() {
                passing[count] = at;
                count += usize::from(self.may_hold((*key).into()));
            }
            for at in &passing[..count] {
                if let Some(id) = self.get(chunk[*at].into())
                    && nulls.is_none_or(|nulls| nulls.is_valid(start + at))
                {
                    found(start + at, id);
                }
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
