//! Files as other writers describe them.

use serde_json::{Value as Json, json};
use waterline_core::format::{Bounds, DataFile, FIELD_ID, KeepAll};
use waterline_core::value::Value;

use super::{Table, add, field, metadata, plain_protocol, protocol};

async fn files(table: &Table) -> Vec<DataFile> {
    table.format.data_files(&table.head().await, &KeepAll).await.unwrap()
}

async fn bounds_of(data_type: &str, lower: Json, upper: Json) -> Bounds {
    let fields = json!([field("c", data_type, &json!({}))]);
    let stats = json!({"numRecords": 3, "minValues": {"c": lower}, "maxValues": {"c": upper}, "nullCount": {"c": 0}});
    let table = Table::of(&[&[plain_protocol(), metadata(&fields, &[], &json!({})), add("a.parquet", &stats, &json!({}))]]).await;
    files(&table).await[0].summary.bounds.get("c").cloned().unwrap_or_default()
}

fn between(lower: Value, upper: Value) -> Bounds {
    Bounds { lower: Some(lower), upper: Some(upper) }
}

#[tokio::test]
async fn bounds_have_the_columns_type() {
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(bounds_of("integer", json!(-7), json!(9)).await, between(Value::Int(-7), Value::Int(9)));
    assert_eq!(bounds_of("date", json!("1969-12-31"), json!("1970-01-02")).await, between(Value::Int(-1), Value::Int(1)));
    assert_eq!(bounds_of("decimal(10,2)", json!(-1.5), json!(12.25)).await, between(Value::Decimal(-150), Value::Decimal(1225)));
    assert_eq!(bounds_of("string", json!("a"), json!("b")).await, between(text("a"), text("b")));
    assert_eq!(bounds_of("boolean", json!(false), json!(true)).await, Bounds::default());
    assert_eq!(bounds_of("long", json!("not a number"), json!(1)).await, Bounds { lower: None, upper: Some(Value::Int(1)) });
}

/// Spark cuts timestamps to milliseconds and text to 32 characters; some writers had decimals as doubles.
#[tokio::test]
async fn bounds_that_were_cut_are_widened() {
    let cut = bounds_of("timestamp", json!("1970-01-01T00:00:00.001Z"), json!("1970-01-01T00:00:00.001Z")).await;
    assert_eq!(cut, between(Value::Int(1_000), Value::Int(1_999)));
    let whole = bounds_of("timestamp_ntz", json!("1970-01-01T00:00:00.000001"), json!("1970-01-01T00:00:00.000002")).await;
    assert_eq!(whole, between(Value::Int(1), Value::Int(2)));
    let (long, longer) = ("x".repeat(32), format!("{}\u{7f}", "x".repeat(40)));
    let Bounds { upper: Some(upper), .. } = bounds_of("string", json!("a"), json!(long)).await else { panic!("there is a bound") };
    assert!(upper >= Value::Text(longer));
    let exact = 12_345_678_901_234_567_890_123_456_789_i128;
    let number: Json = serde_json::from_str(&format!("{}", exact as f64)).unwrap();
    if let Bounds { lower: Some(lower), upper: Some(upper) } = bounds_of("decimal(38,0)", number.clone(), number).await {
        assert!(lower <= Value::Decimal(exact) && Value::Decimal(exact) <= upper);
    }
}

/// The partition value counts, whatever the file's name says; empty is null.
#[tokio::test]
async fn partition_values_of_other_writers() {
    let fields = json!([field("region", "string", &json!({})), field("day", "date", &json!({})), field("at", "timestamp", &json!({}))]);
    let stats = json!({"numRecords": 1});
    let value = |region: Json, day: Json, at: Json| json!({"region": region, "day": day, "at": at});
    let table = Table::of(&[&[
        plain_protocol(),
        metadata(&fields, &["region", "day", "at"], &json!({})),
        add("region=a%252Fb/1.parquet", &stats, &value(json!("a/b =%41"), json!("2025-11-12"), json!("2025-11-12 18:54:11"))),
        add("region=x/2.parquet", &stats, &value(json!(""), Json::Null, json!("2025-11-12T18:54:11.000001Z"))),
    ]])
    .await;
    let found = files(&table).await;
    let values = |file: &DataFile| file.summary.partition.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
    assert!(found[0].path.ends_with("/region=a%2Fb/1.parquet"), "{}", found[0].path);
    let at = 1_762_973_651_000_000;
    assert_eq!(values(&found[0]), [Some(Value::Text("a/b =%41".into())), Some(Value::Int(20_404)), Some(Value::Int(at))]);
    assert_eq!(values(&found[1]), [None, None, Some(Value::Int(at + 1))]);
}

#[tokio::test]
async fn mapped_columns_are_found_by_their_ids_and_physical_names() {
    let mapped = |name: &str, data_type: &str, id: i32, physical: &str| {
        field(name, data_type, &json!({"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical}))
    };
    let fields = json!([mapped("id", "long", 4, "col-a"), mapped("region", "string", 7, "col-b")]);
    let stats = json!({"numRecords": 2, "minValues": {"col-a": 3}, "maxValues": {"col-a": 5}, "nullCount": {"col-a": 0}});
    let configuration = json!({"delta.columnMapping.mode": "name"});
    let table = Table::of(&[&[
        protocol(&["columnMapping"], &["columnMapping"]),
        metadata(&fields, &["region"], &configuration),
        add("x/1.parquet", &stats, &json!({"col-b": "north"})),
    ]])
    .await;
    let head = table.head().await;
    let ids: Vec<&str> = head.schema.fields().iter().map(|field| field.metadata()[FIELD_ID].as_str()).collect();
    assert_eq!(ids, ["4", "7"]);
    let mapping: Json = serde_json::from_str(&head.properties["schema.name-mapping.default"]).unwrap();
    assert_eq!(mapping[0], json!({"field-id": 4, "names": ["col-a"], "fields": []}));
    let found = files(&table).await;
    assert_eq!(found[0].summary.bounds["id"], between(Value::Int(3), Value::Int(5)));
    assert_eq!(found[0].summary.partition[0].1, Some(Value::Text("north".into())));
}

/// A removal takes away the file with its deletion vector, and not the one that took its place in the same commit.
#[tokio::test]
async fn a_file_is_its_path_and_its_deletion_vector() {
    let fields = json!([field("id", "long", &json!({}))]);
    let stats = json!({"numRecords": 9});
    let vector = json!({"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 1, "sizeInBytes": 40, "cardinality": 6});
    let mut deleted = add("a.parquet", &stats, &json!({}));
    deleted["add"]["deletionVector"] = vector.clone();
    let gone = |vector: Option<&Json>| {
        let mut remove = json!({"remove": {"path": "a.parquet", "dataChange": true, "deletionTimestamp": 1}});
        if let Some(vector) = vector {
            remove["remove"]["deletionVector"] = vector.clone();
        }
        remove
    };
    let first: &[Json] =
        &[protocol(&["deletionVectors"], &["deletionVectors"]), metadata(&fields, &[], &json!({})), add("a.parquet", &stats, &json!({}))];
    let replaced: &[Json] = &[deleted.clone(), gone(None)];
    let stale: &[Json] = &[gone(None)];
    let left: &[Json] = &[gone(Some(&vector))];
    for (commits, count) in [(vec![first, replaced], 1), (vec![first, replaced, stale], 1), (vec![first, replaced, left], 0)] {
        assert_eq!(files(&Table::of(&commits).await).await.len(), count, "{} commits", commits.len());
    }
}
