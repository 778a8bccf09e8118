use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::{Value, json};
use waterline_core::schema::{list_of, timestamp_local, timestamp_utc};

use super::*;
use crate::cell::{Cell, row};
use crate::histories::{Feature, History, Start, table_schema};

fn name() -> TableName {
    "shop.orders".parse().expect("a table name")
}

fn parsed(events: &[Event]) -> Vec<Value> {
    lines(&name(), &table_schema(), events).iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn a_line_holds_the_event_as_the_connector_writes_it() {
    let features = [Feature::Unset, Feature::KeyChange, Feature::Truncate, Feature::Read];
    let mut seen = Vec::new();
    for seed in 0..5 {
        let history = History::seeded(seed, 60, Start::Run, &features);
        for (event, line) in history.events.iter().zip(parsed(&history.events)) {
            assert_eq!(line["op"], event.op.as_str());
            assert_eq!(line["source"]["ts_us"], event.event_time_us);
            assert_eq!(line["source"]["schema"], "shop");
            assert_eq!(line["source"]["table"], "orders");
            assert_eq!(line["source"]["lsn"], event.sequence.position);
            let sequence: Vec<Option<String>> = serde_json::from_str(line["source"]["sequence"].as_str().expect("text")).expect("a list");
            assert_eq!(sequence, [event.sequence.commit, Some(event.sequence.position)].map(|part| part.map(|part| part.to_string())));
            assert_eq!(line["before"].is_null(), event.op != Op::Delete);
            assert_eq!(line["after"].is_null(), matches!(event.op, Op::Delete | Op::Truncate));
            if let (Some(key), image) = (&event.key, if event.op == Op::Delete { &line["before"] } else { &line["after"] }) {
                assert_eq!(
                    &vec![Cell::from(image["region"].as_str().expect("text")), Cell::Int(image["id"].as_i64().expect("a number"))],
                    key
                );
            }
            for column in &event.unset {
                assert_eq!(line["after"][column], "__debezium_unavailable_value");
            }
            seen.push(line["source"]["snapshot"].as_str().expect("text").to_owned());
        }
    }
    for snapshot in ["first", "last", "incremental", "false"] {
        assert!(seen.iter().any(|seen| seen == snapshot), "{snapshot}");
    }
}

#[test]
fn the_halves_of_a_key_change_share_their_position() {
    let history = History::seeded(3, 60, Start::Dump, &[Feature::KeyChange]);
    let lines = parsed(&history.events);
    let create = history.events.iter().position(|event| event.old_key.is_some()).expect("a key changes");
    assert_eq!((lines[create - 1]["op"].as_str(), lines[create]["op"].as_str()), (Some("d"), Some("c")));
    assert_eq!(lines[create - 1]["source"], lines[create]["source"]);
}

/// One column of each type, and its value as JSON and as CSV.
fn typed() -> Vec<(DataType, Cell, Value, &'static str)> {
    vec![
        (DataType::Boolean, Cell::Bool(true), json!(true), "t"),
        (DataType::Int64, Cell::Int(i64::MIN), json!(i64::MIN), "-9223372036854775808"),
        (DataType::Float64, Cell::from(f64::NAN), json!("NaN"), "NaN"),
        (DataType::Float64, Cell::from(-1.5e300), json!(-1.5e300), ""),
        (DataType::Decimal128(12, 2), Cell::Decimal(-5), json!("-0.05"), "-0.05"),
        (DataType::Decimal128(12, 0), Cell::Decimal(40), json!("40"), "40"),
        (DataType::Utf8, Cell::from("a \"b\",\n\u{0}"), json!("a \"b\",\n\u{0}"), "a \"b\",\n\u{0}"),
        (DataType::Binary, Cell::Bytes(vec![0, 255]), json!("AP8="), "\\x00ff"),
        (DataType::Date32, Cell::Int(-1), json!(-1), "1969-12-31"),
        (DataType::Time64(TimeUnit::Microsecond), Cell::Int(3_600_000_001), json!(3_600_000_001i64), "01:00:00.000001"),
        (timestamp_utc(), Cell::Int(-1), json!("1969-12-31T23:59:59.999999Z"), "1969-12-31 23:59:59.999999+00"),
        (timestamp_local(), Cell::Int(0), json!(0), "1970-01-01 00:00:00.000000"),
    ]
}

#[test]
fn values_are_written_as_their_type_asks() {
    for (data_type, cell, as_json, as_csv) in typed() {
        assert_eq!(serde_json::from_str::<Value>(&json(&data_type, &cell)).expect("JSON"), as_json, "{data_type}");
        if !as_csv.is_empty() {
            assert_eq!(csv(&data_type, &cell), as_csv, "{data_type}");
        }
    }
    let list = Cell::List(vec![Some(Cell::from("x")), None]);
    assert_eq!(json(&list_of(DataType::Utf8), &list), r#"["x",null]"#);
}

#[test]
fn the_ddl_declares_columns_and_key() {
    let expected = "CREATE TABLE \"shop\".\"orders\" (\n  \"region\" text NOT NULL,\n  \"id\" bigint NOT NULL,\n  \"amount\" integer,\n  \
                    \"price\" numeric(12,2),\n  \"note\" text,\n  \"body\" text,\n  PRIMARY KEY (\"region\", \"id\")\n);\n";
    assert_eq!(ddl(&name(), &table_schema()), expected);
}

#[test]
fn a_dump_tells_null_from_empty() {
    let fields = vec![Arc::new(Field::new("id", DataType::Int64, false)), Arc::new(Field::new("t", DataType::Utf8, true))];
    let schema = TableSchema::new(fields, Vec::new()).expect("a schema");
    let texts = [None, Some(""), Some("\\N"), Some("a,\"b\"")];
    let rows = (0..)
        .zip(texts)
        .map(|(id, text)| row([("id", Cell::Int(id))]).into_iter().chain(text.map(|text| ("t".into(), Cell::from(text)))).collect());
    let state = State { appended: rows.collect(), ..State::default() };
    assert_eq!(dump_csv(&schema, &state), "id,t\n0,\\N\n1,\"\"\n2,\"\\N\"\n3,\"a,\"\"b\"\"\"\n");
}
