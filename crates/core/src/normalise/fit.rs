//! Whether a table's column can hold what a message's schema announces.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use super::declared::{Declared, SourceKind};
use super::image::Names;
use crate::decode::MessageSchema;
use crate::decode::wire::Wire;
use crate::error::Result;
use crate::schema::{TableSchema, incompatible, widen};

/// The schema that the table must grow to before it can take rows of the message's schema; `None` when it is as it should be.
pub(super) fn grown(table: &TableSchema, names: &Names, message: &MessageSchema) -> Result<Option<TableSchema>> {
    let mut incoming = Vec::new();
    for (name, wire) in &message.columns {
        let (name, data_type) = match names.position(name).and_then(|at| table.fields().get(at)) {
            None => (name, wire.data_type()),
            Some(field) => match fit(field, wire) {
                Fit::Reads => continue,
                Fit::Widens(data_type) => (field.name(), data_type),
                Fit::Differs => return Err(incompatible(name, field.data_type(), &wire.data_type()).with("field", name)),
            },
        };
        incoming.push(Arc::new(Field::new(name, data_type, true)));
    }
    if incoming.is_empty() {
        return Ok(None);
    }
    table.evolve(&TableSchema::new(incoming, Vec::new())?)
}

#[derive(Debug, PartialEq)]
enum Fit {
    /// Each value goes in exactly, or fails by itself.
    Reads,
    Widens(DataType),
    Differs,
}

fn fit(field: &Field, wire: &Wire) -> Fit {
    let (table, source) = (field.data_type(), wire.data_type());
    if reads(field, wire) {
        return Fit::Reads;
    }
    match widen(table, &source) {
        Some(wide) if wide == *table => Fit::Reads,
        Some(wide) => Fit::Widens(wide),
        None => Fit::Differs,
    }
}

/// Pairs of types that differ, but of which the one is only another way to write the other.
fn reads(field: &Field, wire: &Wire) -> bool {
    let is_numeric_text = field.data_type() == &DataType::Utf8
        && Declared::of(field).kind != SourceKind::Text
        && Declared::of(field).kind != SourceKind::Unknown;
    match (field.data_type(), wire) {
        (DataType::Decimal128(_, table_scale), Wire::Decimal { precision: None, scale }) => table_scale == scale,
        (DataType::Decimal128(..), Wire::Text | Wire::Float64 | Wire::Int32 | Wire::Int64 | Wire::VariableScaleDecimal) => true,
        (DataType::Binary, Wire::Text) => true,
        (DataType::Boolean, Wire::Int32) | (DataType::Int32 | DataType::Int64, Wire::Boolean) => true,
        (DataType::Time64(_), Wire::Elapsed(_)) => true,
        (DataType::Utf8, Wire::Decimal { .. } | Wire::Float64 | Wire::Int64 | Wire::Duration(_) | Wire::Bytes) => is_numeric_text,
        (DataType::Struct(_), Wire::Json) => true,
        (DataType::List(element), Wire::List(wire)) => {
            let described = element.as_ref().clone().with_metadata(field.metadata().clone());
            reads(&described, wire)
        }
        _ => false,
    }
}
