//! The fixture of Debezium's MySQL connector against what its workload says.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::made::debezium;
use super::replay::{Replay, Row, read_fixture};
use crate::change::Op;
use crate::decode::TableChange;
use crate::schema::{TableSchema, timestamp_local, timestamp_utc};

fn replay() -> Replay {
    Replay::new(debezium()).lines(&read_fixture("debezium/mysql/default_schemas.jsonl.gz"))
}

fn row(cells: &[(&str, &str)]) -> Row {
    cells.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
}

/// Without the columns that are null.
fn bare(row: &Row) -> Row {
    row.iter().filter(|(_, value)| value.is_some()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn the_tables_end_as_the_workload_leaves_them() {
    let mut replay = replay();
    let mut rows = |table: &str| -> Vec<Row> {
        let mut rows: Vec<Row> = replay.table(table).rows().iter().map(bare).collect();
        rows.sort_by_key(|row| row.get("id").cloned());
        rows
    };
    assert_eq!(
        rows("shop.order_lines"),
        [row(&[
            ("order_id", "100"),
            ("line_no", "1"),
            ("sku", "AFTER"),
            ("qty", "1"),
            ("price", "1.0000"),
            ("placed_at", "2026-02-02 00:00:00+00")
        ])]
    );
    assert_eq!(rows("shop.Weird Table-1"), [row(&[("Key Col", "1"), ("naïve·col", "ï"), ("select", "SEL"), ("a.b", "5")])]);
    assert_eq!(
        rows("shop.evolve"),
        [
            row(&[("id", "1"), ("name", "before"), ("amount", "3000000000"), ("score", "1.25")]),
            row(&[("id", "3"), ("name", "v1"), ("amount", "30"), ("score", "1.25"), ("remark", "renamed")]),
            row(&[("id", "5"), ("name", "v5"), ("amount", "50"), ("remark", "dropped")]),
        ]
    );
    assert_eq!(rows("shop.nokey"), [row(&[("a", "1"), ("b", "one")]), row(&[("a", "1"), ("b", "one")]), row(&[("a", "2"), ("b", "two")])]);
    assert_eq!(rows("shop.nokey2"), [row(&[("a", "5"), ("b", "five")])]);
    assert_eq!(
        rows("shop.all_types"),
        [
            row(&[("id", "0")]),
            row(&[("id", "2"), ("c_text", ""), ("c_enum", ""), ("c_set", ""), ("c_json", "null")]),
            row(&[("id", "3"), ("c_date", "9999-12-31"), ("c_dt6", "9999-12-31 23:59:59.999999"), ("c_ts6", "1970-01-01 00:00:01+00")]),
        ]
    );
    assert_eq!(replay.table("shop.nokey").failures.len(), 3);
}

#[test]
fn every_type_arrives_exactly() {
    let mut replay = replay();
    let events = &replay.table("shop.all_types").events;
    let created = events.iter().find(|event| event.op == Op::Create && event.row["id"].as_deref() == Some("1")).unwrap();
    let expected = row(&[
        ("id", "1"),
        ("c_bool", "1"),
        ("c_ti", "-128"),
        ("c_tiu", "255"),
        ("c_si", "-32768"),
        ("c_siu", "65535"),
        ("c_mi", "-8388608"),
        ("c_i", "2147483646"),
        ("c_iu", "4294967295"),
        ("c_bi", "-9223372036854775808"),
        // As the connector's default mode for unsigned numbers sends it; only the DDL says that it is unsigned.
        ("c_biu", "-1"),
        ("c_f", "1.5"),
        ("c_d", "-0.1"),
        ("c_dec", "12345678.99"),
        ("c_dec38", "-12345678901234567890123456789.123456789"),
        ("c_bit1", "t"),
        ("c_bit12", "\\xaa0a"),
        ("c_char", "ab"),
        ("c_varchar", "héllo"),
        ("c_text", "emoji 🦀 \"q\" \\"),
        ("c_longtext", "long"),
        ("c_bin", "\\x00ff0000"),
        ("c_varbin", "\\xdeadbeef"),
        ("c_blob", "\\x00ff10"),
        ("c_date", "2026-02-28"),
        ("c_time", "23:59:59"),
        ("c_time6", "-838:59:58.999999"),
        ("c_dt", "2026-03-01 12:34:56"),
        ("c_dt3", "2026-03-01 12:34:56.789"),
        ("c_dt6", "2026-03-01 12:34:56.123456"),
        ("c_ts", "2026-03-01 12:34:56+00"),
        ("c_ts6", "2026-03-01 12:34:56.123456+00"),
        ("c_year", "2026"),
        ("c_enum", "happy"),
        ("c_set", "a,c"),
        ("c_json", "{\"a\":[1,2.5,null],\"b\":1}"),
        ("c_point", "{\"x\":1.5,\"y\":-2.0,\"wkb\":\"AQEAAAAAAAAAAAD4PwAAAAAAAADA\",\"srid\":null}"),
        ("c_gen", "2147483647"),
    ]);
    assert_eq!(created.row, expected);
}

#[test]
fn ddl_events_describe_their_tables() {
    let replay = replay();
    let changes: Vec<_> = replay.schema_changes.iter().flat_map(|change| &change.tables).collect();
    let names: Vec<String> = changes.iter().map(|(name, _)| name.to_string()).collect();
    assert!(names.contains(&"shop.Weird Table-1".to_owned()) && names.contains(&"shop.nokey2".to_owned()), "{names:?}");
    assert!(matches!(changes.iter().rev().find(|(name, _)| name.name() == "late"), Some((_, TableChange::Dropped))));
    let (_, TableChange::Altered(evolve)) = changes.iter().rev().find(|(name, _)| name.name() == "evolve").unwrap() else {
        panic!("evolve was altered last");
    };
    assert_eq!(evolve.keys(), ["id"]);
    let types: Vec<(&str, &DataType)> = evolve.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    assert_eq!(types, [("id", &DataType::Int32), ("remark", &DataType::Utf8), ("name", &DataType::Utf8), ("amount", &DataType::Int64)]);
    let Some((_, TableChange::Created(all_types))) =
        changes.iter().find(|(name, change)| name.name() == "all_types" && matches!(change, TableChange::Created(_)))
    else {
        panic!("all_types was created");
    };
    for (column, data_type) in [
        ("c_biu", DataType::Decimal128(20, 0)),
        ("c_iu", DataType::Int64),
        ("c_dec38", DataType::Decimal128(38, 9)),
        ("c_bit1", DataType::Boolean),
        ("c_bit12", DataType::Binary),
        ("c_time6", DataType::Utf8),
        ("c_dt3", timestamp_local()),
        ("c_ts", timestamp_utc()),
        ("c_json", DataType::Utf8),
    ] {
        assert_eq!(all_types.fields()[all_types.index_of(column).unwrap()].data_type(), &data_type, "{column}");
    }
    assert_eq!(replay.schema_changes.last().unwrap().time_us, 1_795_224_250_231_000);
}

#[test]
fn declared_columns_hold_what_the_messages_cannot_say() {
    let described = replay().schema_changes.into_iter().flat_map(|change| change.tables);
    let schema = described.filter_map(|(name, change)| match change {
        TableChange::Created(schema) if name.name() == "all_types" => Some(schema),
        _ => None,
    });
    let replay = Replay::new(debezium()).declare("shop.all_types", schema.last().unwrap());
    let mut replay = replay.lines(&read_fixture("debezium/mysql/default_schemas.jsonl.gz"));
    let table = replay.table("shop.all_types");
    assert!(table.failures.is_empty(), "{:?}", table.failures);
    let created = table.events.iter().find(|event| event.row["id"].as_deref() == Some("1")).unwrap();
    assert_eq!(created.row["c_biu"].as_deref(), Some("18446744073709551615"));
    assert_eq!(created.row["c_time6"].as_deref(), Some("-838:59:58.999999"));
    assert_eq!(created.row["c_bool"].as_deref(), Some("1"));
}

#[test]
fn a_table_made_by_messages_takes_what_the_ddl_says_of_it() {
    let mut replay = replay();
    let described: Vec<_> = replay.schema_changes.iter().flat_map(|change| change.tables.clone()).collect();
    let declared = described.iter().find_map(|(name, change)| match change {
        TableChange::Created(schema) if name.name() == "all_types" => Some(schema.clone()),
        _ => None,
    });
    let (made, declared) = (replay.table("shop.all_types").schema.clone(), declared.unwrap());
    assert_eq!(made.fields()[made.index_of("c_biu").unwrap()].data_type(), &DataType::Int64);
    assert_eq!(made.evolve(&declared).unwrap(), None);

    // From then on a number that is not the one that the message shows is no longer taken.
    let wrapped = replay.table("shop.all_types").events.iter().filter(|event| event.row["c_biu"].as_deref() == Some("-1")).count();
    assert!(wrapped > 0);
    let fields = made.fields().iter().zip(declared.fields()).map(|(made, declared)| {
        assert_eq!(made.name(), declared.name());
        Arc::new(made.as_ref().clone().with_metadata(declared.metadata().clone()))
    });
    let known = TableSchema::new(fields.collect(), made.keys().to_vec()).unwrap();
    let mut replay =
        Replay::new(debezium()).declare("shop.all_types", known).lines(&read_fixture("debezium/mysql/default_schemas.jsonl.gz"));
    let table = replay.table("shop.all_types");
    assert_eq!(table.failures.len(), wrapped, "{:?}", table.failures);
    assert!(table.events.iter().all(|event| event.row["c_biu"].as_deref() != Some("-1")));
}
