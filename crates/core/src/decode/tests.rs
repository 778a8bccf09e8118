//! What kind of record a line is, and what its envelope says.

use proptest::prelude::*;

use super::{ChangeFormat, DecodeSettings, Decoder, Message, PlainFields, SnapshotMark};
use crate::change::Op;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::timestamp_utc;

const SOURCE: &str =
    r#"{"connector":"postgresql","name":"pg","ts_ms":5,"snapshot":"false","sequence":"[\"1\",\"2\"]","schema":"shop","table":"events"}"#;

fn decoder(format: &str) -> Decoder {
    Decoder::new(DecodeSettings::new(format.parse().unwrap())).unwrap()
}

fn debezium(line: &str) -> Result<String> {
    decoder("debezium-json").decode(line.as_bytes()).map(|message| summary(&message))
}

/// Kind and table of a message.
fn summary(message: &Message) -> String {
    match message {
        Message::Change(change) => {
            let table = change.table().map_or("?".to_owned(), ToString::to_string);
            format!("{} {table} {} {}", change.op().as_str(), change.domain(), change.event_time_us())
        }
        Message::Heartbeat { time_us } => format!("heartbeat {time_us}"),
        Message::TransactionEnd { id, time_us } => format!("end {id} {time_us}"),
        Message::Schema(change) => format!("schema {}", change.tables.len()),
        Message::Ignored => "ignored".to_owned(),
    }
}

