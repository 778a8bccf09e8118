//! Field ids: every column, and every part of a nested one, has a number that it keeps for life.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use waterline_core::format::FIELD_ID;
use waterline_core::schema::TableSchema;

pub(crate) fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(FIELD_ID)?.parse().ok()
}

/// The schema of a table that had the columns of `before`: these keep their ids, others get ids above `last`. The parts
/// of nested columns are numbered after all columns, as the Iceberg specification numbers a new schema.
pub(super) fn with_new_ids(table: &TableSchema, before: &Schema, last: &mut i32) -> SchemaRef {
    let is_new = |field: &FieldRef| before.index_of(field.name()).is_err();
    let columns: Vec<FieldRef> =
        table.fields().iter().map(|field| if is_new(field) { numbered(field, last) } else { field.clone() }).collect();
    let columns = columns.iter().map(|field| if is_new(field) { with_numbered_parts(field, last) } else { field.clone() });
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

fn numbered(field: &FieldRef, last: &mut i32) -> FieldRef {
    *last += 1;
    let mut metadata = field.metadata().clone();
    metadata.insert(FIELD_ID.into(), last.to_string());
    Arc::new(field.as_ref().clone().with_metadata(metadata))
}

fn with_numbered_parts(field: &FieldRef, last: &mut i32) -> FieldRef {
    let mut part = |part: &FieldRef| with_numbered_parts(&numbered(part, last), last);
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(part(element)),
        DataType::Struct(members) => DataType::Struct(members.iter().map(part).collect()),
        _ => return field.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}
