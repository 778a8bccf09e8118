//! The fixtures of Debezium, in each of their settings, against the tables as the databases had them.

use super::replay::{Replay, Row, read_fixture};
use crate::ddl::{SqlDialect, parse_ddl};
use crate::decode::{ChangeFormat, DecodeSettings};
use crate::schema::TableSchema;

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

fn compare(replay: &mut Replay, table: &str, csv_name: &str) {
    let table = replay.table(&format!("shop.{table}"));
    assert!(table.failures.is_empty(), "{csv_name}: {:?}", table.failures);
    let expected: Vec<Row> = csv(&format!("debezium/postgres/final/{csv_name}.csv"));
    assert_eq!(table.rows(), expected, "{csv_name}");
}

#[test]
fn debug_default() {
    let mut replay = debezium_json().lines(&read_fixture("debezium/postgres/default.jsonl.gz"));
    compare(&mut replay, "all_types", "all_types");
}
