//! Small made events.

use super::replay::{Event, Replay, Table};
use crate::ddl::{SqlDialect, parse_ddl};
use crate::decode::{ChangeFormat, DecodeSettings};
use crate::schema::TableSchema;

/// The only table of a script of PostgreSQL's DDL.
pub(super) fn schema(columns: &str) -> TableSchema {
    let ddl = parse_ddl(&format!("CREATE TABLE s.t ({columns});"), SqlDialect::Postgres).unwrap();
    ddl.tables().next().unwrap().1.clone()
}

/// An envelope of PostgreSQL without a schema.
pub(super) fn event(op: &str, before: &str, after: &str, commit: u64, lsn: u64) -> String {
    format!(
        r#"{{"before":{before},"after":{after},"source":{{"connector":"postgresql","name":"pg","ts_ms":{ms},"ts_us":{ms}123,"snapshot":"false","sequence":"[\"{commit}\",\"{lsn}\"]","schema":"s","table":"t","lsn":{lsn}}},"op":"{op}","ts_ms":{ms}}}"#,
        ms = 1_700_000_000_000 + lsn,
    )
}

pub(super) fn create(after: &str, lsn: u64) -> String {
    event("c", "null", after, lsn, lsn)
}

pub(super) fn update(after: &str, lsn: u64) -> String {
    event("u", "null", after, lsn, lsn)
}

pub(super) fn delete(before: &str, lsn: u64) -> String {
    event("d", before, "null", lsn, lsn)
}

pub(super) fn debezium() -> DecodeSettings {
    DecodeSettings::new(ChangeFormat::DebeziumJson)
}

pub(super) fn plain(sequence_by: &[&str]) -> DecodeSettings {
    let mut settings = DecodeSettings::new("plain-json".parse().unwrap());
    settings.sequence_by = sequence_by.iter().map(|&name| name.to_owned()).collect();
    settings
}

/// A replay of one table, which records name `s.t` or not at all.
pub(super) fn table_replay(schema: &TableSchema, settings: DecodeSettings) -> Replay {
    Replay::new(settings).declare("s.t", schema.clone()).declare("t", schema.clone())
}

/// Reads the lines, which must all fit, and gives the events.
pub(super) fn events_of(schema: &TableSchema, settings: DecodeSettings, lines: &[String]) -> Vec<Event> {
    let mut replay = table_replay(schema, settings).lines(&lines.join("\n"));
    let table = only(&mut replay);
    assert!(table.failures.is_empty(), "{:?}", table.failures);
    table.events.clone()
}

pub(super) fn only(replay: &mut Replay) -> &Table {
    let name = replay.tables.keys().next().unwrap().clone();
    replay.table(&name)
}

/// One value of a column of a PostgreSQL type, as PostgreSQL prints it.
pub(super) fn value(data_type: &str, json: &str, settings: DecodeSettings) -> Option<String> {
    let schema = schema(&format!("id integer PRIMARY KEY, v {data_type}"));
    let events = events_of(&schema, settings, &[create(&format!(r#"{{"id":1,"v":{json}}}"#), 1)]);
    events[0].row["v"].clone()
}
