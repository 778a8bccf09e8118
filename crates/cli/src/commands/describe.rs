//! `describe`: the columns, key and properties of a table.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};
use waterline_core::error::Result;
use waterline_core::format::TableState;

use crate::args::{OutputFormat, TableArgs};
use crate::context::Context;
use crate::failure::Failure;

pub(crate) async fn run(context: &mut Context<'_>, args: &TableArgs) -> Result<(), Failure> {
    let state = context.head(&args.table).await?;
    match context.printer.format() {
        OutputFormat::Json => return context.printer.document(&document(&args.table, &state)),
        OutputFormat::Table => context.printer.text(&heading(&args.table, &state))?,
        OutputFormat::Csv => {}
    }
    context.printer.batch(&columns(&state)?)
}

fn document(table: &str, state: &TableState) -> Value {
    let columns: Vec<Value> = state.schema.fields().iter().map(|field| column_document(state, field)).collect();
    json!({
        "table": table,
        "location": state.location,
        "snapshot_id": state.version.map(|version| version.0),
        "keys": state.keys,
        "partition_by": state.partition_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "properties": state.properties,
        "columns": columns,
    })
}

fn column_document(state: &TableState, field: &Field) -> Value {
    json!({ "name": field.name(), "type": type_name(field.data_type()), "nullable": field.is_nullable(), "key": state.keys.contains(field.name()) })
}

fn heading(table: &str, state: &TableState) -> String {
    let mut out = String::new();
    let or_none = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let snapshot = state.version.map_or_else(|| "none".to_owned(), |version| version.0.to_string());
    let partitions = or_none(state.partition_by.iter().map(ToString::to_string).collect());
    for (label, value) in [
        ("table", table),
        ("location", &state.location),
        ("key", &or_none(state.keys.clone())),
        ("partitions", &partitions),
        ("snapshot", &snapshot),
    ] {
        let _ = writeln!(out, "{label:<12}{value}");
    }
    for (key, value) in &state.properties {
        // What Waterline keeps for itself is long, and `status` says it in words.
        if !key.starts_with("waterline.") {
            let _ = writeln!(out, "{:<12}{key} = {value}", "property");
        }
    }
    out.push('\n');
    out
}

fn columns(state: &TableState) -> Result<RecordBatch> {
    let fields = state.schema.fields();
    Ok(RecordBatch::try_from_iter([
        ("column", Arc::new(fields.iter().map(|field| Some(field.name())).collect::<StringArray>()) as ArrayRef),
        ("type", Arc::new(fields.iter().map(|field| Some(type_name(field.data_type()))).collect::<StringArray>())),
        ("nullable", Arc::new(fields.iter().map(|field| Some(field.is_nullable())).collect::<BooleanArray>())),
        ("key", Arc::new(fields.iter().map(|field| Some(state.keys.contains(field.name()))).collect::<BooleanArray>())),
    ])?)
}

/// The type in PostgreSQL's words, which `columns` of waterline.toml takes as well.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea".into(),
        DataType::Date32 => "date".into(),
        DataType::Time64(_) => "time".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".into(),
        DataType::List(item) => format!("{}[]", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect();
            format!("struct({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
