//! Which parts of an opened file can hold a set of keys: row groups by bounds, and, where few keys are left for one, its
//! pages by bounds. (What a Bloom filter says of those few keys is asked by who can read one.)

use std::cmp::Ordering;
use std::ops::Range;

use super::KeyPruner;
use crate::error::Result;
use crate::format::Bounds;
use crate::partition::value_at;
use crate::value::Value;

/// One key, in key order.
pub type KeyValues = Vec<Option<Value>>;

/// More keys than these in a row group, and it is read as it is: a Bloom filter errs on one key in a hundred, and pages that
/// none of them can be in are few.
const FEW_KEYS: usize = 64;
/// Of this many keys with several columns at most, each is looked at for each row group.
const LISTED_KEYS: usize = 4_096;

/// What is to be done with a row group.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// No key can be there.
    Skip,
    Read,
    /// Only these few keys can be there.
    Closer(Vec<KeyValues>),
}

/// Rows of a page, and what is known of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Range<u64>,
    /// `None` when all of them are null.
    pub bounds: Option<Bounds>,
}

impl KeyPruner {
    /// `bounds` are those of a row group by key column, in key order; unknown ones have neither end.
    pub fn look(&self, bounds: &[Bounds]) -> Result<Look> {
        if !self.names.iter().zip(bounds).all(|(column, bounds)| self.may_hold(column, bounds)) {
            return Ok(Look::Skip);
        }
        let keys = match (self.names.as_slice(), bounds) {
            ([column], [bounds]) => self.values_within(column, bounds).map(|values| values.iter().map(|v| vec![Some(v.clone())]).collect()),
            _ => self.keys_within(bounds)?,
        };
        Ok(match keys {
            None => Look::Read,
            Some(keys) if keys.is_empty() => Look::Skip,
            Some(keys) => Look::Closer(keys),
        })
    }

    /// `None` when they are not few, or not known one by one.
    fn values_within(&self, column: &str, bounds: &Bounds) -> Option<&[Value]> {
        let sorted = self.sorted(column)?;
        let first = bounds.lower.as_ref().map_or(0, |lower| sorted.partition_point(|v| v.partial_cmp(lower) == Some(Ordering::Less)));
        let above = |v: &Value| bounds.upper.as_ref().is_some_and(|upper| v.partial_cmp(upper) == Some(Ordering::Greater));
        let end = first + sorted[first..].partition_point(|v| !above(v));
        (end - first <= FEW_KEYS).then(|| &sorted[first..end])
    }

    fn keys_within(&self, bounds: &[Bounds]) -> Result<Option<Vec<KeyValues>>> {
        if self.len() > LISTED_KEYS {
            return Ok(None);
        }
        let mut keys = Vec::new();
        for row in 0..self.len() {
            let key: KeyValues = self.arrays().map(|array| value_at(array, row)).collect::<Result<_>>()?;
            if key.iter().zip(bounds).all(|(value, bounds)| may_be_within(value.as_ref(), Some(bounds))) {
                if keys.len() == FEW_KEYS {
                    return Ok(None);
                }
                keys.push(key);
            }
        }
        Ok(Some(keys))
    }
}

/// Rows of a row group that may hold one of the keys: `columns` has the pages of some key columns, by number in the key.
/// Ranges are in order and apart from each other.
pub fn rows_of_pages(keys: &[KeyValues], columns: &[(usize, Vec<Page>)], all: Range<u64>) -> Vec<Range<u64>> {
    let mut rows = vec![all];
    for (column, pages) in columns {
        let held = |page: &&Page| keys.iter().any(|key| may_be_within(key.get(*column).and_then(Option::as_ref), page.bounds.as_ref()));
        let pages: Vec<Range<u64>> = pages.iter().filter(held).map(|page| page.rows.clone()).collect();
        rows = intersected(&rows, &joined(pages));
    }
    rows
}

/// Null may be anywhere. Values without an order may be, too.
fn may_be_within(value: Option<&Value>, bounds: Option<&Bounds>) -> bool {
    let (Some(value), Some(bounds)) = (value, bounds) else { return value.is_none() };
    let is = |bound: &Option<Value>, order: Ordering| bound.as_ref().is_some_and(|bound| value.partial_cmp(bound) == Some(order));
    !is(&bounds.lower, Ordering::Less) && !is(&bounds.upper, Ordering::Greater)
}

/// Ranges in order, those that touch made one.
pub fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

fn intersected(left: &[Range<u64>], right: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut at, mut other) = (0, 0);
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (left.get(at), right.get(other)) {
        let (start, end) = (a.start.max(b.start), a.end.min(b.end));
        if start < end {
            both.push(start..end);
        }
        if a.end < b.end { at += 1 } else { other += 1 }
    }
    both
}
