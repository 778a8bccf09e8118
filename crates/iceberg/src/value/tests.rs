use iceberg::spec::{Datum, PrimitiveType};
use waterline_core::value::Value;

use super::{from_datum, to_datum};

#[test]
fn values_of_every_type_survive_the_way_there_and_back() {
    let decimal = PrimitiveType::Decimal { precision: 38, scale: 2 };
    let uuid: Vec<u8> = (0..16).collect();
    for (value, kind) in [
        (Value::Bool(true), PrimitiveType::Boolean),
        (Value::Int(-7), PrimitiveType::Int),
        (Value::Int(i64::MIN), PrimitiveType::Long),
        (Value::Float(1.5), PrimitiveType::Float),
        (Value::Float(-0.1), PrimitiveType::Double),
        (Value::Int(-1), PrimitiveType::Date),
        (Value::Int(i32::MAX.into()), PrimitiveType::Date),
        (Value::Int(86_399_999_999), PrimitiveType::Time),
        (Value::Int(i64::MAX), PrimitiveType::Timestamp),
        (Value::Int(-1), PrimitiveType::Timestamptz),
        (Value::Decimal(-(10_i128.pow(38) - 1)), decimal.clone()),
        (Value::Decimal(0), decimal),
        (Value::Text("grüße".into()), PrimitiveType::String),
        (Value::Bytes(vec![0, 255]), PrimitiveType::Binary),
        (Value::Bytes(vec![1, 2, 3]), PrimitiveType::Fixed(3)),
        (Value::Bytes(uuid), PrimitiveType::Uuid),
    ] {
        let datum = to_datum(&value, &kind).unwrap();
        assert_eq!(from_datum(&datum), Some(value.clone()), "{kind}");
        let stored = Datum::try_from_bytes(&datum.to_bytes().unwrap(), kind.clone()).unwrap();
        assert_eq!(from_datum(&stored), Some(value), "{kind}");
    }
}

#[test]
fn a_value_of_another_type_or_out_of_range_is_none() {
    assert_eq!(to_datum(&Value::Int(1), &PrimitiveType::String), None);
    assert_eq!(to_datum(&Value::Int(i64::MAX), &PrimitiveType::Int), None);
    assert_eq!(to_datum(&Value::Bytes(vec![1]), &PrimitiveType::Fixed(2)), None);
    assert_eq!(to_datum(&Value::Bytes(vec![1]), &PrimitiveType::Uuid), None);
}

#[test]
fn nanoseconds_are_not_taken_for_microseconds() {
    assert_eq!(from_datum(&Datum::timestamp_nanos(1)), None);
    assert_eq!(to_datum(&Value::Int(1), &PrimitiveType::TimestampNs), None);
}
