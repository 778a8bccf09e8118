//! Decodes lines into change events and folds them naively, so that tests compare rows in PostgreSQL's own notation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};

use crate::change::{ChangeBatch, Op};
use crate::decode::{Change, DecodeSettings, Decoder, Message, SchemaChange};
use crate::error::{Error, Result};
use crate::normalise::{ChangeBuilder, Pushed, RecordAt, RunState};
use crate::schema::TableSchema;
use crate::text::{Zone, format_date, format_decimal, format_time, format_timestamp};

/// Column names and values; null is `None`.
pub(super) type Row = BTreeMap<String, Option<String>>;

/// Change events of one table as they came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) op: Op,
    pub(super) event_time_us: i64,
    pub(super) sequence: String,
    pub(super) domain: String,
    pub(super) unset: Vec<String>,
    pub(super) old_key: Option<Row>,
    pub(super) row: Row,
}

pub(super) struct Table {
    pub(super) schema: TableSchema,
    pub(super) events: Vec<Event>,
    pub(super) failures: Vec<Error>,
    builder: ChangeBuilder,
    run: RunState,
}

/// Everything that a file of one source said.
pub(super) struct Replay {
    settings: DecodeSettings,
    decoder: Decoder,
    declared: BTreeMap<String, TableSchema>,
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) heartbeats: usize,
    /// Times of the ends of transactions.
    pub(super) ends_us: Vec<i64>,
    pub(super) schema_changes: Vec<SchemaChange>,
    records: u64,
}

pub(super) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(path)
}

