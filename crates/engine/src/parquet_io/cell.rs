//! Values as Parquet's statistics and Bloom filters hold them: the plain encoding of a physical type.

use arrow::datatypes::DataType;
use parquet::basic::Type;
use waterline_core::value::Value;

/// The value of a column of a table that was written as `physical`. `None` for types that have no bounds here.
pub(crate) fn decoded_cell(bytes: &[u8], physical: Type, data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        DataType::Boolean => Value::Bool(*bytes.first()? != 0),
        DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(..) => {
            Value::Int(little_endian(bytes)?)
        }
        DataType::Float32 => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        DataType::Float64 => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        DataType::Decimal128(..) => match physical {
            Type::INT32 | Type::INT64 => Value::Decimal(little_endian(bytes)?.into()),
            _ => Value::Decimal(big_endian(bytes)?),
        },
        DataType::Utf8 => Value::Text(std::str::from_utf8(bytes).ok()?.into()),
        DataType::Binary => Value::Bytes(bytes.into()),
        _ => return None,
    })
}

/// The one way in which a value is written; `None` where there are several, or the value is not one of the type's.
pub(super) fn encoded_cell(value: &Value, physical: Type, length: i32) -> Option<Vec<u8>> {
    Some(match (value, physical) {
        (Value::Int(v), Type::INT32) => i32::try_from(*v).ok()?.to_le_bytes().to_vec(),
        (Value::Int(v), Type::INT64) => v.to_le_bytes().to_vec(),
        (Value::Decimal(v), Type::INT32) => i32::try_from(*v).ok()?.to_le_bytes().to_vec(),
        (Value::Decimal(v), Type::INT64) => i64::try_from(*v).ok()?.to_le_bytes().to_vec(),
        (Value::Decimal(v), Type::FIXED_LEN_BYTE_ARRAY) => {
            let skipped = 16_usize.checked_sub(usize::try_from(length).ok()?)?;
            v.to_be_bytes()[skipped..].to_vec()
        }
        (Value::Text(v), Type::BYTE_ARRAY) => v.as_bytes().to_vec(),
        (Value::Bytes(v), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY) => v.clone(),
        _ => return None,
    })
}

fn little_endian(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        8 => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// Two's complement of at most sixteen bytes.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let filler = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [filler; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}
