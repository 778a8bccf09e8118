//! Column statistics of a file from its Parquet footer.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Fields, SchemaRef};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use waterline_core::format::{Bounds, ColumnStatistics, FIELD_ID};
use waterline_core::value::Value;

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
        let lower = value(statistics, statistics.min_bytes_opt()?, data_type)?;
        let upper = value(statistics, statistics.max_bytes_opt()?, data_type)?;
        all.lower = Some(all.lower.filter(|seen| *seen <= lower).unwrap_or(lower));
        all.upper = Some(all.upper.filter(|seen| *seen >= upper).unwrap_or(upper));
    }
    Some(all)
}

fn value(statistics: &Statistics, bytes: &[u8], data_type: &DataType) -> Option<Value> {
    let little = |bytes: &[u8]| -> Option<i64> {
        match bytes.len() {
            4 => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            8 => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    };
    Some(match data_type {
        DataType::Boolean => Value::Bool(*bytes.first()? != 0),
        DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(..) => Value::Int(little(bytes)?),
        DataType::Float32 => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        DataType::Float64 => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        DataType::Decimal128(..) => match statistics {
            Statistics::Int32(_) | Statistics::Int64(_) => Value::Decimal(little(bytes)?.into()),
            _ => Value::Decimal(big_endian(bytes)?),
        },
        DataType::Utf8 => Value::Text(std::str::from_utf8(bytes).ok()?.into()),
        DataType::Binary => Value::Bytes(bytes.into()),
        _ => return None,
    })
}

/// Two's complement of at most sixteen bytes.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let filler = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [filler; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
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