pub(super) fn read_fixture(path: &str) -> String {
    let bytes = std::fs::read(fixture(path)).unwrap();
    let mut text = String::new();
    if path.ends_with(".gz") {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

impl Replay {
    pub(super) fn new(settings: DecodeSettings) -> Self {
        let decoder = Decoder::new(settings.clone()).unwrap();
        Self {
            settings,
            decoder,
            declared: BTreeMap::new(),
            tables: BTreeMap::new(),
            heartbeats: 0,
            ends_us: Vec::new(),
            schema_changes: Vec::new(),
            records: 0,
        }
    }

    pub(super) fn declare(mut self, table: &str, schema: TableSchema) -> Self {
        self.declared.insert(table.to_owned(), schema);
        self
    }

    pub(super) fn lines(mut self, text: &str) -> Self {
        for line in text.lines() {
            self.line(line).unwrap();
        }
        self
    }

    /// Fails when the line does not decode; a change that does not go into its table is among the table's failures.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        self.records += 1;
        match self.decoder.decode(line.as_bytes())? {
            Message::Change(change) => self.change(&change),
            Message::Heartbeat { .. } => self.heartbeats += 1,
            Message::TransactionEnd { time_us, .. } => self.ends_us.push(time_us),
            Message::Schema(change) => self.schema_changes.push(change),
            Message::Ignored => {}
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) {
        let name = change.table().map_or("t".to_owned(), ToString::to_string);
        let settings = self.settings.clone();
        let table = self.tables.entry(name.clone()).or_insert_with(|| {
            let schema =
                self.declared.get(&name).cloned().or_else(|| change.schema().unwrap()).unwrap_or_else(|| change.inferred_schema().unwrap());
            Table {
                builder: ChangeBuilder::new(&schema, &settings).unwrap(),
                schema,
                events: Vec::new(),
                failures: Vec::new(),
                run: RunState::default(),
            }
        });
        // As the engine does it: a run's state goes through the source position of a commit.
        table.run = serde_json::from_str(&serde_json::to_string(&table.run).unwrap()).unwrap();
        for _ in 0..10 {
            match table.builder.push(change, RecordAt { file: "f", record: self.records }, &mut table.run) {
                Ok(Pushed::Added) => return,
                Ok(Pushed::Grow(schema)) => {
                    table.drain();
                    table.builder = ChangeBuilder::new(&schema, &settings).unwrap();
                    table.schema = schema;
                }
                Err(error) => return table.failures.push(error),
            }
        }
        panic!("the table grows without end");
    }

    pub(super) fn table(&mut self, name: &str) -> &Table {
        let table = self.tables.get_mut(name).unwrap_or_else(|| panic!("no events of {name}"));
        table.drain();
        table
    }
}

impl Table {
    fn drain(&mut self) {
        let batch = self.builder.finish().unwrap();
        self.events.extend(events(&batch));
    }

    /// The rows after all events, by key.
    pub(super) fn rows(&self) -> Vec<Row> {
        let key = |row: &Row| -> Vec<Option<String>> { self.schema.keys().iter().map(|name| row.get(name).cloned().flatten()).collect() };
        let mut rows: BTreeMap<Vec<Option<String>>, Row> = BTreeMap::new();
        let mut keyless = Vec::new();
        // The first half of a change of key leaves its row to the second.
        let linked: BTreeSet<&str> =
            self.events.iter().filter(|event| event.old_key.is_some()).map(|event| parts(&event.sequence)).collect();
        for event in &self.events {
            let before = rows.get(&key(event.old_key.as_ref().unwrap_or(&event.row))).cloned();
            match event.op {
                Op::Truncate => {
                    rows.clear();
                    keyless.clear();
                }
                Op::Delete if linked.contains(parts(&event.sequence)) => {}
                Op::Delete => {
                    rows.remove(&key(&event.row));
                }
                Op::Create | Op::Update | Op::Read => {
                    let mut row = event.row.clone();
                    for name in &event.unset {
                        row.insert(name.clone(), before.as_ref().and_then(|before| before.get(name).cloned()).flatten());
                    }
                    if let Some(old_key) = &event.old_key {
                        rows.remove(&key(old_key));
                    }
                    if self.schema.keys().is_empty() { keyless.push(row) } else { drop(rows.insert(key(&row), row)) }
                }
            }
        }
        let mut rows: Vec<Row> = if self.schema.keys().is_empty() { keyless } else { rows.into_values().collect() };
        rows.sort();
        rows
    }
}

/// A sequence without its ordinal.
fn parts(sequence: &str) -> &str {
    sequence.rsplit_once('.').map_or(sequence, |(parts, _)| parts)
}

pub(super) fn events(batch: &ChangeBatch) -> Vec<Event> {
    let source = batch.source_columns().unwrap();
    (0..batch.len())
        .map(|at| Event {
            op: batch.op(at).unwrap(),
            event_time_us: batch.event_times().value(at),
            sequence: batch.sequences().value(at).to_owned(),
            domain: batch.domains().value(at).to_owned(),
            unset: batch.unset(at),
            old_key: batch.old_keys().filter(|keys| keys.is_valid(at)).map(|keys| {
                keys.fields().iter().zip(keys.columns()).map(|(field, column)| (field.name().clone(), text(column.as_ref(), at))).collect()
            }),
            row: source
                .schema()
                .fields()
                .iter()
                .zip(source.columns())
                .map(|(field, column)| (field.name().clone(), text(column.as_ref(), at)))
                .collect(),
        })
        .collect()
}

/// A cell as PostgreSQL prints it.
pub(super) fn text(column: &dyn Array, at: usize) -> Option<String> {
    if column.is_null(at) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => if column.as_boolean().value(at) { "t" } else { "f" }.to_owned(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(at).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(at).to_string(),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(at).to_string()),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(at).to_string()),
        DataType::Decimal128(_, scale) => format_decimal(column.as_primitive::<Decimal128Type>().value(at), *scale).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(at).to_owned(),
        DataType::Binary => column.as_binary::<i32>().value(at).iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")),
        DataType::Date32 => format_date(column.as_primitive::<Date32Type>().value(at)).to_string(),
        DataType::Time64(_) => format_time(column.as_primitive::<Time64MicrosecondType>().value(at)).to_string(),
        DataType::Timestamp(_, zone) => {
            let zone_name = if zone.is_some() { Zone::Utc } else { Zone::Local };
            let printed = format_timestamp(column.as_primitive::<TimestampMicrosecondType>().value(at), zone_name).to_string();
            printed.replace('T', " ").replace('Z', "+00")
        }
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(at);
            let elements: Vec<String> = (0..values.len()).map(|at| text(values.as_ref(), at).unwrap_or("NULL".into())).collect();
            format!("{{{}}}", elements.join(","))
        }
        other => panic!("no notation for {other}"),
    })
}

fn float(text: String) -> String {
    text.replace("inf", "Infinity")
}
