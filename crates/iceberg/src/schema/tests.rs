use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use waterline_core::error::ErrorKind;
use waterline_core::format::FIELD_ID;
use waterline_core::schema::{list_of, timestamp_local, timestamp_utc};

use super::{from_arrow, to_arrow};

#[test]
fn every_canonical_type_survives_the_way_there_and_back() {
    let pair = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int64, true)]);
    let types = [
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Utf8,
        DataType::Binary,
        DataType::FixedSizeBinary(5),
        DataType::Date32,
        DataType::Time64(TimeUnit::Microsecond),
        timestamp_local(),
        timestamp_utc(),
        list_of(list_of(DataType::Int32)),
        DataType::Struct(Fields::from(vec![Field::new("a", DataType::Int32, true), Field::new("b", list_of(DataType::Utf8), true)])),
        DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(pair), false)), false),
    ];
    let fields: Vec<Field> = types.iter().enumerate().map(|(n, kind)| Field::new(format!("c{n}"), kind.clone(), n % 2 == 0)).collect();
    let schema = Schema::new(fields);
    let back = to_arrow(&from_arrow(&schema, &[]).unwrap()).unwrap();
    let mut ids = Vec::new();
    let stripped: Fields = back.fields().iter().map(|field| Arc::new(strip(field, &mut ids))).collect();
    assert_eq!(&stripped, schema.fields());
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (23, 23), "each field has an id of its own");
}

/// The field without ids; they are collected.
fn strip(field: &Field, ids: &mut Vec<i32>) -> Field {
    let mut nested = |field: &Arc<Field>| Arc::new(strip(field, ids));
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(nested(element)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(nested).collect()),
        DataType::Map(entries, sorted) => DataType::Map(nested(entries), *sorted),
        other => other.clone(),
    };
    ids.extend(field.metadata().get(FIELD_ID).map(|id| id.parse::<i32>().unwrap()));
    Field::new(field.name(), data_type, field.is_nullable())
}

#[test]
fn keys_are_required_and_cannot_be_floating() {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Float64, true)]);
    let table = from_arrow(&schema, &["id".into()]).unwrap();
    assert!(!to_arrow(&table).unwrap().field(0).is_nullable());
    assert_eq!(table.identifier_field_ids().collect::<Vec<_>>(), [1]);
    assert_eq!(from_arrow(&schema, &["x".into()]).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(from_arrow(&schema, &["y".into()]).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_type_that_iceberg_lacks_is_refused_by_column() {
    let schema = Schema::new(vec![Field::new("big", DataType::UInt64, true)]);
    let error = from_arrow(&schema, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.context().contains(&("column", "big".into())));
}
