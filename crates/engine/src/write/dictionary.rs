//! Which columns of a file gain by a dictionary.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use waterline_core::error::Result;

/// Rows that are looked at. They follow upon each other, so that values which repeat in runs are seen to.
const SAMPLE_ROWS: usize = 4_096;
/// From this share of distinct values on, in percent, a column has about as many as the writer puts into a dictionary before it
/// gives it up; until then it would look up each value for nothing.
const VARIED_PERCENT: usize = 98;

/// Names of the columns that hardly repeat a value, by the first rows of a file. None where these are few.
pub(super) fn varied_columns(rows: &RecordBatch) -> Result<Vec<String>> {
    let mut varied = Vec::new();
    if rows.num_rows() < SAMPLE_ROWS {
        return Ok(varied);
    }
    let schema = rows.schema();
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        if distinct_values(&column.slice(0, SAMPLE_ROWS))? * 100 >= SAMPLE_ROWS * VARIED_PERCENT {
            varied.push(field.name().clone());
        }
    }
    Ok(varied)
}

/// Nulls are no values. Of nested columns none is counted, since their parts are columns of a file each.
fn distinct_values(column: &ArrayRef) -> Result<usize> {
    if column.data_type().is_nested() || column.data_type() == &DataType::Boolean {
        return Ok(0);
    }
    let converter = RowConverter::new(vec![SortField::new(column.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(column))?;
    Ok((0..column.len()).filter(|row| column.is_valid(*row)).map(|row| rows.row(row)).collect::<HashSet<_>>().len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let ids = Int64Array::from_iter_values(0..rows);
        let texts = StringArray::from_iter_values((0..rows).map(|row| format!("text of row {row}")));
        let runs = Int64Array::from_iter_values((0..rows).map(|row| row / 16));
        let sparse: Int64Array = (0..rows).map(|row| (row % 10 != 0).then_some(row)).collect();
        let columns: [(&str, ArrayRef); 4] =
            [("ids", Arc::new(ids)), ("texts", Arc::new(texts)), ("runs", Arc::new(runs)), ("sparse", Arc::new(sparse))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn columns_that_hardly_repeat_a_value_have_no_dictionary() {
        assert_eq!(varied_columns(&batch(5_000)).unwrap(), ["ids", "texts"]);
        assert_eq!(varied_columns(&batch(100)).unwrap(), Vec::<String>::new());
    }
}
