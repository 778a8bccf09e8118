//! The rows of an opened file that can hold one of a set of keys, by what the file says of its row groups and pages.

use std::ops::Range;

use waterline_core::error::Result;
use waterline_core::locate::{KeyPruner, KeyValues, Look, joined, rows_of_pages};

use crate::parquet_io::{KeyColumns, ParquetFile, TableColumns};

/// With fewer keys than one for so many rows, some pages hold none. The number is that of rows in a page of most writers.
const ROWS_PER_PAGE: u64 = 20_000;

/// Rows of a file that are to be read.
#[derive(Debug)]
pub(super) struct Candidates {
    /// In order, apart from each other.
    ranges: Vec<Range<u64>>,
    /// Rows in the ranges before each.
    before: Vec<u64>,
}

impl Candidates {
    fn new(ranges: Vec<Range<u64>>) -> Self {
        let ranges = joined(ranges);
        let before = ranges.iter().scan(0, |rows, range| Some(std::mem::replace(rows, *rows + range.end - range.start))).collect();
        Self { ranges, before }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of rows.
    pub(super) fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    pub(super) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The position in the file of the row with this number among the candidates.
    pub(super) fn position(&self, number: u64) -> u64 {
        let at = self.before.partition_point(|before| *before <= number).saturating_sub(1);
        self.ranges[at].start + number - self.before[at]
    }
}

pub(super) async fn candidates(file: &mut ParquetFile, columns: &TableColumns, pruner: &KeyPruner) -> Result<Candidates> {
    let keys_of_file = file.key_columns(columns)?;
    let mut chosen = Vec::new();
    let mut start = 0;
    for group in 0..file.footer().num_row_groups() {
        let rows = start..start + file.footer().row_group(group).num_rows().cast_unsigned();
        start = rows.end;
        match pruner.look(&keys_of_file.bounds(group))? {
            Look::Skip => {}
            Look::Read => chosen.push(rows),
            Look::Closer(keys) => chosen.extend(look_closer(file, &keys_of_file, group, rows, keys).await?),
        }
    }
    Ok(Candidates::new(chosen))
}

async fn look_closer(
    file: &mut ParquetFile,
    columns: &KeyColumns,
    group: usize,
    rows: Range<u64>,
    mut keys: Vec<KeyValues>,
) -> Result<Vec<Range<u64>>> {
    for filter in columns.bloom_filters(file, group).await? {
        keys.retain(|key| key.get(filter.column).and_then(Option::as_ref).is_none_or(|value| filter.may_hold(value)));
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    if keys.len() as u64 * ROWS_PER_PAGE > rows.end - rows.start {
        return Ok(vec![rows]);
    }
    file.load_page_index().await?;
    Ok(rows_of_pages(&keys, &columns.pages(file, group, &rows), rows))
}
