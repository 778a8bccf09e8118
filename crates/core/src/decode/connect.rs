//! Kafka Connect's schema of a message, as Debezium's JSON converter writes it, and the table's columns by it.
//!
//! The logical types are those of Debezium's PostgreSQL and MySQL connectors in every mode of theirs, see
//! <https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-data-types>.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use serde::Deserialize;

use super::flattened::is_metadata;
use super::json::not_json;
use super::wire::{Unit, Wire};
use crate::error::{Error, Result};

/// A schema or one of its fields.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ConnectSchema {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) field: Option<String>,
    #[serde(default)]
    pub(super) fields: Vec<ConnectSchema>,
    pub(super) items: Option<Box<ConnectSchema>>,
}

/// The columns of a table as a message's schema has them.
#[derive(Debug, PartialEq)]
pub(crate) struct MessageSchema {
    pub(crate) columns: Vec<(String, Wire)>,
}

impl MessageSchema {
    pub(super) fn read(json: &str) -> Result<Self> {
        let schema: ConnectSchema = serde_json::from_str(json).map_err(|e| match e.classify() {
            serde_json::error::Category::Data => {
                Error::bad_input("the message's schema is not one of Kafka Connect").with("field", "schema")
            }
            _ => not_json(&e).with("field", "schema"),
        })?;
        Self::of(&schema)
    }

    /// Of an envelope's row, or of the whole of a flattened record.
    pub(super) fn of(schema: &ConnectSchema) -> Result<Self> {
        let row = schema.fields.iter().find(|field| matches!(field.field.as_deref(), Some("after" | "before")));
        let is_envelope = row.is_some() && schema.fields.iter().any(|field| field.field.as_deref() == Some("source"));
        let row = row.filter(|_| is_envelope).unwrap_or(schema);
        if row.kind != "struct" {
            return Err(Error::bad_input("the message's schema has no row").with("field", "schema").with("type", &row.kind));
        }
        let source = schema.fields.iter().find(|field| field.field.as_deref() == Some("source"));
        let connector = source.filter(|_| is_envelope).and_then(|source| source.name.as_deref()).unwrap_or_default();
        let times = if connector.contains(".mysql.") || connector.contains(".mariadb.") { Times::Elapsed } else { Times::OfDay };
        let mut columns = Vec::with_capacity(row.fields.len());
        for column in &row.fields {
            let name = column.field.clone().unwrap_or_default();
            if is_envelope || !is_metadata(&name) {
                columns.push((name, wire(column, times)));
            }
        }
        Ok(Self { columns })
    }

    pub(crate) fn fields(&self) -> Vec<FieldRef> {
        self.columns.iter().map(|(name, wire)| Arc::new(Field::new(name, wire.data_type(), true))).collect()
    }
}

/// What a source's type of time is.
#[derive(Clone, Copy)]
enum Times {
    OfDay,
    /// MySQL's: -838:59:59 to 838:59:59.
    Elapsed,
}

impl Times {
    fn wire(self, unit: Unit) -> Wire {
        match self {
            Self::OfDay => Wire::Time(unit),
            Self::Elapsed => Wire::Elapsed(unit),
        }
    }
}

fn wire(schema: &ConnectSchema, times: Times) -> Wire {
    let logical = schema.name.as_deref().and_then(|name| logical_wire(name, schema, times));
    logical.unwrap_or_else(|| plain_wire(schema, times))
}

fn logical_wire(name: &str, schema: &ConnectSchema, times: Times) -> Option<Wire> {
    Some(match name {
        "org.apache.kafka.connect.data.Decimal" => decimal(schema),
        "io.debezium.data.VariableScaleDecimal" => Wire::VariableScaleDecimal,
        "io.debezium.data.Bits" => Wire::Bits,
        "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Wire::Date,
        "io.debezium.time.IsoDate" => Wire::DateText,
        "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => times.wire(Unit::Millis),
        "io.debezium.time.MicroTime" => times.wire(Unit::Micros),
        "io.debezium.time.NanoTime" => times.wire(Unit::Nanos),
        "io.debezium.time.IsoTime" => Wire::TimeText,
        "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => Wire::Timestamp(Unit::Millis),
        "io.debezium.time.MicroTimestamp" => Wire::Timestamp(Unit::Micros),
        "io.debezium.time.NanoTimestamp" => Wire::Timestamp(Unit::Nanos),
        "io.debezium.time.IsoTimestamp" => Wire::TimestampText,
        "io.debezium.time.ZonedTimestamp" => Wire::ZonedTimestamp,
        "io.debezium.time.MicroDuration" => Wire::Duration(Unit::Micros),
        "io.debezium.time.NanoDuration" => Wire::Duration(Unit::Nanos),
        _ => return None,
    })
}

fn plain_wire(schema: &ConnectSchema, times: Times) -> Wire {
    match schema.kind.as_str() {
        "boolean" => Wire::Boolean,
        "int8" | "int16" | "int32" => Wire::Int32,
        "int64" => Wire::Int64,
        "float" | "float32" => Wire::Float32,
        "double" | "float64" => Wire::Float64,
        "bytes" => Wire::Bytes,
        "string" => Wire::Text,
        "array" => Wire::List(Box::new(schema.items.as_deref().map_or(Wire::Json, |items| wire(items, times)))),
        _ => Wire::Json,
    }
}

fn decimal(schema: &ConnectSchema) -> Wire {
    let scale = schema.parameters.get("scale").and_then(|scale| scale.parse().ok()).unwrap_or(0);
    let precision = schema.parameters.get("connect.decimal.precision").and_then(|precision| precision.parse().ok());
    Wire::Decimal { precision, scale }
}
