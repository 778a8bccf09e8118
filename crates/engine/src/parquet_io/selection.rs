//! Sets of row positions as selections of the Parquet reader.

use std::ops::Range;

use parquet::arrow::arrow_reader::RowSelection;
use roaring::RoaringTreemap;

/// All rows of a file of `row_count` rows but these.
pub(crate) fn select_except(skipped: &RoaringTreemap, row_count: u64) -> RowSelection {
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
pub(super) fn select_only(chosen: &RoaringTreemap, row_count: u64) -> RowSelection {
    RowSelection::from_consecutive_ranges(runs(chosen, row_count), index(row_count))
}

/// Runs of adjacent positions below `row_count`.
fn runs(positions: &RoaringTreemap, row_count: u64) -> impl Iterator<Item = Range<usize>> {
    let mut positions = positions.iter().take_while(move |position| *position < row_count).map(index).peekable();
    std::iter::from_fn(move || {
        let start = positions.next()?;
        let mut end = start + 1;
        while positions.next_if_eq(&end).is_some() {
            end += 1;
        }
        Some(start..end)
    })
}

/// Positions fit: a file's rows are counted in an `i64`.
fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