fn envelope(op: &str) -> String {
    format!(r#"{{"before":null,"after":{{"id":1,"payload":"p","schema":"s"}},"source":{SOURCE},"op":"{op}","ts_ms":9}}"#)
}

#[test]
fn an_envelope_is_known_in_each_wrapping() {
    let value = envelope("c");
    let schema = r#"{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int32","field":"id"}],"field":"after"},{"type":"struct","fields":[],"field":"source"}]}"#;
    let with_schema = format!(r#"{{"schema":{schema},"payload":{value}}}"#);
    for line in [
        value.clone(),
        format!("  {value}\r"),
        with_schema.clone(),
        format!(r#"{{"key":{{"id":1}},"value":{value}}}"#),
        format!(r#"{{"key":null,"value":{with_schema}}}"#),
        format!(
            r#"{{"topic":"pg.shop.events","partition":0,"offset":7,"timestamp":1,"headers":{{}},"key":{{"schema":null,"payload":{{"id":1}}}},"value":{with_schema}}}"#
        ),
    ] {
        assert_eq!(debezium(&line).unwrap(), "c shop.events pg 5000", "{line}");
    }
}

#[test]
fn a_row_with_columns_named_like_a_wrapping_is_no_wrapping() {
    for row in [
        r#""schema":"a","payload":"b""#,
        r#""key":"a","value":"b""#,
        r#""topic":"a","value":"b""#,
        r#""op":"x""#,
        r#""status":"END","id":"1","ts_ms":5"#,
    ] {
        let line = format!(r#"{{{row},"__op":"c","__deleted":"false","__schema":"s","__table":"t","__source_ts_ms":5,"__lsn":6}}"#);
        assert_eq!(debezium(&line).unwrap(), "c s.t default 5000", "{line}");
    }
}

#[test]
fn records_that_change_no_row() {
    for (line, expected) in [
        ("", "ignored"),
        ("   ", "ignored"),
        ("null", "ignored"),
        (r#"{"key":{"id":1},"value":null}"#, "ignored"),
        (r#"{"key":{"id":1},"value":{"schema":null,"payload":null}}"#, "ignored"),
        (r#"{"ts_ms":7}"#, "heartbeat 7000"),
        (r#"{"ts_ms":7,"ts_us":7001,"ts_ns":7001000}"#, "heartbeat 7000"),
        (
            r#"{"topic":"__debezium-heartbeat.pg","key":{"serverName":"pg"},"value":{"schema":{"type":"struct"},"payload":{"ts_ms":8}}}"#,
            "heartbeat 8000",
        ),
        (r#"{"status":"BEGIN","id":"571:1","event_count":null,"data_collections":null,"ts_ms":9}"#, "ignored"),
        (r#"{"status":"END","id":"571:1","event_count":1,"data_collections":[],"ts_ms":9}"#, "end 571:1 9000"),
        (r#"{"source":{"ts_ms":3},"databaseName":"","ddl":"SET x","tableChanges":[],"ts_ms":4}"#, "schema 0"),
    ] {
        assert_eq!(debezium(line).unwrap(), expected, "{line}");
    }
    assert_eq!(debezium(&envelope("m")).unwrap(), "ignored");
}

#[test]
fn flattened_records_say_their_table_and_op_in_several_ways() {
    let meta = r#""__source_ts_us":5001,"__lsn":6"#;
    for (line, expected) in [
        (format!(r#"{{"id":1,"__op":"u","__table":"t","__schema":"s",{meta}}}"#), "u s.t default 5001"),
        (format!(r#"{{"id":1,"__op":"u","__table":"t","__db":"d","__name":"my",{meta}}}"#), "u d.t my 5001"),
        (format!(r#"{{"id":1,"__deleted":"true",{meta}}}"#), "d ? default 5001"),
        (format!(r#"{{"topic":"pg.s.a.b","key":null,"value":{{"id":1,"__deleted":"false",{meta}}}}}"#), "u s.a.b pg 5001"),
        (format!(r#"{{"topic":"pg.s.t","headers":[["__op","\"c\""]],"key":null,"value":{{"id":1,{meta}}}}}"#), "c s.t pg 5001"),
    ] {
        assert_eq!(debezium(&line).unwrap(), expected, "{line}");
    }
}

#[test]
fn an_envelope_says_snapshot_transaction_and_key() {
    let mut decoder = decoder("debezium-json");
    for (text, mark) in [
        ("true", SnapshotMark::Middle),
        ("first", SnapshotMark::First),
        ("first_in_data_collection", SnapshotMark::FirstOfTable),
        ("last_in_data_collection", SnapshotMark::LastOfTable),
        ("last", SnapshotMark::Last),
        ("incremental", SnapshotMark::Incremental),
        ("false", SnapshotMark::None),
    ] {
        let value = envelope("r").replace(r#""snapshot":"false""#, &format!(r#""snapshot":"{text}""#));
        let line = format!(
            r#"{{"key":{{"b":2,"a":1}},"value":{}}}"#,
            value.replace(r#""ts_ms":9"#, r#""transaction":{"id":"7:8","total_order":1}"#)
        );
        let Message::Change(change) = decoder.decode(line.as_bytes()).unwrap() else { panic!("a change is expected") };
        assert_eq!(change.snapshot(), mark);
        assert_eq!(change.op(), Op::Read);
        assert_eq!(change.transaction(), Some("7:8"));
        assert_eq!(change.key_columns().unwrap().unwrap(), ["b", "a"]);
        assert_eq!(change.schema().unwrap(), None);
    }
}

#[test]
fn a_message_schema_is_the_tables_schema() {
    let schema = r#"{"type":"struct","fields":[{"type":"struct","optional":true,"fields":[{"type":"int64","optional":false,"field":"id"},{"type":"string","name":"io.debezium.time.ZonedTimestamp","field":"at"}],"field":"before"},{"type":"struct","fields":[],"field":"source"}]}"#;
    let line = format!(r#"{{"key":{{"id":1}},"value":{{"schema":{schema},"payload":{}}}}}"#, envelope("c"));
    let mut decoder = decoder("debezium-json");
    let Message::Change(change) = decoder.decode(line.as_bytes()).unwrap() else { panic!("a change is expected") };
    let table = change.schema().unwrap().unwrap();
    assert_eq!(table.keys(), ["id"]);
    assert_eq!(table.fields()[1].name(), "at");
    assert_eq!(table.fields()[1].data_type(), &timestamp_utc());
}

#[test]
fn a_flattened_message_schema_has_the_rows_columns_only() {
    let schema = r#"{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"double","field":"__mine"},{"type":"string","field":"__op"},{"type":"int64","field":"__source_ts_ms"}]}"#;
    let line = format!(r#"{{"schema":{schema},"payload":{{"id":1,"__mine":2.5,"__op":"c","__source_ts_ms":5,"__lsn":7}}}}"#);
    let mut decoder = decoder("debezium-json");
    let Message::Change(change) = decoder.decode(line.as_bytes()).unwrap() else { panic!("a change is expected") };
    let names = |table: crate::schema::TableSchema| -> Vec<String> { table.fields().iter().map(|field| field.name().clone()).collect() };
    assert_eq!(names(change.schema().unwrap().unwrap()), ["id", "__mine"]);
    assert_eq!(names(change.inferred_schema().unwrap()), ["id", "__mine"]);
}

#[test]
fn a_schema_is_inferred_from_values_where_nothing_declares_one() {
    let line =
        format!(r#"{{"key":{{"id":1}},"value":{}}}"#, envelope("c").replace(r#""schema":"s""#, r#""n":1.5,"none":null,"flag":true"#));
    let mut decoder = decoder("debezium-json");
    let Message::Change(change) = decoder.decode(line.as_bytes()).unwrap() else { panic!("a change is expected") };
    let table = change.inferred_schema().unwrap();
    let fields: Vec<String> = table.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    assert_eq!(fields, ["id Int64", "payload Utf8", "n Float64", "flag Boolean"]);
    assert_eq!(table.keys(), ["id"]);
}

#[test]
fn plain_records_have_the_names_and_words_that_the_settings_give() {
    let mut fields = PlainFields { op: "kind".into(), record: "row".into(), time: "at".into(), ..PlainFields::default() };
    fields.words.delete.push("gone".into());
    let mut decoder = Decoder::new(DecodeSettings::new(ChangeFormat::Plain(fields))).unwrap();
    for (line, expected) in [
        (r#"{"kind":"Insert","at":"2025-11-12T03:11:00.5Z","row":{"id":1},"table":"shop.a.b"}"#, "c shop.a.b default 1762917060500000"),
        (r#"{"kind":"GONE","at":1762917060,"row":{"id":1}}"#, "d ? default 1762917060000000"),
        (r#"{"kind":"u","at":"2025-11-12","row":{"id":1},"other":{}}"#, "u ? default 1762905600000000"),
        ("", "ignored"),
    ] {
        assert_eq!(summary(&decoder.decode(line.as_bytes()).unwrap()), expected);
    }
}

#[test]
fn formats_have_names() {
    for name in ["debezium-json", "debezium-avro", "plain-json"] {
        assert_eq!(name.parse::<ChangeFormat>().unwrap().to_string(), name);
    }
    assert_eq!("csv".parse::<ChangeFormat>().unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(Decoder::new(DecodeSettings::new(ChangeFormat::DebeziumAvro)).unwrap_err().kind(), ErrorKind::Usage);
}

/// The error of a line, with the place in it.
fn failure(format: &str, line: &[u8]) -> Error {
    decoder(format).decode(line).map(|message| summary(&message)).unwrap_err()
}

#[test]
fn bad_lines_are_errors_that_name_their_place() {
    let unknown_op = envelope("x");
    let truncated = &envelope("c")[..100];
    let no_time = envelope("c").replace(r#""ts_ms":5,"#, "");
    let wrong_time = envelope("c").replace(r#""ts_ms":5"#, r#""ts_ms":"five""#);
    let wrong_sequence = envelope("c").replace(r#"[\"1\",\"2\"]"#, "1,2");
    let wrong_table = envelope("c").replace(r#""table":"events""#, r#""table":"../events""#);
    let binlog = envelope("c").replace(r#""sequence":"[\"1\",\"2\"]""#, r#""file":"binlog""#);
    let wrong_image = envelope("c").replace(r#""before":null"#, r#""before":[7]"#);
    let no_source = r#"{"op":"c","after":{"id":1}}"#;
    for (line, place) in [
        (wrong_image.as_str(), Some(("json type", "array"))),
        (no_source, Some(("field", "source"))),
        ("not json", None),
        ("[1]", Some(("json type", "array"))),
        ("\"secret\"", Some(("json type", "string"))),
        ("17", Some(("json type", "number"))),
        (r#"{"a":1} {"b":2}"#, Some(("byte", "9"))),
        (r#"{"a":1}"#, Some(("field", "op"))),
        (truncated, Some(("byte", "100"))),
        (unknown_op.as_str(), Some(("field", "op"))),
        (no_time.as_str(), Some(("field", "source.ts_ms"))),
        (wrong_time.as_str(), Some(("field", "source.ts_ms"))),
        (wrong_sequence.as_str(), Some(("field", "source.sequence"))),
        (wrong_table.as_str(), Some(("field", "source.table"))),
        (binlog.as_str(), Some(("field", "source.file"))),
        (r#"{"topic":"t","value":"text"}"#, Some(("field", "value"))),
        (r#"{"topic":"t","headers":7,"value":{}}"#, Some(("field", "headers"))),
        (r#"{"schema":{"type":"string"},"payload":{"__op":"c","__lsn":1,"__source_ts_ms":1}}"#, Some(("field", "schema"))),
        (r#"{"id":1,"__op":"c"}"#, Some(("field", "source.ts_ms"))),
        (r#"{"status":"END","id":"1","ts_ms":9223372036854775807}"#, Some(("field", "ts_ms"))),
    ] {
        let failure = failure("debezium-json", line.as_bytes());
        assert_eq!(failure.kind(), ErrorKind::BadInput, "{line}: {failure}");
        if let Some((key, value)) = place {
            assert!(failure.context().contains(&(key, value.to_owned())), "{line}: {failure}");
        }
        assert!(!failure.to_string().contains("secret"));
    }
    assert!(failure("debezium-json", b"{\"a\":\"\xff\"}").context().contains(&("byte", "7".into())));
}

#[test]
fn bad_plain_lines_are_errors_that_name_their_field() {
    for (line, field) in [
        (r#"{"updated_at":"2025-11-12","record":{}}"#, "op"),
        (r#"{"op":"x","updated_at":"2025-11-12","record":{}}"#, "op"),
        (r#"{"op":5,"updated_at":"2025-11-12","record":{}}"#, "op"),
        (r#"{"op":"c","record":{}}"#, "updated_at"),
        (r#"{"op":"c","updated_at":"noon","record":{}}"#, "updated_at"),
        (r#"{"op":"c","updated_at":"infinity","record":{}}"#, "updated_at"),
        (r#"{"op":"c","updated_at":1.5,"record":{}}"#, "updated_at"),
    ] {
        let failure = failure("plain-json", line.as_bytes());
        assert!(failure.context().contains(&("field", field.to_owned())), "{line}: {failure}");
    }
}

#[test]
fn bad_avro_messages_are_errors() {
    let schema = r#"{"id":7,"schema":{"type":"record","name":"Envelope","fields":[{"name":"op","type":"string"}]}}"#;
    let mut settings = DecodeSettings::new(ChangeFormat::DebeziumAvro);
    settings.avro_schemas = Some(schema.to_owned());
    let mut decoder = Decoder::new(settings.clone()).unwrap();
    for (value, part) in [
        ("AAAA", "too short"),
        ("AQAAAAcCYw==", "magic byte"),
        ("AAAAAAgCYw==", "not among those given"),
        ("AAAAAAcIYw==", "does not follow its schema"),
        ("AAAAAAcCY2M=", "bytes follow"),
        ("!", "expected as"),
    ] {
        let line = format!(r#"{{"key":null,"value":{{"$base64":"{value}"}}}}"#);
        let failure = decoder.decode(line.as_bytes()).map(|message| summary(&message)).unwrap_err();
        assert!(failure.message().contains(part), "{value}: {failure}");
    }
    assert_eq!(decoder.decode(br#"{"key":null,"value":null}"#).map(|message| summary(&message)).unwrap(), "ignored");
    let endless = r#"{"type":"record","name":"A","fields":[{"name":"next","type":["null","A"]}]}"#;
    for schema in [r#"{"type":"nothing"}"#, r#"{"type":"record","name":"A","fields":[{"name":"x","type":"B"}]}"#, endless] {
        settings.avro_schemas = Some(format!(r#"{{"id":1,"schema":{schema}}}"#));
        let failure = Decoder::new(settings.clone()).unwrap_err();
        assert!(failure.context().contains(&("schema line", "1".into())), "{failure}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in ["debezium-json", "plain-json"] {
            let _ = decoder(format).decode(&bytes);
        }
    }

    #[test]
    fn damaged_records_never_panic(cut in 0usize..400, at in 0usize..400, byte in any::<u8>()) {
        let mut line = format!(r#"{{"topic":"pg.shop.events","headers":[["__debezium.oldkey","{{}}"]],"key":{{"id":1}},"value":{}}}"#, envelope("c")).into_bytes();
        if let Some(place) = line.get_mut(at) {
            *place = byte;
        }
        line.truncate(line.len().saturating_sub(cut));
        let _ = decoder("debezium-json").decode(&line);
    }
}
