//! The fixtures of Debezium, in each of their settings, against the tables as the databases had them.

use super::replay::{Replay, Row, read_fixture};
use crate::change::Op;
use crate::ddl::{SqlDialect, parse_ddl};
use crate::decode::{ChangeFormat, DecodeSettings};
use crate::error::ErrorKind;

fn declared(replay: Replay, ddl: &str, dialect: SqlDialect) -> Replay {
    let ddl = parse_ddl(&read_fixture(ddl), dialect).unwrap();
    ddl.tables().fold(replay, |replay, (name, schema)| replay.declare(&name.to_string(), schema.clone()))
}

fn debezium_json() -> Replay {
    Replay::new(DecodeSettings::new(ChangeFormat::DebeziumJson))
}

/// Rows of a CSV that PostgreSQL wrote with `NULL '\N'`.
fn csv(path: &str) -> Vec<Row> {
    let text = read_fixture(path);
    let mut records = records(&text).into_iter();
    let header = records.next().unwrap();
    let mut rows: Vec<Row> = records
        .map(|record| header.iter().cloned().zip(record.into_iter().map(|cell| (cell != "\\N").then_some(cell))).collect())
        .collect();
    rows.sort();
    rows
}

fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell, mut in_quotes) = (Vec::new(), Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => record.push(std::mem::take(&mut cell)),
            '\n' if !in_quotes => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    records
}

#[test]
fn tpcc_warehouses_and_customers_fold_to_the_dump_of_the_last_moment() {
    for table in ["warehouse", "customer", "district"] {
        let replay = declared(debezium_json(), "tpcc/ddl.sql", SqlDialect::Postgres);
        let mut replay = replay.lines(&read_fixture(&format!("tpcc/events/pg.tpcc.{table}/00000.jsonl.gz")));
        let table_events = replay.table(&format!("tpcc.{table}"));
        assert!(table_events.failures.is_empty(), "{:?}", table_events.failures.first());
        let mut rows = table_events.rows();
        let mut expected = csv(&format!("tpcc/moment-05/{table}.csv.gz"));
        rows.sort();
        expected.sort();
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(row, expected);
        }
    }
}

/// The settings of the PostgreSQL fixtures. Schemas come with the messages or from the DDL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Setting {
    Default,
    DefaultWithDdl,
    NoSchema,
    Unwrap,
    Avro,
}

pub(super) const SETTINGS: [Setting; 5] = [Setting::Default, Setting::DefaultWithDdl, Setting::NoSchema, Setting::Unwrap, Setting::Avro];

pub(super) fn replay(setting: Setting) -> Replay {
    let file = match setting {
        Setting::Default | Setting::DefaultWithDdl => "default",
        Setting::NoSchema => "noschema_precise_micros",
        Setting::Unwrap => "unwrap",
        Setting::Avro => "avro",
    };
    let mut settings = DecodeSettings::new(ChangeFormat::DebeziumJson);
    if setting == Setting::Avro {
        settings.format = ChangeFormat::DebeziumAvro;
        settings.avro_schemas = Some(read_fixture("debezium/postgres/avro.schemas.jsonl.gz"));
    }
    let mut replay = Replay::new(settings);
    if setting != Setting::Default {
        replay = declared(replay, "debezium/postgres/ddl.sql", SqlDialect::Postgres);
    }
    replay.lines(&read_fixture(&format!("debezium/postgres/{file}.jsonl.gz")))
}

/// Columns that are null are left out, so that a column nobody ever set may be missing.
fn bare(rows: Vec<Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = rows.into_iter().map(|row| row.into_iter().filter(|(_, value)| value.is_some()).collect()).collect();
    rows.sort();
    rows
}

fn assert_final(replay: &mut Replay, setting: Setting, table: &str, file: &str) {
    assert_rows(replay, setting, table, csv(&format!("debezium/postgres/final/{file}.csv")));
}

fn assert_rows(replay: &mut Replay, setting: Setting, table: &str, expected: Vec<Row>) {
    let table = replay.table(&format!("shop.{table}"));
    assert!(table.failures.is_empty(), "{setting:?} {:?}", table.failures);
    let (rows, expected) = (bare(table.rows()), bare(expected));
    assert_eq!(rows.len(), expected.len(), "{setting:?}");
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected, "{setting:?}");
    }
}

