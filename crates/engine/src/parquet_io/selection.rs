//! Sets of row positions as selections of the Parquet reader.

use std::ops::Range;

use arrow::array::BooleanBufferBuilder;
use parquet::arrow::arrow_reader::RowSelection;
use roaring::RoaringTreemap;

/// With more than one position in this many rows, a bit per row takes less memory than two ranges per position.
const ROWS_PER_POSITION: u64 = 256;

/// All rows of a file of `row_count` rows but these.
pub(crate) fn select_except(skipped: &RoaringTreemap, row_count: u64) -> RowSelection {
    if is_dense(skipped, row_count) {
        return mask(skipped, row_count, Listed::Skipped);
    }
    let mut start = 0;
    let mut kept: Vec<Range<usize>> = Vec::new();
    for run in runs(skipped, row_count) {
        if run.start > start {
            kept.push(start..run.start);
        }
        start = run.end;
    }
    let end = index(row_count);
    if start < end {
        kept.push(start..end);
    }
    RowSelection::from_consecutive_ranges(kept.into_iter(), end)
}

/// These rows of a file of `row_count` rows only.
pub(crate) fn select_only(chosen: &RoaringTreemap, row_count: u64) -> RowSelection {
    if is_dense(chosen, row_count) {
        return mask(chosen, row_count, Listed::Chosen);
    }
    RowSelection::from_consecutive_ranges(runs(chosen, row_count), index(row_count))
}

/// The rows of these ranges only.
pub(super) fn select_within(ranges: &[Range<u64>], row_count: u64) -> RowSelection {
    RowSelection::from_consecutive_ranges(ranges.iter().map(|range| index(range.start)..index(range.end)), index(row_count))
}

fn is_dense(positions: &RoaringTreemap, row_count: u64) -> bool {
    positions.len().saturating_mul(ROWS_PER_POSITION) > row_count
}

/// What the positions of a set are.
#[derive(Clone, Copy, PartialEq)]
enum Listed {
    Chosen,
    Skipped,
}

fn mask(positions: &RoaringTreemap, row_count: u64, listed: Listed) -> RowSelection {
    let rows = index(row_count);
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, listed == Listed::Skipped);
    for position in below(positions, row_count) {
        bits.set_bit(position, listed == Listed::Chosen);
    }
    RowSelection::from_boolean_buffer(bits.finish())
}

/// Runs of adjacent positions below `row_count`.
fn runs(positions: &RoaringTreemap, row_count: u64) -> impl Iterator<Item = Range<usize>> {
    let mut positions = below(positions, row_count).peekable();
    std::iter::from_fn(move || {
        let start = positions.next()?;
        let mut end = start + 1;
        while positions.next_if_eq(&end).is_some() {
            end += 1;
        }
        Some(start..end)
    })
}

fn below(positions: &RoaringTreemap, row_count: u64) -> impl Iterator<Item = usize> {
    positions.iter().take_while(move |position| *position < row_count).map(index)
}

/// Positions fit: a file's rows are counted in an `i64`.
fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
