//! Which events leave a changelog, and up to where the cut is clean.

use std::collections::BTreeMap;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use roaring::RoaringTreemap;
use waterline_core::change::{BATCH, DOMAIN, EVENT_TIME, SEQUENCE};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, DataFile, KeepAll, TableState};
use waterline_core::maintain::cut::{CutOrder, Side};
use waterline_core::record::{BatchOrdinal, LogHeader};
use waterline_core::value::Value;

use crate::lake::Lake;
use crate::locate::columns_by_name;
use crate::merge::Pair;
use crate::parquet_io::{Rows, TableColumns};

/// Times that a cut is moved before it is given up.
const MAX_MOVES: usize = 8;
const BATCH_ROWS: usize = 1 << 16;

/// What leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Leaving {
    pub until_us: i64,
    /// Files all of whose events leave, with their sizes in bytes.
    pub files: BTreeMap<String, u64>,
    /// Positions of events by file, where others stay.
    pub rows: BTreeMap<String, RoaringTreemap>,
    pub events: u64,
    /// The last batch that any of them is of.
    pub settled: BatchOrdinal,
}

/// The changelog of a table, to be cut.
pub(super) struct Log<'a> {
    pub lake: &'a Lake,
    pub pair: &'a Pair,
    pub state: &'a TableState,
    pub header: &'a LogHeader,
}

impl Log<'_> {
    /// Events up to `until_us`, or to a clean cut before it. `None` where there is none above `above_us`.
    pub(super) async fn leaving(&self, mut until_us: i64, above_us: i64) -> Result<Option<Leaving>> {
        let files = self.pair.changelog.data_files(self.state, &KeepAll).await?;
        for _ in 0..MAX_MOVES {
            if until_us <= above_us {
                break;
            }
            let order = self.order(&files, until_us).await?;
            if order.is_clean() {
                return self.leave(&files, until_us).await.map(Some);
            }
            match self.earliest_disturbing(&files, until_us, &order).await? {
                Some(earliest) => until_us = earliest - 1,
                None => break,
            }
        }
        Ok(None)
    }

    /// The order around a cut, from the files that can disturb it.
    async fn order(&self, files: &[DataFile], until_us: i64) -> Result<CutOrder> {
        let mut order = CutOrder::default();
        for file in disputed(files, until_us) {
            self.scan(file, |events| {
                events.each(|row| {
                    if !self.header.rollbacks.void(events.batches.value(row)) {
                        order.add(events.domains.value(row), events.sequences.value(row), events.side(row, until_us));
                    }
                });
            })
            .await?;
        }
        Ok(order)
    }

    async fn earliest_disturbing(&self, files: &[DataFile], until_us: i64, order: &CutOrder) -> Result<Option<i64>> {
        let mut earliest: Option<i64> = None;
        for file in disputed(files, until_us) {
            self.scan(file, |events| {
                events.each(|row| {
                    let is_before = events.side(row, until_us) == Side::Before && !self.header.rollbacks.void(events.batches.value(row));
                    if is_before && order.is_disturbed_by(events.domains.value(row), events.sequences.value(row)) {
                        let time = events.times.value(row);
                        earliest = Some(earliest.map_or(time, |known| known.min(time)));
                    }
                });
            })
            .await?;
        }
        Ok(earliest)
    }

    async fn leave(&self, files: &[DataFile], until_us: i64) -> Result<Leaving> {
        let mut leaving = Leaving { until_us, ..Leaving::default() };
        for file in files {
            let deleted = self.pair.changelog.deleted_rows(file).await?;
            let last_batch = int(file, BATCH, |bounds| &bounds.upper);
            match (lies(file, until_us), last_batch) {
                (Some(Side::After), _) => {}
                (Some(Side::Before), Some(last)) => {
                    leaving.files.insert(file.path.clone(), file.size_bytes);
                    leaving.events += file.record_count - deleted.len();
                    leaving.settled = leaving.settled.max(BatchOrdinal(last));
                }
                _ => self.leave_in(file, until_us, &deleted, &mut leaving).await?,
            }
        }
        Ok(leaving)
    }

    /// A file of which only some events may leave.
    async fn leave_in(&self, file: &DataFile, until_us: i64, deleted: &RoaringTreemap, leaving: &mut Leaving) -> Result<()> {
        let (mut rows, mut settled) = (RoaringTreemap::new(), leaving.settled);
        self.scan(file, |events| {
            events.each(|row| {
                if events.side(row, until_us) == Side::Before {
                    rows.insert(events.positions.value(row).cast_unsigned());
                    settled = settled.max(BatchOrdinal(events.batches.value(row)));
                }
            });
        })
        .await?;
        rows -= deleted;
        if rows.is_empty() {
            return Ok(());
        }
        leaving.settled = settled;
        leaving.events += rows.len();
        if rows.len() + deleted.len() == file.record_count {
            leaving.files.insert(file.path.clone(), file.size_bytes);
        } else {
            leaving.rows.insert(file.path.clone(), rows);
        }
        Ok(())
    }

    async fn scan(&self, file: &DataFile, mut each: impl FnMut(&Events<'_>)) -> Result<()> {
        let columns: TableColumns = columns_by_name(self.state, [DOMAIN, SEQUENCE, EVENT_TIME, BATCH].into_iter())?;
        let opened = self.lake.files.open_data_file(self.state, file).await?;
        let mut batches = opened.read_with_positions(&columns, Rows::All, BATCH_ROWS).await?;
        while let Some(read) = batches.try_next().await? {
            each(&Events::of(&read.batch, &read.positions).map_err(|e| e.with("file", &file.path))?);
        }
        Ok(())
    }
}

