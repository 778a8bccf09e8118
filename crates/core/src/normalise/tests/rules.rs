//! Order, identity, keys and unset columns (DESIGN.md, rules 1, 2, 6, 7 and 8).

use arrow::datatypes::DataType;

use super::made::{create, debezium, delete, event, events_of, only, plain, schema, table_replay, update};
use super::replay::{Event, Row};
use crate::change::Op;
use crate::error::ErrorKind;
use crate::normalise::RunState;
use crate::sequence::position_of;

fn sequences(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.sequence.as_str()).collect()
}

fn row(cells: &[(&str, Option<&str>)]) -> Row {
    cells.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
}

fn number(value: u64) -> String {
    format!("{value:016x}")
}

#[test]
fn postgres_orders_by_commit_then_position_and_null_is_lowest() {
    let table = schema("id integer PRIMARY KEY");
    let snapshot = create(r#"{"id":1}"#, 500).replace(r#"[\"500\",\"500\"]"#, r#"[null,\"500\"]"#);
    let late_commit = event("c", "null", r#"{"id":2}"#, 90, 700);
    let early_position = event("c", "null", r#"{"id":3}"#, 100, 600);
    let events = events_of(&table, debezium(), &[snapshot, late_commit, early_position]);
    let positions: Vec<&str> = events.iter().map(|event| position_of(&event.sequence)).collect();
    assert_eq!(positions, [[0, 500], [90, 700], [100, 600]].map(|parts| parts.map(number).join(".")));
    assert!(events.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert!(events.iter().all(|event| event.domain == "pg"));
    assert_eq!(events[1].event_time_us, 1_700_000_000_700_123);
}

#[test]
fn events_of_one_position_are_told_apart_by_their_keys_wherever_the_source_was_cut() {
    let table = schema("id integer PRIMARY KEY");
    let [first, second, next] = [create(r#"{"id":1}"#, 7), create(r#"{"id":2}"#, 7), create(r#"{"id":1}"#, 8)];
    let whole = events_of(&table, debezium(), &[first.clone(), second.clone(), next]);
    let last_parts: Vec<&str> = whole.iter().map(|event| event.sequence.rsplit('.').next().unwrap()).collect();
    assert_ne!(last_parts[0], last_parts[1]);
    assert_eq!(last_parts[0], last_parts[2]);
    let rest = events_of(&table, debezium(), &[second.clone(), first, second]);
    assert_eq!(sequences(&rest), [&whole[1], &whole[0], &whole[1]].map(|event| event.sequence.as_str()));
}

#[test]
fn equal_rows_of_one_position_without_a_key_are_told_apart_by_their_place() {
    let table = schema("a integer, b text");
    let row = |lsn| create(r#"{"a":1,"b":"one"}"#, lsn);
    let events = events_of(&table, debezium(), &[row(7), row(7).replace("\"op\"", "\"x\":1,\"op\""), row(8), row(8)]);
    let distinct: std::collections::BTreeSet<&str> = sequences(&events).into_iter().collect();
    assert_eq!(distinct.len(), 3, "the last record is its predecessor delivered again: {distinct:?}");
}

#[test]
fn equal_rows_without_a_key_keep_their_place_in_the_transaction_wherever_the_source_was_cut() {
    let table = schema("a integer, b text");
    let row = |order: u64| {
        let transaction = format!(r#""transaction":{{"id":"9","total_order":{order}}},"op""#);
        create(r#"{"a":1,"b":"one"}"#, 7).replace("\"op\"", &transaction)
    };
    let whole = events_of(&table, debezium(), &[row(1), row(2), row(3)]);
    let parts = [events_of(&table, debezium(), &[row(1)]), events_of(&table, debezium(), &[row(2), row(3)])].concat();
    let distinct: std::collections::BTreeSet<&str> = sequences(&whole).into_iter().collect();
    assert_eq!((distinct.len(), sequences(&parts)), (3, sequences(&whole)));
}

#[test]
fn a_delete_and_a_create_of_one_position_are_a_change_of_key() {
    let table = schema("a integer, b text, v text, PRIMARY KEY (b, a)");
    let lines = [
        delete(r#"{"a":1,"b":"x","v":null}"#, 7),
        create(r#"{"a":2,"b":"x","v":"__debezium_unavailable_value"}"#, 7),
        delete(r#"{"a":2,"b":"x","v":null}"#, 8),
        create(r#"{"a":2,"b":"x","v":"again"}"#, 8),
        delete(r#"{"a":2,"b":"x","v":null}"#, 9),
        create(r#"{"a":3,"b":"x","v":"other"}"#, 10),
    ];
    let events = events_of(&table, debezium(), &lines);
    assert_eq!(events[1].old_key, Some(row(&[("b", Some("x")), ("a", Some("1"))])));
    assert_eq!(events[1].unset, ["v"]);
    assert_eq!(events[1].row, row(&[("a", Some("2")), ("b", Some("x")), ("v", None)]));
    assert!(events.iter().enumerate().all(|(at, event)| at == 1 || event.old_key.is_none()));
}

#[test]
fn a_repeated_create_of_a_change_of_key_has_its_old_key_again() {
    let table = schema("id integer PRIMARY KEY");
    let moved = create(r#"{"id":2}"#, 7);
    let events = events_of(&table, debezium(), &[delete(r#"{"id":1}"#, 7), moved.clone(), moved]);
    assert_eq!(events[1], events[2]);
    assert_eq!(events[2].old_key, Some(row(&[("id", Some("1"))])));
}

#[test]
fn a_header_names_the_old_key_when_the_delete_went_to_another_place() {
    let table = schema("id integer PRIMARY KEY");
    let header = r#"[["__debezium.oldkey","{\"schema\":{\"type\":\"struct\"},\"payload\":{\"id\":5}}"]]"#;
    let line = format!(r#"{{"topic":"pg.s.t","headers":{header},"key":{{"id":6}},"value":{}}}"#, create(r#"{"id":6}"#, 7));
    let events = events_of(&table, debezium(), &[line]);
    assert_eq!(events[0].old_key, Some(row(&[("id", Some("5"))])));
}

#[test]
fn an_update_that_changed_the_key_is_a_delete_and_a_create() {
    let table = schema("id integer PRIMARY KEY, v text");
    let changed = event("u", r#"{"id":1,"v":"a"}"#, r#"{"id":2,"v":"b"}"#, 7, 7);
    let events = events_of(&table, debezium(), &[changed.clone(), changed, update(r#"{"id":2,"v":"c"}"#, 7)]);
    let shape: Vec<(Op, Option<&str>)> = events.iter().map(|event| (event.op, event.row["id"].as_deref())).collect();
    let once = [(Op::Delete, Some("1")), (Op::Create, Some("2"))];
    assert_eq!(shape, [once[0], once[1], once[0], once[1], (Op::Update, Some("2"))]);
    assert_eq!([&events[0].sequence, &events[1].sequence], [&events[2].sequence, &events[3].sequence]);
    assert_ne!(events[0].sequence, events[1].sequence);
    assert_eq!(events[0].row, row(&[("id", Some("1")), ("v", None)]));
    assert_eq!(events[1].old_key, Some(row(&[("id", Some("1"))])));
}

#[test]
fn mysql_orders_binlog_files_as_numbers() {
    let table = schema("id integer PRIMARY KEY");
    let line = |file: &str, at: u64, row: u64| {
        format!(
            r#"{{"before":null,"after":{{"id":1}},"source":{{"connector":"mysql","name":"my","ts_ms":1,"db":"s","table":"t","file":"{file}","pos":{at},"row":{row}}},"op":"c"}}"#
        )
    };
    let events =
        events_of(&table, debezium(), &[line("binlog.999999", 900, 0), line("binlog.1000000", 4, 0), line("binlog.1000000", 4, 1)]);
    assert!(events.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "{:?}", sequences(&events));
    assert_eq!(position_of(&events[2].sequence), [1_000_000, 4, 1].map(number).join("."));
    assert_eq!(events[0].domain, "my");
}

#[test]
fn named_columns_order_events_and_ties_go_by_place() {
    let table = schema("id integer PRIMARY KEY, version integer, price numeric(6,2), at timestamptz, note text, ratio real");
    let line = |record: &str| format!(r#"{{"op":"u","updated_at":"2025-11-12 03:11:00","record":{record}}}"#);
    for (column, low, high) in [
        ("version", "-5", "3"),
        ("price", "\"-1.50\"", "0.25"),
        ("at", "\"2020-01-01T00:00:00Z\"", "\"2020-01-01T00:00:00.000001Z\""),
        ("note", "\"a\"", "\"ab\""),
        ("ratio", "-2.5", "-1.5"),
    ] {
        let lines = [low, high, high].map(|value| line(&format!(r#"{{"id":1,"{column}":{value}}}"#)));
        let events = events_of(&table, plain(&[column]), &lines);
        assert!(events.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "{column}: {:?}", sequences(&events));
        assert!(events[1].sequence.contains(&number(2)) && events[2].sequence.contains(&number(3)));
    }
    let events = events_of(&table, plain(&["updated_at"]), &[line(r#"{"id":1}"#)]);
    assert_eq!(events[0].event_time_us, 1_762_917_060_000_000);
    assert_eq!(events[0].domain, "default");
}

#[test]
fn a_source_without_any_order_is_a_wrong_use() {
    let table = schema("id integer PRIMARY KEY");
    let mut replay = table_replay(&table, plain(&[]));
    replay.line(r#"{"op":"c","updated_at":"2025-11-12","record":{"id":1}}"#).unwrap();
    assert_eq!(only(&mut replay).failures[0].kind(), ErrorKind::Usage);
    let mut replay = table_replay(&table, plain(&["updated_at"]));
    replay.line(r#"{"op":"c","updated_at":"2025-11-12","record":{"id":1}}"#).unwrap();
    assert!(only(&mut replay).failures.is_empty());
}

#[test]
fn columns_that_an_update_does_not_name_are_unset_in_the_plain_form_only() {
    let table = schema("id integer PRIMARY KEY, a text, b text");
    let line = |op: &str| format!(r#"{{"op":"{op}","updated_at":1762917060,"record":{{"id":1,"b":null}}}}"#);
    let events = events_of(&table, plain(&["updated_at"]), &["update", "I", "r", "DELETE", "truncate"].map(line));
    assert_eq!(events.iter().map(|event| event.op.as_str()).collect::<String>(), "ucrdt");
    assert_eq!(events.iter().map(|event| event.unset.len()).collect::<Vec<_>>(), [1, 0, 0, 0, 0]);
    assert_eq!(events[0].unset, ["a"]);
    let events = events_of(&table, debezium(), &[update(r#"{"id":1,"b":null}"#, 1)]);
    assert!(events[0].unset.is_empty());
}

#[test]
fn unchanged_toast_columns_are_unset_in_every_form_of_the_placeholder() {
    let table = schema("id integer PRIMARY KEY, a text, b bytea, c bytea, d text[], e integer[], f hstore, g jsonb");
    let numbers: Vec<String> = "__debezium_unavailable_value".bytes().map(|byte| byte.to_string()).collect();
    let image = format!(
        r#"{{"id":1,"a":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","c":"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565","d":["__debezium_unavailable_value"],"e":[{}],"f":"{{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}}","g":"__debezium_unavailable_value"}}"#,
        numbers.join(",")
    );
    let events = events_of(&table, debezium(), &[update(&image, 1)]);
    assert_eq!(events[0].unset, ["a", "b", "c", "d", "e", "f", "g"]);
    let mut settings = debezium();
    settings.unavailable_value = "gone".into();
    let events = events_of(&table, settings, &[update(r#"{"id":1,"a":"gone","d":["gone"]}"#, 1)]);
    assert_eq!(events[0].unset, ["a", "d"]);
}

#[test]
fn deletes_carry_the_key_only_and_truncates_nothing() {
    let table = schema("id integer PRIMARY KEY, v text NOT NULL");
    let events = events_of(&table, debezium(), &[delete(r#"{"id":1,"v":""}"#, 1), event("t", "null", "null", 2, 2)]);
    assert_eq!(events[0].row, row(&[("id", Some("1")), ("v", None)]));
    assert_eq!(events[1].row, row(&[("id", None), ("v", None)]));
    let keyed = format!(r#"{{"key":{{"id":9}},"value":{}}}"#, delete("null", 3));
    assert_eq!(events_of(&table, debezium(), &[keyed])[0].row["id"].as_deref(), Some("9"));
}

#[test]
fn a_table_without_a_key_takes_no_update_and_no_delete() {
    let table = schema("a integer, b text");
    let mut replay = table_replay(&table, debezium());
    let lines = [
        create(r#"{"a":1}"#, 1),
        update(r#"{"a":2}"#, 2),
        delete(r#"{"a":2}"#, 3),
        event("t", "null", "null", 4, 4),
        create(r#"{"a":3}"#, 5),
    ];
    lines.iter().for_each(|line| replay.line(line).unwrap());
    let table = only(&mut replay);
    assert_eq!(table.events.iter().map(|event| event.op.as_str()).collect::<String>(), "ctc");
    assert_eq!(table.failures.len(), 2);
    assert!(
        table.failures.iter().all(|failure| failure.kind() == ErrorKind::BadInput && failure.context().contains(&("field", "key".into())))
    );
}

#[test]
fn a_table_grows_by_columns_and_wider_types() {
    let table = schema("id integer PRIMARY KEY, n integer, d numeric(4,2), l integer[]");
    let lines = [
        create(r#"{"id":1,"n":1,"d":"1.50","l":[1]}"#, 1),
        create(r#"{"id":2,"n":3000000000,"d":"100.50","extra":7,"none":null}"#, 2),
        create(r#"{"id":3,"l":[3000000000],"flag":true,"doc":{"a":[1]},"ratio":0.5}"#, 3),
    ];
    let mut replay = table_replay(&table, debezium()).lines(&lines.join("\n"));
    let grown = only(&mut replay);
    assert!(grown.failures.is_empty(), "{:?}", grown.failures);
    let types: Vec<(String, DataType)> =
        grown.schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let expected = [
        ("id", DataType::Int32),
        ("n", DataType::Int64),
        ("d", DataType::Decimal128(5, 2)),
        ("l", crate::schema::list_of(DataType::Int64)),
        ("extra", DataType::Int64),
        ("flag", DataType::Boolean),
        ("doc", DataType::Utf8),
        ("ratio", DataType::Float64),
    ];
    assert_eq!(types, expected.map(|(name, data_type)| (name.to_owned(), data_type)));
    assert_eq!(grown.events[1].row["d"].as_deref(), Some("100.50"));
    assert_eq!(grown.events[2].row["doc"].as_deref(), Some(r#"{"a":[1]}"#));
    assert_eq!(grown.events.len(), 3);
}

#[test]
fn the_state_of_a_run_survives_as_json() {
    let mut run: RunState = serde_json::from_str("{}").unwrap();
    assert_eq!(run, RunState::default());
    run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
    assert_eq!(run, RunState::default());
}
