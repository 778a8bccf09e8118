//! Manifest entries of the data files that the engine wrote.

use std::collections::HashMap;

use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, PrimitiveType, Schema, TableMetadata};
use waterline_core::error::Result;
use waterline_core::format::NewDataFile;
use waterline_core::value::Value;

use crate::bounds::{self, Precision};
use crate::commit::manifests::built;
use crate::partition;

/// An entry in the table's default spec and current schema.
pub(crate) fn entry(new: &NewDataFile, table: &TableMetadata) -> Result<DataFile> {
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::Data)
        .file_format(DataFileFormat::Parquet)
        .file_path(new.path.clone())
        .file_size_in_bytes(new.size_bytes)
        .record_count(new.record_count)
        .partition_spec_id(table.default_partition_spec_id())
        .partition(partition::to_struct(&new.partition, table.default_partition_type()).map_err(|e| e.with("file", &new.path))?)
        .split_offsets((!new.split_offsets.is_empty()).then(|| new.split_offsets.clone()));
    add_metrics(&mut builder, new, table.current_schema());
    built(&builder)
}

fn add_metrics(builder: &mut DataFileBuilder, new: &NewDataFile, schema: &Schema) {
    let columns = new.statistics.iter();
    builder.column_sizes(columns.clone().map(|(id, column)| (*id, column.size_bytes)).collect());
    builder.value_counts(columns.clone().map(|(id, column)| (*id, column.value_count)).collect());
    builder.null_value_counts(columns.clone().filter_map(|(id, column)| Some((*id, column.null_count?))).collect());
    let bounded = |pick: fn(&Value, &PrimitiveType, Precision) -> Option<Datum>,
                   side: fn(&waterline_core::format::Bounds) -> Option<&Value>| {
        let bound = |(id, column): (&i32, &waterline_core::format::ColumnStatistics)| {
            let (kind, precision) = bounded_type(schema, *id)?;
            Some((*id, pick(side(&column.bounds)?, kind, precision)?))
        };
        columns.clone().filter_map(bound).collect::<HashMap<i32, Datum>>()
    };
    builder.lower_bounds(bounded(bounds::lower, |bounds| bounds.lower.as_ref()));
    builder.upper_bounds(bounded(bounds::upper, |bounds| bounds.upper.as_ref()));
}

/// The type of a column that has bounds: a primitive that is not inside a list or map. Keys keep theirs whole, because
/// merges find rows by them.
fn bounded_type(schema: &Schema, id: i32) -> Option<(&PrimitiveType, Precision)> {
    schema.accessor_by_field_id(id)?;
    let kind = schema.field_by_id(id)?.field_type.as_primitive_type()?;
    let is_key = schema.identifier_field_ids().any(|key| key == id);
    Some((kind, if is_key { Precision::Full } else { Precision::Truncated }))
}