#[test]
fn tables_of_all_settings_end_as_the_database_had_them() {
    for setting in SETTINGS {
        let mut replay = replay(setting);
        for (table, file) in [("docs", "docs"), ("docs_full", "docs_full"), ("events", "events"), ("Weird Table-1", "_Weird_Table-1_")] {
            assert_final(&mut replay, setting, table, file);
        }
        if setting != Setting::Unwrap {
            assert_final(&mut replay, setting, "order_lines", "order_lines");
            assert_final(&mut replay, setting, "uidx", "uidx");
        }
    }
}

#[test]
fn every_type_arrives_exactly() {
    for setting in SETTINGS {
        let mut expected = csv("debezium/postgres/final/all_types.csv");
        if setting != Setting::Unwrap {
            // Debezium's precise mode makes null of a numeric NaN.
            expected.iter_mut().filter(|row| row["id"].as_deref() == Some("6")).for_each(|row| *row.get_mut("c_num").unwrap() = None);
        }
        assert_rows(&mut replay(setting), setting, "all_types", expected);
    }
}

#[test]
fn a_table_grows_with_its_source_until_a_type_cannot_be_taken() {
    for setting in SETTINGS {
        let mut replay = replay(setting);
        let evolve = replay.table("shop.evolve");
        let failure = &evolve.failures[0];
        for place in [("column", "amount"), ("table type", "Int64"), ("source type", "Utf8")] {
            assert!(failure.context().contains(&(place.0, place.1.to_owned())), "{setting:?} {failure}");
        }
        let has_schema = !matches!(setting, Setting::NoSchema | Setting::Unwrap);
        let kind = if has_schema { ErrorKind::SchemaChange } else { ErrorKind::BadInput };
        assert_eq!(failure.kind(), kind, "{setting:?}");
        // A message's schema still announces text when a row is deleted.
        assert_eq!(evolve.failures.len(), if has_schema { 2 } else { 1 }, "{setting:?}");
        let row = |cells: &[(&str, &str)]| -> Row {
            let kept = cells.iter().filter(|(name, _)| has_schema || *name != "score");
            kept.map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
        };
        let mut expected = vec![
            row(&[("id", "1"), ("name", "before"), ("amount", "11"), ("score", "1.25")]),
            row(&[("id", "3"), ("name", "v1"), ("amount", "30"), ("note", "added")]),
            row(&[("id", "4"), ("name", "v3"), ("amount", "3000000000"), ("remark", "renamed"), ("score", "2.50")]),
            row(&[("id", "5"), ("name", "v5"), ("amount", "50"), ("remark", "dropped score")]),
        ];
        if has_schema {
            expected.push(row(&[("id", "2"), ("name", "v0"), ("amount", "20")]));
        }
        let mut rows = evolve.rows();
        // Nothing tells what the base64 of a decimal is when neither message nor DDL knows the column.
        rows.iter_mut().filter(|_| !has_schema).for_each(|row| drop(row.remove("score")));
        assert_eq!(bare(rows), bare(expected), "{setting:?}");
    }
}

#[test]
fn a_table_without_a_key_takes_what_it_can() {
    for setting in SETTINGS {
        let mut replay = replay(setting);
        let nokey = replay.table("shop.nokey");
        assert_eq!(nokey.failures.len(), 3, "{setting:?}");
        // Flattened records carry no truncate.
        assert_eq!(nokey.rows().len(), if setting == Setting::Unwrap { 3 } else { 0 }, "{setting:?}");
    }
}

#[test]
fn a_change_of_key_and_of_an_unsent_column_is_linked_to_the_row_before() {
    for setting in SETTINGS {
        let mut replay = replay(setting);
        let events = &replay.table("shop.docs").events;
        let moved = events.iter().find(|event| event.old_key.is_some()).unwrap();
        assert_eq!(moved.old_key.as_ref().unwrap()["id"].as_deref(), Some("2"), "{setting:?}");
        assert_eq!((moved.op, moved.row["id"].as_deref()), (Op::Create, Some("3")), "{setting:?}");
        assert_eq!(moved.unset, ["body_json", "body_bin", "tags"], "{setting:?}");
        let unsent = events.iter().find(|event| event.op == Op::Update).unwrap();
        assert_eq!(unsent.unset, ["body", "body_json", "body_bin", "tags"], "{setting:?}");
    }
}

#[test]
fn ends_of_transactions_have_the_sources_time() {
    for setting in SETTINGS {
        let replay = replay(setting);
        assert_eq!((replay.ends_us.len(), replay.heartbeats), (44, 0), "{setting:?}");
        assert!(replay.ends_us.is_sorted(), "{setting:?}");
    }
}
