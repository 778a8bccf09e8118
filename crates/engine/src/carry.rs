//! Rows that move to another file as they are. They keep their ids, and which commit last changed them; rows that a merge writes
//! anew have neither, since an update is a delete and an insert here.

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Fields, Int64Type, Schema};
use futures::stream::{BoxStream, StreamExt};
use roaring::RoaringTreemap;
use roaring::treemap::IntoIter;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FIELD_ID, NewDataFile, RowLineage, TableState};

use crate::lake::Lake;
use crate::parquet_io::{ParquetFile, Rows, TableColumns};

/// Rows of a batch while a file is copied, and about how many bytes of columns these are at most.
const BATCH_ROWS: u64 = 1 << 14;
const BATCH_BYTES: u64 = 8 << 20;

/// Reads whole rows out of files of a table, and what they are called.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    /// The table, with the columns of the lineage where rows have one.
    state: TableState,
    columns: TableColumns,
    lineage: Option<Fields>,
}

impl Carrier {
    /// For rows of these files. Those of a table with columns that are called like the lineage's lose it.
    pub(crate) fn of<'a>(state: &TableState, files: impl IntoIterator<Item = &'a DataFile>) -> Result<Self> {
        let lineage = files.into_iter().find_map(|file| file.lineage.as_ref()).map(|lineage| lineage.columns.clone());
        let lineage = lineage.filter(|columns| columns.iter().all(|column| state.schema.field_with_name(column.name()).is_err()));
        let fields: Vec<_> = state.schema.fields().iter().chain(lineage.iter().flatten()).cloned().collect();
        let state = TableState { schema: Arc::new(Schema::new(fields)), ..state.clone() };
        Ok(Self { columns: TableColumns::of(&state)?, state, lineage })
    }

    /// What the rows are written as.
    pub(crate) fn state(&self) -> &TableState {
        &self.state
    }

    /// The rows of a file that are not gone, in its order.
    pub(crate) async fn read(&self, lake: &Lake, file: &DataFile, gone: RoaringTreemap) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let opened = lake.files.open_data_file(&self.state, file).await?;
        let rows = opened.read(&self.columns, Rows::All, batch_rows(&opened)).await?;
        let lineage = file.lineage.clone().filter(|_| self.lineage.is_some());
        let mut gone = gone.into_iter().peekable();
        let mut start = 0;
        let staying = move |rows: Result<RecordBatch>| {
            let mut rows = rows?;
            if let Some(lineage) = &lineage {
                rows = explicit(&rows, lineage, start)?;
            }
            let positions = start..start + rows.num_rows() as u64;
            start = positions.end;
            without(rows, positions, &mut gone)
        };
        Ok(rows.map(staying).boxed())
    }

    /// Manifests say nothing of columns that the table does not have.
    pub(crate) fn without_statistics(&self, files: &mut [NewDataFile]) {
        let lineage = self.lineage.iter().flatten();
        for id in lineage.filter_map(|column| column.metadata().get(FIELD_ID)?.parse::<i32>().ok()) {
            files.iter_mut().for_each(|file| drop(file.statistics.remove(&id)));
        }
    }
}

/// Fewer rows where they are wide.
fn batch_rows(file: &ParquetFile) -> usize {
    let groups = file.footer().row_groups();
    let bytes: u64 = groups.iter().map(|group| group.total_byte_size().unsigned_abs()).sum();
    let row_bytes = bytes / file.row_count().max(1);
    (BATCH_BYTES / row_bytes.max(1)).clamp(1, BATCH_ROWS) as usize
}

/// The rows at `positions` but those that are gone, whose positions are taken from the rest of all.
///
/// By a mask: rows that go are few and scattered, and selections would cut the reading into as many pieces.
fn without(rows: RecordBatch, positions: Range<u64>, gone: &mut Peekable<IntoIter>) -> Result<RecordBatch> {
    if gone.peek().is_none_or(|next| *next >= positions.end) {
        return Ok(rows);
    }
    let mut stays = BooleanBufferBuilder::new(rows.num_rows());
    stays.append_n(rows.num_rows(), true);
    while let Some(position) = gone.next_if(|position| *position < positions.end) {
        stays.set_bit((position - positions.start) as usize, false);
    }
    Ok(filter_record_batch(&rows, &BooleanArray::new(stays.finish(), None))?)
}

/// Rows with what their file leaves to be derived: `start` is the position of the first.
fn explicit(rows: &RecordBatch, lineage: &RowLineage, start: u64) -> Result<RecordBatch> {
    let own = rows.num_columns() - lineage.columns.len();
    let mut columns = rows.columns().to_vec();
    let first = lineage.first_row_id + start.cast_signed();
    columns[own] = filled(&columns[own], |row| first + row as i64);
    columns[own + 1] = filled(&columns[own + 1], |_| lineage.sequence);
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

fn filled(column: &ArrayRef, value: impl Fn(usize) -> i64) -> ArrayRef {
    if column.null_count() == 0 {
        return column.clone();
    }
    let stored = column.as_primitive::<Int64Type>();
    Arc::new(stored.iter().enumerate().map(|(row, stored)| stored.or_else(|| Some(value(row)))).collect::<Int64Array>())
}
