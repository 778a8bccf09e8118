//! Values of each type in each of the ways they are written.

use super::made::{create, debezium, events_of, plain, schema, value};
use super::replay::Replay;
use crate::change::Op;
use crate::decode::{BinaryMode, DecimalMode, DecodeSettings, TimePrecision};

/// A value of a column in a message with a schema of its own, read into a table that this schema makes.
fn by_schema(schema: &str, json: &str) -> Option<String> {
    let row = format!(
        r#"{{"type":"struct","fields":[{{"type":"int32","field":"id"}},{{{schema},"optional":true,"field":"v"}}],"optional":true,"field":"after"}}"#
    );
    let envelope = format!(
        r#"{{"schema":{{"type":"struct","fields":[{row},{{"type":"struct","name":"io.debezium.connector.postgresql.Source","fields":[],"field":"source"}}]}},"payload":{}}}"#,
        create(&format!(r#"{{"id":1,"v":{json}}}"#), 1)
    );
    let mut replay = Replay::new(debezium()).lines(&envelope);
    let table = replay.table("s.t");
    assert!(table.failures.is_empty(), "{schema} {:?}", table.failures);
    table.events[0].row["v"].clone()
}

fn with(change: impl FnOnce(&mut DecodeSettings)) -> DecodeSettings {
    let mut settings = debezium();
    change(&mut settings);
    settings
}

#[test]
fn logical_types_of_message_schemas() {
    let logical = |kind: &str, name: &str, json: &str| by_schema(&format!(r#""type":"{kind}","name":"{name}""#), json).unwrap();
    for (kind, name, json, expected) in [
        ("int32", "io.debezium.time.Date", "20512", "2026-02-28"),
        ("int32", "org.apache.kafka.connect.data.Date", "20512", "2026-02-28"),
        ("int32", "io.debezium.time.Date", "-2147472692", "infinity"),
        ("int32", "io.debezium.time.Date", "-2147472691", "-infinity"),
        ("string", "io.debezium.time.IsoDate", "\"2026-02-28Z\"", "2026-02-28"),
        ("int32", "io.debezium.time.Time", "45296789", "12:34:56.789"),
        ("int32", "org.apache.kafka.connect.data.Time", "45296789", "12:34:56.789"),
        ("int64", "io.debezium.time.MicroTime", "86400000000", "24:00:00"),
        ("int64", "io.debezium.time.NanoTime", "45296789000000", "12:34:56.789"),
        ("string", "io.debezium.time.IsoTime", "\"12:34:56.789Z\"", "12:34:56.789"),
        ("int64", "io.debezium.time.Timestamp", "1772368496789", "2026-03-01 12:34:56.789"),
        ("int64", "io.debezium.time.Timestamp", "9223372036825200", "infinity"),
        ("int64", "org.apache.kafka.connect.data.Timestamp", "1772368496789", "2026-03-01 12:34:56.789"),
        ("int64", "io.debezium.time.MicroTimestamp", "-1", "1969-12-31 23:59:59.999999"),
        ("int64", "io.debezium.time.MicroTimestamp", "9223372036825200000", "infinity"),
        ("int64", "io.debezium.time.MicroTimestamp", "-9223372036832400000", "-infinity"),
        ("int64", "io.debezium.time.NanoTimestamp", "1772368496789000000", "2026-03-01 12:34:56.789"),
        ("string", "io.debezium.time.IsoTimestamp", "\"2026-03-01T12:34:56.789Z\"", "2026-03-01 12:34:56.789"),
        ("string", "io.debezium.time.ZonedTimestamp", "\"2026-03-01T12:34:56.5+05:30\"", "2026-03-01 07:04:56.5+00"),
        ("string", "io.debezium.time.ZonedTime", "\"19:32:03.123456Z\"", "19:32:03.123456Z"),
        ("int64", "io.debezium.time.MicroDuration", "37091106789000", "37091106789000"),
        ("int64", "io.debezium.time.NanoDuration", "37091106789000", "37091106789"),
        ("string", "io.debezium.time.Interval", "\"P1Y2M3DT4H5M6.789S\"", "P1Y2M3DT4H5M6.789S"),
        ("int32", "io.debezium.time.Year", "2026", "2026"),
        ("bytes", "io.debezium.data.Bits", "\"qgo=\"", "\\xaa0a"),
        ("string", "io.debezium.data.EnumSet", "\"a,c\"", "a,c"),
        ("string", "io.debezium.data.Uuid", "\"6f1c9c2e-2b0a-4d4e-8d2c-0a5b7e1f2d3c\"", "6f1c9c2e-2b0a-4d4e-8d2c-0a5b7e1f2d3c"),
        ("struct", "io.debezium.data.VariableScaleDecimal", r#"{"scale":9,"value":"J+QbMka+ybFuOYEV"}"#, "12345678901234567890.123456789"),
        ("struct", "io.debezium.data.VariableScaleDecimal", r#"{"scale":-3,"value":"AQ=="}"#, "1000"),
        ("struct", "io.debezium.data.geometry.Point", r#"{"x":1.5,"y":-2.0}"#, r#"{"x":1.5,"y":-2.0}"#),
        ("map", "", r#"{"a":"1","b":null}"#, r#"{"a":"1","b":null}"#),
    ] {
        assert_eq!(logical(kind, name, json), expected, "{kind} {name}");
    }
}

#[test]
fn plain_types_of_message_schemas() {
    let decimal =
        |parameters: &str| format!(r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{{{parameters}}}"#);
    let bounded = decimal(r#""scale":"2","connect.decimal.precision":"10""#);
    let wide = decimal(r#""scale":"3","connect.decimal.precision":"65""#);
    for (schema, json, expected) in [
        (r#""type":"boolean""#, "true", "t"),
        (r#""type":"int8""#, "-128", "-128"),
        (r#""type":"int64""#, "9223372036854775807", "9223372036854775807"),
        (r#""type":"float""#, "1.1", "1.1"),
        (r#""type":"double""#, "\"-Infinity\"", "-Infinity"),
        (r#""type":"double""#, "0.30000000000000004", "0.30000000000000004"),
        (r#""type":"string""#, r#""a\u00e9\n\"\\""#, "aé\n\"\\"),
        (r#""type":"bytes""#, "\"AP8Q\"", "\\x00ff10"),
        (bounded.as_str(), "\"SZYC2w==\"", "12345678.99"),
        (bounded.as_str(), "\"/w==\"", "-0.01"),
        (bounded.as_str(), "1234.5", "1234.50"),
        (decimal(r#""scale":"2""#).as_str(), "\"AeJA\"", "1234.56"),
        (wide.as_str(), "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "1461501637330902918203684832716283019655932542.976"),
        (r#""type":"array","items":{"type":"int32","name":"io.debezium.time.Date"}"#, "[20454,null]", "{2026-01-01,NULL}"),
        (r#""type":"array","items":{"type":"struct","fields":[]}"#, r#"[{"a":1}]"#, r#"{{"a":1}}"#),
    ] {
        assert_eq!(by_schema(schema, json).unwrap(), expected, "{schema}");
    }
    assert_eq!(by_schema(r#""type":"string""#, "null"), None);
}

#[test]
fn a_created_row_of_every_type_is_the_same_in_all_settings() {
    let expected = [
        ("c_bool", "t"),
        ("c_i2", "-32768"),
        ("c_i8", "9223372036854775807"),
        ("c_oid", "4294967295"),
        ("c_f4", "1.5"),
        ("c_f8", "-0.1"),
        ("c_num", "12345678901234567890.123456789"),
        ("c_num_10_2", "12345678.99"),
        ("c_num_38_9", "-12345678901234567890123456789.123456789"),
        ("c_num_5_0", "99999"),
        ("c_money", "1234.56"),
        ("c_char", "ab   "),
        ("c_bytea", "\\x00ff10deadbeef"),
        ("c_bit1", "t"),
        ("c_bit8", "\\xaa"),
        ("c_varbit", "\\x05"),
        ("c_date", "2026-02-28"),
        ("c_time", "23:59:59.999999"),
        ("c_time3", "12:34:56.789"),
        ("c_timetz", "19:32:03.123456Z"),
        ("c_ts", "2026-03-01 12:34:56.123456"),
        ("c_ts0", "2026-03-01 12:34:56"),
        ("c_ts3", "2026-03-01 12:34:56.789"),
        ("c_tstz", "2026-03-01 07:04:56.123456+00"),
        ("c_interval", "37091106789000"),
        ("c_json", "{\"b\": 1,  \"a\": [1, 2.50, null]}"),
        ("c_hstore", "{\"a\":\"1\",\"b\":null}"),
        ("c_point", "{\"x\":1.5,\"y\":-2.0,\"wkb\":\"AQEAAAAAAAAAAAD4PwAAAAAAAADA\",\"srid\":null}"),
        ("c_tsrange", "[\"2026-01-01 00:00:00\",\"2026-01-02 00:00:00\")"),
        ("c_i4_arr", "{1,NULL,3}"),
        ("c_num_arr", "{1.10,-2.20}"),
        ("c_ts_arr", "{2026-01-01 00:00:00.000001}"),
        ("c_bytea_arr", "{\\x01,\\x02ff}"),
        ("c_mood_arr", "{sad,happy}"),
        ("c_date_arr", "{2026-01-01}"),
        ("c_bool_arr", "{t,f}"),
    ];
    for setting in super::fixtures::SETTINGS {
        let mut replay = super::fixtures::replay(setting);
        let events = &replay.table("shop.all_types").events;
        let created = events.iter().find(|event| event.op == Op::Create && event.row["id"].as_deref() == Some("1")).unwrap();
        for (column, value) in expected {
            assert_eq!(created.row[column].as_deref(), Some(value), "{setting:?} {column}");
        }
    }
}

#[test]
fn declared_types_read_each_decimal_mode() {
    for (mode, json) in
        [(DecimalMode::Precise, "\"SZYC2w==\""), (DecimalMode::String, "\"12345678.99\""), (DecimalMode::Double, "1.234567899E7")]
    {
        for mode in [mode, DecimalMode::Auto] {
            let settings = with(|settings| settings.decimal_mode = mode);
            assert_eq!(value("numeric(10,2)", json, settings).as_deref(), Some("12345678.99"), "{mode:?}");
        }
    }
    let precise = with(|settings| settings.decimal_mode = DecimalMode::Precise);
    assert_eq!(value("numeric(12,0)", "\"1234\"", precise).as_deref(), Some("-2658824"));
    assert_eq!(value("numeric(12,0)", "\"1234\"", debezium()).as_deref(), Some("1234"));
    assert_eq!(value("numeric(38,9)", "\"0E-9\"", debezium()).as_deref(), Some("0.000000000"));
    assert_eq!(value("numeric", r#"{"scale":1,"value":"AQ=="}"#, debezium()).as_deref(), Some("0.1"));
    assert_eq!(value("numeric", "\"NAN\"", debezium()).as_deref(), Some("NaN"));
    assert_eq!(value("numeric", "1.5E20", debezium()).as_deref(), Some("1.5E20"));
}

#[test]
fn declared_types_read_each_time_precision() {
    let short = "timestamp(3)";
    for (mode, data_type, json, expected) in [
        (TimePrecision::Adaptive, short, "1772368496789", "2026-03-01 12:34:56.789"),
        (TimePrecision::Adaptive, "timestamp", "1772368496789123", "2026-03-01 12:34:56.789123"),
        (TimePrecision::Adaptive, "time(3)", "45296789", "12:34:56.789"),
        (TimePrecision::AdaptiveTimeMicroseconds, short, "1772368496789", "2026-03-01 12:34:56.789"),
        (TimePrecision::AdaptiveTimeMicroseconds, "time(3)", "45296789000", "12:34:56.789"),
        (TimePrecision::Connect, "timestamp", "1772368496789", "2026-03-01 12:34:56.789"),
        (TimePrecision::Connect, "time", "45296789", "12:34:56.789"),
        (TimePrecision::Microseconds, short, "1772368496789000", "2026-03-01 12:34:56.789"),
        (TimePrecision::Nanoseconds, short, "1772368496789000000", "2026-03-01 12:34:56.789"),
        (TimePrecision::Nanoseconds, "time(3)", "45296789000000", "12:34:56.789"),
        (TimePrecision::Isostring, short, "\"2026-03-01T12:34:56.789Z\"", "2026-03-01 12:34:56.789"),
        (TimePrecision::Isostring, "time(3)", "\"12:34:56.789Z\"", "12:34:56.789"),
        (TimePrecision::Isostring, "date", "\"2026-02-28Z\"", "2026-02-28"),
        (TimePrecision::Auto, short, "1772368496789", "2026-03-01 12:34:56.789"),
        (TimePrecision::Auto, short, "1772368496789000", "2026-03-01 12:34:56.789"),
        (TimePrecision::Auto, short, "1772368496789000000", "2026-03-01 12:34:56.789"),
        (TimePrecision::Auto, "timestamp", "1772368496789000", "2026-03-01 12:34:56.789"),
        (TimePrecision::Auto, short, "9223372036825200", "infinity"),
        (TimePrecision::Auto, "timestamp", "-9223372036832400000", "-infinity"),
        (TimePrecision::Auto, "time(3)", "45296789", "12:34:56.789"),
        (TimePrecision::Auto, "time(3)", "45296789000", "12:34:56.789"),
        (TimePrecision::Auto, "time", "86400000000", "24:00:00"),
    ] {
        let settings = with(|settings| settings.time_precision = mode);
        assert_eq!(value(data_type, json, settings).as_deref(), Some(expected), "{mode:?} {data_type} {json}");
    }
}

#[test]
fn declared_types_read_each_binary_mode() {
    for (mode, json) in [
        (BinaryMode::Bytes, "\"3q2+7w==\""),
        (BinaryMode::Base64, "\"3q2+7w==\""),
        (BinaryMode::Base64UrlSafe, "\"3q2-7w==\""),
        (BinaryMode::Hex, "\"deadbeef\""),
    ] {
        for mode in [mode, BinaryMode::Auto] {
            let settings = with(|settings| settings.binary_mode = mode);
            assert_eq!(value("bytea", json, settings).as_deref(), Some("\\xdeadbeef"), "{mode:?} {json}");
        }
    }
    let base64 = with(|settings| settings.binary_mode = BinaryMode::Bytes);
    assert_eq!(value("bytea", "\"beef\"", base64).as_deref(), Some("\\x6de79f"));
    assert_eq!(value("bytea", "\"\"", debezium()).as_deref(), Some("\\x"));
    // Bits are in base64, whatever the mode of bytes.
    let hex = with(|settings| settings.binary_mode = BinaryMode::Hex);
    assert_eq!(value("bit(8)", "\"qg==\"", hex).as_deref(), Some("\\xaa"));
}

#[test]
fn numbers_are_read_exactly() {
    for (data_type, json, expected) in [
        ("double precision", "0.1", "0.1"),
        ("double precision", "1e23", "100000000000000000000000"),
        ("real", "16777217", "16777216"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("bigint", "1.0e3", "1000"),
        ("boolean", "1", "t"),
        ("integer", "true", "1"),
        ("numeric(38,0)", "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
    ] {
        assert_eq!(value(data_type, json, debezium()).as_deref(), Some(expected), "{data_type} {json}");
    }
}

#[test]
fn plain_records_take_timestamps_of_any_writing_in_the_zone_that_is_set() {
    let table = schema("id integer PRIMARY KEY, at timestamptz, clock timestamp, day date");
    let mut settings = plain(&["updated_at"]);
    settings.timezone = chrono_tz::Asia::Tokyo;
    let line = |time: &str| {
        format!(
            r#"{{"op":"c","updated_at":{time},"record":{{"id":1,"at":"2025-11-12 03:11:00","clock":"2025-11-12 03:11:00","day":"2025-11-12"}}}}"#
        )
    };
    let times = [
        "\"2025-11-12 03:11:00\"",
        "\"2025-11-12T03:11:00+09:00\"",
        "1762884660",
        "1762884660000",
        "1762884660000000",
        "1762884660000000000",
    ];
    let events = events_of(&table, settings, &times.map(line));
    assert!(events.iter().all(|event| event.event_time_us == 1_762_884_660_000_000), "{events:?}");
    assert_eq!(events[0].row["at"].as_deref(), Some("2025-11-11 18:11:00+00"));
    assert_eq!(events[0].row["clock"].as_deref(), Some("2025-11-12 03:11:00"));
    assert_eq!(events[0].row["day"].as_deref(), Some("2025-11-12"));
}
