use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;

use super::Transform;
use crate::schema::timestamp_local;
use crate::value::Value;

/// With 2^31 - 1 buckets the bucket is nearly the hash itself.
const ALL: Transform = Transform::Bucket(i32::MAX as u32);

fn bucket(value: Value, data_type: DataType) -> i64 {
    match ALL.of(&value, &data_type) {
        Ok(Some(Value::Int(bucket))) => bucket,
        other => panic!("no bucket: {other:?}"),
    }
}

/// Iceberg spec, appendix B.
#[test]
fn buckets_hash_as_the_specification_says() {
    assert_eq!(bucket(Value::Int(34), DataType::Int32), 2_017_239_379);
    assert_eq!(bucket(Value::Decimal(1420), DataType::Decimal128(9, 2)), i64::from(-500_754_589_i32 & i32::MAX));
    assert_eq!(bucket(Value::Int(17_486), DataType::Date32), i64::from(-653_330_422_i32 & i32::MAX));
    assert_eq!(bucket(Value::Int(1_510_871_468_000_000), timestamp_local()), i64::from(-2_047_944_441_i32 & i32::MAX));
    assert_eq!(bucket(Value::Text("iceberg".into()), DataType::Utf8), 1_210_000_089);
    assert_eq!(bucket(Value::Bytes(vec![0, 1, 2, 3]), DataType::Binary), i64::from(-188_683_207_i32 & i32::MAX));
}

#[test]
fn times_before_the_epoch_round_down() {
    let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(0), Some(1_510_871_468_000_000), None]));
    let of = |transform: Transform| transform.apply(&column).unwrap();
    let ints = |values: [i64; 3]| values.into_iter().map(|v| Some(Value::Int(v))).chain([None]).collect::<Vec<_>>();
    assert_eq!(of(Transform::Year), ints([-1, 0, 47]));
    assert_eq!(of(Transform::Month), ints([-1, 0, 574]));
    assert_eq!(of(Transform::Day), ints([-1, 0, 17_486]));
    assert_eq!(of(Transform::Hour), ints([-1, 0, 419_686]));
}

#[test]
fn truncation_rounds_numbers_down_and_cuts_text_by_code_points() {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1, -1]));
    assert_eq!(Transform::Truncate(10).apply(&ints).unwrap(), [Some(Value::Int(0)), Some(Value::Int(-10))]);
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![1065]).with_precision_and_scale(9, 2).unwrap());
    assert_eq!(Transform::Truncate(50).apply(&decimals).unwrap(), [Some(Value::Decimal(1050))]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["naïve·col"]));
    assert_eq!(Transform::Truncate(3).apply(&text).unwrap(), [Some(Value::Text("naï".into()))]);
}
