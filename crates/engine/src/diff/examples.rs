//! Rows that show how two sides differ.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use waterline_core::error::Result;

/// One difference; each batch holds the one row, with all columns that were compared.
#[derive(Clone, Debug)]
pub enum Example {
    OnlyLeft(RecordBatch),
    OnlyRight(RecordBatch),
    Changed {
        left: RecordBatch,
        right: RecordBatch,
        /// Names of the columns that differ.
        columns: Vec<String>,
    },
}

/// A copy of one row, so that an example does not hold on to its batch.
pub(super) fn row_of(batch: &RecordBatch, row: usize) -> Result<RecordBatch> {
    Ok(take_record_batch(batch, &UInt32Array::from_iter_values([row as u32]))?)
}
