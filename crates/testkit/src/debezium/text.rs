//! Values as text.

use arrow::datatypes::DataType;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDate, TimeDelta};

use crate::cell::Cell;

/// What the connector sends for a column that it was not sent.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn json(data_type: &DataType, cell: &Cell) -> String {
    match (data_type, cell) {
        (_, Cell::Bool(value)) => value.to_string(),
        (DataType::Timestamp(_, Some(_)), Cell::Int(value)) => quoted(&timestamp(*value, "%Y-%m-%dT%H:%M:%S%.6fZ")),
        (_, Cell::Int(value)) => value.to_string(),
        (_, Cell::Float(value)) if value.get().is_finite() => serde_json::Value::from(value.get()).to_string(),
        (_, Cell::Float(value)) => quoted(float(value.get())),
        (_, Cell::Decimal(value)) => quoted(&decimal(data_type, *value)),
        (_, Cell::Text(value)) => quoted(value),
        (_, Cell::Bytes(value)) => quoted(&BASE64_STANDARD.encode(value)),
        (DataType::List(element), Cell::List(values)) => {
            let values = values.iter().map(|value| value.as_ref().map_or("null".into(), |value| json(element.data_type(), value)));
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        }
        (data_type, cell) => panic!("{cell:?} is no {data_type} of PostgreSQL"),
    }
}

pub(super) fn json_unavailable(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => quoted(UNAVAILABLE),
        DataType::Binary => quoted(&BASE64_STANDARD.encode(UNAVAILABLE)),
        DataType::List(element) => format!("[{}]", json_unavailable(element.data_type())),
        other => panic!("PostgreSQL never leaves out a column of type {other}"),
    }
}

pub(super) fn csv(data_type: &DataType, cell: &Cell) -> String {
    match (data_type, cell) {
        (_, Cell::Bool(value)) => if *value { "t" } else { "f" }.into(),
        (DataType::Date32, Cell::Int(days)) => (NaiveDate::default() + TimeDelta::days(*days)).to_string(),
        (DataType::Time64(_), Cell::Int(value)) => timestamp(*value, "%H:%M:%S%.6f"),
        (DataType::Timestamp(_, None), Cell::Int(value)) => timestamp(*value, "%Y-%m-%d %H:%M:%S%.6f"),
        (DataType::Timestamp(_, Some(_)), Cell::Int(value)) => timestamp(*value, "%Y-%m-%d %H:%M:%S%.6f+00"),
        (_, Cell::Int(value)) => value.to_string(),
        (_, Cell::Float(value)) if value.get().is_finite() => value.get().to_string(),
        (_, Cell::Float(value)) => float(value.get()).into(),
        (_, Cell::Decimal(value)) => decimal(data_type, *value),
        (_, Cell::Text(value)) => value.clone(),
        (_, Cell::Bytes(value)) => value.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        (data_type, cell) => panic!("no CSV of {cell:?} as {data_type}"),
    }
}

pub(super) fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 => "text".into(),
        DataType::Binary => "bytea".into(),
        DataType::Date32 => "date".into(),
        DataType::Time64(_) => "time".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".into(),
        DataType::List(element) => format!("{}[]", sql_type(element.data_type())),
        other => panic!("PostgreSQL has no type for {other}"),
    }
}

fn timestamp(value_us: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(value_us).expect("a time that a calendar holds").format(format).to_string()
}

fn float(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

fn decimal(data_type: &DataType, unscaled: i128) -> String {
    let DataType::Decimal128(_, scale) = data_type else { panic!("{data_type} has no scale") };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = *scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - *scale as usize);
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
