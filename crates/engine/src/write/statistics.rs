//! Column statistics of a file from its Parquet footer.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Fields, SchemaRef};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use waterline_core::format::{Bounds, ColumnStatistics, FIELD_ID};

use crate::parquet_io::decoded_cell;

/// By field id of the leaf columns.
pub(super) fn of_file(footer: &ParquetMetaData, schema: &SchemaRef) -> BTreeMap<i32, ColumnStatistics> {
    let mut types = BTreeMap::new();
    leaf_types(schema.fields(), &mut types);
    let mut columns: BTreeMap<i32, Vec<&ColumnChunkMetaData>> = BTreeMap::new();
    for chunk in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let info = chunk.column_descr().self_type().get_basic_info();
        if info.has_id() {
            columns.entry(info.id()).or_default().push(chunk);
        }
    }
    columns.into_iter().map(|(id, chunks)| (id, of_column(&chunks, types.get(&id)))).collect()
}

fn of_column(chunks: &[&ColumnChunkMetaData], data_type: Option<&DataType>) -> ColumnStatistics {
    ColumnStatistics {
        size_bytes: chunks.iter().map(|c| c.compressed_size().cast_unsigned()).sum(),
        value_count: chunks.iter().map(|c| c.num_values().cast_unsigned()).sum(),
        null_count: chunks.iter().map(|c| c.statistics().and_then(Statistics::null_count_opt)).sum(),
        bounds: data_type.and_then(|data_type| bounds(chunks, data_type)).unwrap_or_default(),
    }
}

/// `None` as soon as one chunk with values says nothing of its bounds.
fn bounds(chunks: &[&ColumnChunkMetaData], data_type: &DataType) -> Option<Bounds> {
    let mut all = Bounds::default();
    for chunk in chunks {
        let statistics = chunk.statistics()?;
        if statistics.null_count_opt() == Some(chunk.num_values().cast_unsigned()) {
            continue;
        }
        let lower = decoded_cell(statistics.min_bytes_opt()?, statistics.physical_type(), data_type)?;
        let upper = decoded_cell(statistics.max_bytes_opt()?, statistics.physical_type(), data_type)?;
        all.lower = Some(all.lower.filter(|seen| *seen <= lower).unwrap_or(lower));
        all.upper = Some(all.upper.filter(|seen| *seen >= upper).unwrap_or(upper));
    }
    Some(all)
}

fn leaf_types(fields: &Fields, types: &mut BTreeMap<i32, DataType>) {
    for field in fields {
        match field.data_type() {
            DataType::Struct(children) => leaf_types(children, types),
            DataType::List(child) => leaf_types(&Fields::from(vec![child.clone()]), types),
            leaf => {
                if let Some(id) = field.metadata().get(FIELD_ID).and_then(|id| id.parse().ok()) {
                    types.insert(id, leaf.clone());
                }
            }
        }
    }
}
