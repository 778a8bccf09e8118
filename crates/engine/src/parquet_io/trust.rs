//! Leaves out the statistics of a footer that readers must not draw conclusions from.
//!
//! - Float columns: bounds leave NaN out, but SQL orders NaN above every number, so `x > 5` can match in a row group
//!   whose upper bound is 4.
//! - Bounds of byte arrays from writers that compared signed bytes (the deprecated `min` and `max` of the Parquet spec).

use parquet::basic::Type;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

pub(super) fn trusted(row_group: &RowGroupMetaData) -> Result<RowGroupMetaData> {
    let mut row_group = row_group.clone();
    for chunk in row_group.columns_mut() {
        if !is_trusted(chunk) {
            let bare = chunk.clone().into_builder().clear_statistics().set_column_index_offset(None).set_column_index_length(None);
            *chunk = bare.build()?;
        }
    }
    Ok(row_group)
}

fn is_trusted(chunk: &ColumnChunkMetaData) -> bool {
    match chunk.column_type() {
        Type::FLOAT | Type::DOUBLE => false,
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => chunk.statistics().is_none_or(|s| !s.is_min_max_deprecated()),
        _ => true,
    }
}