/// What is needed of events, in rows.
struct Events<'a> {
    domains: &'a StringArray,
    sequences: &'a StringArray,
    times: &'a TimestampMicrosecondArray,
    batches: &'a Int64Array,
    positions: &'a Int64Array,
}

impl<'a> Events<'a> {
    fn of(batch: &'a RecordBatch, positions: &'a Int64Array) -> Result<Self> {
        let wrong = || Error::corrupt("a changelog's system column has another type than it should");
        Ok(Self {
            domains: batch.column(0).as_string_opt().ok_or_else(wrong)?,
            sequences: batch.column(1).as_string_opt().ok_or_else(wrong)?,
            times: batch.column(2).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?,
            batches: batch.column(3).as_primitive_opt::<Int64Type>().ok_or_else(wrong)?,
            positions,
        })
    }

    fn each(&self, row: impl FnMut(usize)) {
        (0..self.times.len()).for_each(row);
    }

    fn side(&self, row: usize, until_us: i64) -> Side {
        if self.times.value(row) <= until_us { Side::Before } else { Side::After }
    }
}

/// Where all events of a file lie; `None` when it holds some of both, or that is not known.
fn lies(file: &DataFile, until_us: i64) -> Option<Side> {
    let (first, last) = (int(file, EVENT_TIME, |bounds| &bounds.lower), int(file, EVENT_TIME, |bounds| &bounds.upper));
    match (first, last) {
        (_, Some(last)) if last <= until_us => Some(Side::Before),
        (Some(first), _) if first > until_us => Some(Side::After),
        _ => None,
    }
}

/// Files whose sequences do not show that they leave the cut clean. Bounds of text are cut, and never too narrow.
fn disputed(files: &[DataFile], until_us: i64) -> Vec<&DataFile> {
    let text = |file: &DataFile, end: fn(&Bounds) -> &Option<Value>| match file.bounds_of(SEQUENCE).map(end) {
        Some(Some(Value::Text(text))) => Some(text.clone()),
        _ => None,
    };
    let newest = |file: &DataFile| text(file, |bounds| &bounds.upper);
    let oldest = |file: &DataFile| text(file, |bounds| &bounds.lower);
    let after = files.iter().filter(|file| lies(file, until_us) != Some(Side::Before)).map(oldest);
    // An unknown bound is below all others, as `None` is.
    let oldest_after = after.min();
    let before = files.iter().filter(|file| lies(file, until_us) != Some(Side::After)).map(newest);
    let newest_before = before.map(|bound| (bound.is_none(), bound)).max();
    let is_disputed = |file: &&DataFile| match lies(file, until_us) {
        None => true,
        Some(Side::Before) => {
            oldest_after.as_ref().is_some_and(|oldest| newest(file).is_none_or(|newest| Some(&newest) >= oldest.as_ref()))
        }
        Some(Side::After) => newest_before.as_ref().is_some_and(|(is_unknown, newest)| *is_unknown || oldest(file) <= *newest),
    };
    files.iter().filter(is_disputed).collect()
}

fn int(file: &DataFile, column: &str, end: fn(&Bounds) -> &Option<Value>) -> Option<i64> {
    match file.bounds_of(column).map(end) {
        Some(Some(Value::Int(value))) => Some(*value),
        _ => None,
    }
}
