//! Rows that are moved to another file keep their ids, and which commit last changed them. Rows that a merge writes anew
//! have neither: an update is a delete and an insert here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FIELD_ID, NewDataFile, RowLineage, TableState};

/// How the rows of a file are called in another.
pub(super) struct Carried<'a> {
    lineage: &'a RowLineage,
    /// The table with the columns of the lineage.
    state: TableState,
}

impl<'a> Carried<'a> {
    /// `None` where rows have no ids, and where columns of the table have the names of theirs.
    pub(super) fn of(state: &TableState, file: &'a DataFile) -> Option<Self> {
        let lineage = file.lineage.as_ref()?;
        if lineage.columns.iter().any(|column| state.schema.field_with_name(column.name()).is_ok()) {
            return None;
        }
        let fields: Vec<_> = state.schema.fields().iter().chain(lineage.columns.iter()).cloned().collect();
        Some(Self { lineage, state: TableState { schema: Arc::new(Schema::new(fields)), ..state.clone() } })
    }

    pub(super) fn state(&self) -> &TableState {
        &self.state
    }

    /// Rows as they were read from the file, with what it leaves to be derived: `start` is the position of the first.
    pub(super) fn explicit(&self, rows: &RecordBatch, start: u64) -> Result<RecordBatch> {
        let own = rows.num_columns() - self.lineage.columns.len();
        let mut columns = rows.columns().to_vec();
        let first = self.lineage.first_row_id + start.cast_signed();
        columns[own] = filled(&columns[own], |row| first + row as i64);
        columns[own + 1] = filled(&columns[own + 1], |_| self.lineage.sequence);
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }

    /// Manifests say nothing of columns that the table does not have.
    pub(super) fn without_statistics(&self, files: &mut [NewDataFile]) {
        let ids = self.lineage.columns.iter().filter_map(|column| column.metadata().get(FIELD_ID)?.parse::<i32>().ok());
        for id in ids {
            files.iter_mut().for_each(|file| drop(file.statistics.remove(&id)));
        }
    }
}

fn filled(column: &ArrayRef, value: impl Fn(usize) -> i64) -> ArrayRef {
    if column.null_count() == 0 {
        return column.clone();
    }
    let stored = column.as_primitive::<Int64Type>();
    Arc::new(stored.iter().enumerate().map(|(row, stored)| stored.or_else(|| Some(value(row)))).collect::<Int64Array>())
}
