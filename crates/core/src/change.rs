//! Change events as columns. One layout serves the decoder's output, the changelog on disk and the input of a fold:
//! the system columns below, then the source's columns.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimestampMicrosecondType};

use crate::error::{Error, Result};
use crate::schema::{TableSchema, list_of, timestamp_utc};

/// `c`, `u`, `d`, `t` or `r`.
pub const OP: &str = "_op";
/// When the source committed the transaction.
pub const EVENT_TIME: &str = "_event_time";
/// See [`crate::sequence`].
pub const SEQUENCE: &str = "_sequence";
pub const DOMAIN: &str = "_domain";
/// Ordinal of the log commit that holds the event.
pub const BATCH: &str = "_batch";
/// Commit time of that log commit; the same for all events of a batch.
pub const INGESTED_AT: &str = "_ingested_at";
/// Names of the columns that the source did not send, null when it sent all.
pub const UNSET: &str = "_unset";
/// On the create half of a key change: the key columns of the row before. Null otherwise, and absent when a table has no key.
pub const OLD_KEY: &str = "_old_key";

/// What an event does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Create,
    Update,
    Delete,
    Truncate,
    /// A row that a snapshot of the source read.
    Read,
}

impl Op {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
            Self::Read => "r",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "c" => Self::Create,
            "u" => Self::Update,
            "d" => Self::Delete,
            "t" => Self::Truncate,
            "r" => Self::Read,
            _ => return None,
        })
    }
}

/// Schema of a changelog. The source's columns are nullable, since a delete carries its key only.
pub fn changelog_schema(table: &TableSchema) -> SchemaRef {
    let mut fields: Vec<Field> = vec![
        Field::new(OP, DataType::Utf8, false),
        Field::new(EVENT_TIME, timestamp_utc(), false),
        Field::new(SEQUENCE, DataType::Utf8, false),
        Field::new(DOMAIN, DataType::Utf8, false),
        Field::new(BATCH, DataType::Int64, false),
        Field::new(INGESTED_AT, timestamp_utc(), false),
        Field::new(UNSET, list_of(DataType::Utf8), true),
    ];
    if !table.keys().is_empty() {
        fields.push(Field::new(OLD_KEY, DataType::Struct(key_fields(table)), true));
    }
    fields.extend(table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)));
    Arc::new(Schema::new(fields))
}

/// The key columns as nullable fields, in key order.
pub fn key_fields(table: &TableSchema) -> Fields {
    table.key_indices().into_iter().map(|at| table.fields()[at].as_ref().clone().with_nullable(true)).collect()
}

/// The key columns of the table whose changelog this is; `None` for other schemas, and where the table has no key.
pub fn logged_keys(changelog: &Schema) -> Option<&Fields> {
    match changelog.field_with_name(OLD_KEY).ok()?.data_type() {
        DataType::Struct(keys) if changelog.field_with_name(OP).is_ok() => Some(keys),
        _ => None,
    }
}

/// Change events of one table in the layout of [`changelog_schema`].
#[derive(Clone, Debug)]
pub struct ChangeBatch {
    batch: RecordBatch,
    system: SystemColumns,
    /// Index of the first of the source's columns.
    source_start: usize,
}

/// Where the columns are that every event needs. They are looked at row by row, too often for their names.
#[derive(Clone, Copy, Debug)]
struct SystemColumns {
    ops: usize,
    event_times: usize,
    sequences: usize,
    domains: usize,
    /// Only where whole events are read.
    unset: Option<usize>,
    old_keys: Option<usize>,
}

impl SystemColumns {
    fn of(schema: &Schema) -> Result<Self> {
        let find = |name: &str, data_type: DataType| {
            let found = schema.column_with_name(name);
            let (at, field) = found.ok_or_else(|| Error::corrupt("a changelog lacks a system column").with("column", name))?;
            if field.data_type() != &data_type {
                return Err(Error::corrupt("a changelog's system column has another type")
                    .with("column", name)
                    .with("type", field.data_type()));
            }
            Ok(at)
        };
        Ok(Self {
            ops: find(OP, DataType::Utf8)?,
            event_times: find(EVENT_TIME, timestamp_utc())?,
            sequences: find(SEQUENCE, DataType::Utf8)?,
            domains: find(DOMAIN, DataType::Utf8)?,
            unset: schema.index_of(UNSET).ok(),
            old_keys: schema.index_of(OLD_KEY).ok(),
        })
    }
}

impl ChangeBatch {
    /// Checks that the system columns are there and of their types.
    pub fn try_new(batch: RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        let system = SystemColumns::of(&schema)?;
        let source_start = schema.fields().iter().position(|f| !is_system(f.name())).unwrap_or(schema.fields().len());
        Ok(Self { batch, system, source_start })
    }

    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    pub fn into_batch(self) -> RecordBatch {
        self.batch
    }

    /// The source's columns only.
    pub fn source_columns(&self) -> Result<RecordBatch> {
        let indices: Vec<usize> = (self.source_start..self.batch.num_columns()).collect();
        Ok(self.batch.project(&indices)?)
    }

    pub fn op(&self, row: usize) -> Result<Op> {
        let text = self.ops().value(row);
        Op::parse(text).ok_or_else(|| Error::corrupt("a changelog holds an unknown op").with("row", row))
    }

    pub fn ops(&self) -> &StringArray {
        self.batch.column(self.system.ops).as_string()
    }

    pub fn sequences(&self) -> &StringArray {
        self.batch.column(self.system.sequences).as_string()
    }

    pub fn domains(&self) -> &StringArray {
        self.batch.column(self.system.domains).as_string()
    }

    /// Microseconds since the epoch.
    pub fn event_times(&self) -> &TimestampMicrosecondArray {
        self.batch.column(self.system.event_times).as_primitive::<TimestampMicrosecondType>()
    }

    /// Ordinals of the log batches that hold the events.
    pub fn batches(&self) -> Result<&Int64Array> {
        let batches = self.batch.column_by_name(BATCH).and_then(|c| c.as_primitive_opt());
        batches.ok_or_else(|| Error::corrupt("a changelog lacks a system column").with("column", BATCH))
    }

    /// Names of the unset columns of a row; empty when the source sent all.
    pub fn unset(&self, row: usize) -> Vec<String> {
        let Some(lists) = self.system.unset.and_then(|at| self.batch.column(at).as_list_opt::<i32>()) else { return Vec::new() };
        if lists.is_null(row) {
            return Vec::new();
        }
        let names = lists.value(row);
        names.as_string_opt::<i32>().map(|names| names.iter().flatten().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Whether the event is a key change that takes columns from the row of the old key (DESIGN.md rule 6).
    pub fn continues_row(&self, row: usize) -> bool {
        self.old_keys().is_some_and(|old| old.is_valid(row)) && !self.unset(row).is_empty()
    }

    pub fn old_keys(&self) -> Option<&StructArray> {
        self.system.old_keys.and_then(|at| self.batch.column(at).as_struct_opt())
    }
}

pub fn is_system(column: &str) -> bool {
    [OP, EVENT_TIME, SEQUENCE, DOMAIN, BATCH, INGESTED_AT, UNSET, OLD_KEY].contains(&column)
}
