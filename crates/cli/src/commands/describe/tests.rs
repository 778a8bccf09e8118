use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use waterline_core::format::VersionId;
use waterline_core::schema::{list_of, timestamp_utc};

use super::*;

fn state() -> TableState {
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("at", timestamp_utc(), true),
        Field::new("tags", list_of(DataType::Utf8), true),
    ];
    TableState {
        own_folder: String::new(),
        metadata_location: None,
        version: Some(VersionId(7)),
        location: "file:///lake/shop/orders".into(),
        schema: Arc::new(Schema::new(fields)),
        keys: vec!["id".into()],
        partition_by: vec!["bucket(4, id)".parse().unwrap()],
        properties: BTreeMap::from([("format-version".into(), "2".into()), ("waterline.record".into(), "{}".into())]),
        history: Arc::new(Vec::new()),
        refs: BTreeMap::new(),
        rules: Arc::default(),
        inner: Arc::new(()),
    }
}

#[test]
fn people_see_the_table_before_its_columns() {
    let expected = "\
table       shop.orders
location    file:///lake/shop/orders
key         id
partitions  bucket(4, id)
snapshot    7
property    format-version = 2

";
    assert_eq!(heading("shop.orders", &state()), expected);
}

#[test]
fn types_have_the_names_of_sql() {
    let batch = columns(&state()).unwrap();
    let types = batch.column_by_name("type").unwrap();
    let expected: ArrayRef = Arc::new(StringArray::from(vec!["bigint", "numeric(10,2)", "timestamptz", "text[]"]));
    assert_eq!(types, &expected);
    assert_eq!(document("shop.orders", &state())["columns"][0], json!({ "name": "id", "type": "bigint", "nullable": false, "key": true }));
}
