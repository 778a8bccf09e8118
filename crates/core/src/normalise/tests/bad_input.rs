//! What is wrong gets an error that names it, and leaves nothing behind.

use proptest::prelude::*;

use super::made::{create, debezium, delete, event, only, plain, schema, table_replay, update};
use crate::error::{Error, ErrorKind};

const COLUMNS: &str =
    "id integer PRIMARY KEY, n integer, d numeric(6,2), t timestamptz, c time, day date, b bytea, s text, l integer[], j jsonb, f real";

/// The failure of a line between two good ones.
fn failure(line: &str) -> Error {
    let mut replay = table_replay(&schema(COLUMNS), debezium());
    replay.line(&create(r#"{"id":1,"s":"before","l":[1,2]}"#, 1)).unwrap();
    replay.line(line).unwrap();
    replay.line(&create(r#"{"id":3,"s":"after","l":[3]}"#, 3)).unwrap();
    let table = only(&mut replay);
    let shape: Vec<_> =
        table.events.iter().map(|event| (event.row["id"].as_deref(), event.row["s"].as_deref(), event.row["l"].as_deref())).collect();
    assert_eq!(shape, [(Some("1"), Some("before"), Some("{1,2}")), (Some("3"), Some("after"), Some("{3}"))], "{line}");
    assert_eq!(table.failures.len(), 1, "{line}");
    let mut replay = table_replay(&schema(COLUMNS), debezium());
    replay.line(line).unwrap();
    let name = replay.tables.keys().next().unwrap().clone();
    replay.tables.remove(&name).unwrap().failures.remove(0)
}

fn assert_failure(line: &str, kind: ErrorKind, context: &[(&'static str, &str)]) {
    let failure = failure(line);
    assert_eq!(failure.kind(), kind, "{line}: {failure}");
    for (key, value) in context {
        assert!(failure.context().contains(&(*key, (*value).to_owned())), "{failure} lacks {key} {value}");
    }
}

#[test]
fn a_value_of_another_type_names_the_column_and_both_types() {
    for (cell, column, table_type, source_type, json_type) in [
        (r#""n":"sixty""#, "n", "Int32", "Utf8", "string"),
        (r#""n":1.5"#, "n", "Int32", "Float64", "number"),
        (r#""n":[1]"#, "n", "Int32", "Utf8", "array"),
        (r#""n":99999999999999999999999"#, "n", "Int32", "Decimal128(38, 0)", "number"),
        (r#""d":"sixty!""#, "d", "Decimal128(6, 2)", "Utf8", "string"),
        (r#""d":true"#, "d", "Decimal128(6, 2)", "Boolean", "boolean"),
        (r#""t":{}"#, "t", r#"Timestamp(µs, "UTC")"#, "Utf8", "object"),
        (r#""b":5"#, "b", "Binary", "Int64", "number"),
        (r#""s":5"#, "s", "Utf8", "Int64", "number"),
        (r#""s":true"#, "s", "Utf8", "Boolean", "boolean"),
        (r#""f":"one""#, "f", "Float32", "Utf8", "string"),
        (r#""l":7"#, "l", "List(Int32, field: 'element')", "Int64", "number"),
        (r#""l":[1,"x"]"#, "l", "List(Int32, field: 'element')", "List(Utf8, field: 'element')", "array"),
    ] {
        let line = create(&format!(r#"{{"id":2,{cell}}}"#), 2);
        let context =
            [("column", column), ("table type", table_type), ("source type", source_type), ("field", column), ("json type", json_type)];
        assert_failure(&line, ErrorKind::BadInput, &context);
    }
}

#[test]
fn a_malformed_value_names_the_column() {
    let deep = format!(r#""j":{}1{}"#, "[".repeat(200), "]".repeat(200));
    for (cell, column) in [
        (r#""t":"2026-13-01T00:00:00Z""#, "t"),
        (r#""t":"yesterday""#, "t"),
        (r#""c":"25:00:00""#, "c"),
        (r#""c":-1"#, "c"),
        (r#""day":"2026-02-30""#, "day"),
        (r#""day":99999999999"#, "day"),
        (r#""b":"not base64!""#, "b"),
        (r#""f":1e999"#, "f"),
        (r#""d":"1.234""#, "d"),
        (r#""s":"\ud800""#, "s"),
        (deep.as_str(), "j"),
    ] {
        assert_failure(&create(&format!(r#"{{"id":2,{cell}}}"#), 2), ErrorKind::BadInput, &[("field", column)]);
    }
}

#[test]
fn a_key_must_be_there_and_not_null() {
    for line in [
        create("{}", 2),
        create(r#"{"id":null,"s":"x"}"#, 2),
        create(r#"{"id":"__debezium_unavailable_value"}"#, 2),
        update(r#"{"s":"x"}"#, 2),
        delete("{}", 2),
        delete(r#"{"s":"x"}"#, 2),
    ] {
        assert_failure(&line, ErrorKind::BadInput, &[("field", "id")]);
    }
}

#[test]
fn an_image_must_be_there_and_name_a_column_once() {
    assert_failure(&event("c", "null", "null", 2, 2), ErrorKind::BadInput, &[("field", "after"), ("op", "c")]);
    assert_failure(&event("u", "null", "null", 2, 2), ErrorKind::BadInput, &[("field", "after")]);
    assert_failure(&event("d", "null", "null", 2, 2), ErrorKind::BadInput, &[("field", "before")]);
    assert_failure(&create(r#"{"id":2,"s":"a","s":"b"}"#, 2), ErrorKind::BadInput, &[("field", "s")]);
}

#[test]
fn an_error_never_holds_a_value() {
    for line in [
        create(r#"{"id":2,"n":"secret"}"#, 2),
        create(r#"{"id":2,"t":"secret"}"#, 2),
        create(r#"{"id":2,"b":"secret"}"#, 2),
        create(r#"{"id":2,"l":["secret"]}"#, 2),
        create(r#"{"secret":null}"#, 2),
    ] {
        let failure = failure(&line);
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }
}

#[test]
fn a_column_that_orders_events_must_have_a_value() {
    let table = schema("id integer PRIMARY KEY, version integer");
    let mut replay = table_replay(&table, plain(&["version"]));
    replay.line(r#"{"op":"c","updated_at":"2025-11-12","record":{"id":1}}"#).unwrap();
    replay.line(r#"{"op":"c","updated_at":"2025-11-12","record":{"id":1,"version":null}}"#).unwrap();
    let table = only(&mut replay);
    assert_eq!(table.failures.len(), 2);
    assert!(table.failures.iter().all(|failure| failure.context().contains(&("field", "version".into()))));
}

proptest! {
    #[test]
    fn any_values_are_taken_or_refused_without_a_trace(cells in proptest::collection::vec((0usize..11, "-?[0-9]{1,25}(\\.[0-9]{1,12})?(E-?[0-9]{1,4})?|\"[ -!#-\\[\\]-~]{0,24}\"|true|null|\\[(1,)?null\\]|\\{\"scale\":-?[0-9]{1,3},\"value\":\"[A-Za-z0-9]{4}\"\\}"), 1..30)) {
        let names = ["id", "n", "d", "t", "c", "day", "b", "s", "l", "j", "f"];
        let mut replay = table_replay(&schema(COLUMNS), debezium());
        for (lsn, (column, json)) in (1..).zip(&cells) {
            let name = names[*column];
            let image = if name == "id" { format!(r#"{{"id":{json}}}"#) } else { format!(r#"{{"id":{lsn},"{name}":{json}}}"#) };
            // A number that JSON does not have, such as 007, is refused with its line.
            let _ = replay.line(&create(&image, lsn));
        }
        if let Some(name) = replay.tables.keys().next().cloned() {
            let table = replay.table(&name);
            prop_assert!(table.events.len() + table.failures.len() <= cells.len());
            prop_assert!(table.events.iter().all(|event| event.row["id"].is_some()));
        }
    }
}
