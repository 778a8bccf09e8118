//! Single values: ours, and the `iceberg` crate's (Iceberg spec, "Binary single-value serialization").

use iceberg::spec::{Datum, Literal, PrimitiveLiteral, PrimitiveType};
use waterline_core::value::Value;

/// `None` for nanoseconds, which our values do not have, and for markers out of range.
pub(crate) fn from_literal(literal: &PrimitiveLiteral, kind: &PrimitiveType) -> Option<Value> {
    if matches!(kind, PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs) {
        return None;
    }
    Some(match literal {
        PrimitiveLiteral::Boolean(value) => Value::Bool(*value),
        PrimitiveLiteral::Int(value) => Value::Int((*value).into()),
        PrimitiveLiteral::Long(value) => Value::Int(*value),
        PrimitiveLiteral::Float(value) => Value::Float(value.0.into()),
        PrimitiveLiteral::Double(value) => Value::Float(value.0),
        PrimitiveLiteral::String(value) => Value::Text(value.clone()),
        PrimitiveLiteral::Binary(value) => Value::Bytes(value.clone()),
        PrimitiveLiteral::Int128(value) => Value::Decimal(*value),
        PrimitiveLiteral::UInt128(value) => Value::Bytes(value.to_be_bytes().to_vec()),
        PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin => return None,
    })
}

/// As [`from_literal`], for a bound.
pub(crate) fn from_datum(datum: &Datum) -> Option<Value> {
    from_literal(datum.literal(), datum.data_type())
}

/// `None` when the value is not of the type.
pub(crate) fn to_datum(value: &Value, kind: &PrimitiveType) -> Option<Datum> {
    Datum::try_from_bytes(&single_value_bytes(value, kind)?, kind.clone()).ok()
}

/// As [`to_datum`], for a partition value.
pub(crate) fn to_literal(value: &Value, kind: &PrimitiveType) -> Option<Literal> {
    to_datum(value, kind).map(Literal::from)
}

fn single_value_bytes(value: &Value, kind: &PrimitiveType) -> Option<Vec<u8>> {
    use PrimitiveType::{Binary, Boolean, Date, Decimal, Double, Fixed, Float, Int, Long, String, Time, Timestamp, Timestamptz, Uuid};
    Some(match (value, kind) {
        (Value::Bool(value), Boolean) => vec![u8::from(*value)],
        (Value::Int(value), Int | Date) => i32::try_from(*value).ok()?.to_le_bytes().to_vec(),
        (Value::Int(value), Long | Time | Timestamp | Timestamptz) => value.to_le_bytes().to_vec(),
        (Value::Float(value), Float) => (*value as f32).to_le_bytes().to_vec(),
        (Value::Float(value), Double) => value.to_le_bytes().to_vec(),
        (Value::Decimal(value), Decimal { .. }) => value.to_be_bytes().to_vec(),
        (Value::Text(value), String) => value.clone().into_bytes(),
        (Value::Bytes(value), Binary) => value.clone(),
        (Value::Bytes(value), Fixed(length)) if value.len() as u64 == *length => value.clone(),
        (Value::Bytes(value), Uuid) if value.len() == 16 => value.clone(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
