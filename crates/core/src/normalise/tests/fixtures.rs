//! The fixtures of Debezium, in each of their settings, against the tables as the databases had them.

use super::replay::{Replay, Row, read_fixture};
use crate::ddl::{SqlDialect, parse_ddl};
use crate::decode::{ChangeFormat, DecodeSettings};

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
