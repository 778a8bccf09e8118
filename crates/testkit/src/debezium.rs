//! A history as files that the command line reads: events as Debezium's PostgreSQL connector writes them, without
//! schemas (`decimal.handling.mode=string`, `time.precision.mode=adaptive_time_microseconds`), the DDL that gives the
//! types, and a baseline as PostgreSQL's CSV with `\N` for null.

#[cfg(test)]
mod tests;
mod text;

use waterline_core::change::Op;
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;

use crate::cell::{Key, Row};
use crate::oracle::{Event, Mark, State};
use text::{csv, json, json_unavailable, sql_type};

/// One line per event.
pub fn lines(table: &TableName, schema: &TableSchema, events: &[Event]) -> Vec<String> {
    events.iter().map(|event| line(table, schema, event)).collect()
}

fn line(table: &TableName, schema: &TableSchema, event: &Event) -> String {
    let (before, after) = match event.op {
        Op::Truncate => (None, None),
        // Replica identity DEFAULT: of the row before, only the key is known.
        Op::Delete => (Some(object(schema, &key_row(schema, event.key.as_ref()), event)), None),
        Op::Create | Op::Update | Op::Read => (None, Some(object(schema, &event.image, event))),
    };
    let written_us = event.event_time_us + 250_000;
    format!(
        r#"{{"before":{},"after":{},"source":{},"transaction":null,"op":"{}","ts_ms":{},"ts_us":{},"ts_ns":{}}}"#,
        before.as_deref().unwrap_or("null"),
        after.as_deref().unwrap_or("null"),
        source(table, event),
        event.op.as_str(),
        written_us / 1_000,
        written_us,
        written_us * 1_000,
    )
}

/// The half of a key change that creates has the position of the half that deletes.
fn source(table: &TableName, event: &Event) -> String {
    let order = event.sequence;
    let commit = order.commit.map_or("null".into(), |commit| format!(r#"\"{commit}\""#));
    format!(
        concat!(
            r#"{{"version":"3.6.3.Final","connector":"postgresql","name":"pg","ts_ms":{},"snapshot":"{}","db":"shop","sequence":"[{},\"{}\"]","#,
            r#""ts_us":{},"ts_ns":{},"schema":{},"table":{},"txId":{},"lsn":{},"xmin":null,"origin":null,"origin_lsn":null}}"#
        ),
        event.event_time_us / 1_000,
        snapshot(event),
        commit,
        order.position,
        event.event_time_us,
        event.event_time_us * 1_000,
        text::quoted(table.namespace()),
        text::quoted(table.name()),
        order.commit.unwrap_or(1),
        order.position,
    )
}

fn snapshot(event: &Event) -> &'static str {
    match (event.mark, event.op) {
        (Mark::First, _) => "first",
        (Mark::Middle, _) => "true",
        (Mark::Last | Mark::Only, _) => "last",
        (Mark::None, Op::Read) => "incremental",
        (Mark::None, _) => "false",
    }
}

fn key_row(schema: &TableSchema, key: Option<&Key>) -> Row {
    schema.keys().iter().cloned().zip(key.into_iter().flatten().cloned()).collect()
}

/// All columns of the table, those without a value as null.
fn object(schema: &TableSchema, row: &Row, event: &Event) -> String {
    let members = schema.fields().iter().map(|field| {
        let value = match row.get(field.name()) {
            _ if event.unset.contains(field.name()) => json_unavailable(field.data_type()),
            Some(cell) => json(field.data_type(), cell),
            None => "null".into(),
        };
        format!("{}:{value}", text::quoted(field.name()))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// `CREATE TABLE` in PostgreSQL's dialect.
pub fn ddl(table: &TableName, schema: &TableSchema) -> String {
    let identifier = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let column = |field: &arrow::datatypes::FieldRef| {
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        format!("{} {}{null}", identifier(field.name()), sql_type(field.data_type()))
    };
    let mut lines: Vec<String> = schema.fields().iter().map(column).collect();
    if !schema.keys().is_empty() {
        lines.push(format!("PRIMARY KEY ({})", schema.keys().iter().map(|key| identifier(key)).collect::<Vec<_>>().join(", ")));
    }
    format!("CREATE TABLE {}.{} (\n  {}\n);\n", identifier(table.namespace()), identifier(table.name()), lines.join(",\n  "))
}

/// A full copy of the table, with a header.
pub fn dump_csv(schema: &TableSchema, state: &State) -> String {
    let header = schema.fields().iter().map(|field| csv_quoted(field.name())).collect::<Vec<_>>().join(",");
    let line = |row: &Row| {
        let value = |field: &arrow::datatypes::FieldRef| {
            row.get(field.name()).map_or("\\N".into(), |cell| csv_quoted(&csv(field.data_type(), cell)))
        };
        schema.fields().iter().map(value).collect::<Vec<_>>().join(",")
    };
    std::iter::once(header).chain(state.contents().iter().map(line)).map(|line| line + "\n").collect()
}

/// An empty text is quoted, and so is one that looks like null.
fn csv_quoted(text: &str) -> String {
    if text.is_empty() || text == "\\N" || text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}
