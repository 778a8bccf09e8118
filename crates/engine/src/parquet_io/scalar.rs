//! Values of the core as values of columns.

use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use waterline_core::format::FileSummary;
use waterline_core::partition::Transform;
use waterline_core::value::Value;

/// Columns that have one value in all rows of a file, because the table is partitioned by them as they are.
/// Other readers take a partition's value over what the file says, so a file need not hold such a column.
pub(crate) fn constants(schema: &Schema, summary: &FileSummary) -> Vec<(String, ScalarValue)> {
    let identities = summary.partition.iter().filter(|(field, _)| field.transform == Transform::Identity);
    identities
        .filter_map(|(field, value)| {
            let data_type = schema.field_with_name(&field.column).ok()?.data_type();
            let value = match value {
                Some(value) => scalar(value, data_type)?,
                None => ScalarValue::try_new_null(data_type).ok()?,
            };
            Some((field.column.clone(), value))
        })
        .collect()
}

/// The value in a column of this type; `None` when it is not one of the type's.
pub(crate) fn scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    Some(match (value, data_type) {
        (Value::Bool(v), DataType::Boolean) => ScalarValue::Boolean(Some(*v)),
        (Value::Int(v), DataType::Int32) => ScalarValue::Int32(Some(i32::try_from(*v).ok()?)),
        (Value::Int(v), DataType::Int64) => ScalarValue::Int64(Some(*v)),
        (Value::Int(v), DataType::Date32) => ScalarValue::Date32(Some(i32::try_from(*v).ok()?)),
        (Value::Int(v), DataType::Time64(TimeUnit::Microsecond)) => ScalarValue::Time64Microsecond(Some(*v)),
        (Value::Int(v), DataType::Timestamp(TimeUnit::Microsecond, zone)) => ScalarValue::TimestampMicrosecond(Some(*v), zone.clone()),
        #[allow(clippy::cast_possible_truncation, reason = "a value of a float column is a float")]
        (Value::Float(v), DataType::Float32) => ScalarValue::Float32(Some(*v as f32)),
        (Value::Float(v), DataType::Float64) => ScalarValue::Float64(Some(*v)),
        (Value::Decimal(v), DataType::Decimal128(precision, scale)) => ScalarValue::Decimal128(Some(*v), *precision, *scale),
        (Value::Text(v), DataType::Utf8) => ScalarValue::Utf8(Some(v.clone())),
        (Value::Bytes(v), DataType::Binary) => ScalarValue::Binary(Some(v.clone())),
        (Value::Bytes(v), DataType::FixedSizeBinary(width)) if usize::try_from(*width) == Ok(v.len()) => {
            ScalarValue::FixedSizeBinary(*width, Some(v.clone()))
        }
        _ => return None,
    })
}
