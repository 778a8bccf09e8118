//! Schema evolution (Iceberg spec, "Schema Evolution"): new optional columns with new ids, promoted types, and required
//! columns made optional. Everything that is there keeps its id.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema as ArrowSchema};
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, TableMetadata, Type};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::schema::incompatible;

use crate::metadata::{self, Metadata};
use crate::schema::{self, FieldIds};

/// The current schema grown so that it also holds `incoming`; `None` when it does already.
pub(crate) fn grown(table: &TableMetadata, incoming: &ArrowSchema) -> Result<Option<Schema>> {
    let current = table.current_schema();
    let keys: Vec<i32> = current.identifier_field_ids().collect();
    let mut growth = Growth { ids: FieldIds::after(table.last_column_id()), keys: &keys };
    let fields = growth.fields(current.as_struct(), incoming.fields())?;
    if fields == current.as_struct().fields() {
        return Ok(None);
    }
    let builder = Schema::builder().with_fields(fields).with_identifier_field_ids(keys);
    builder.build().map(Some).map_err(|e| Error::new(ErrorKind::SchemaChange, "the table cannot take the columns").caused_by(e))
}

/// The table with another current schema.
pub(crate) fn with_schema(base: &Metadata, schema: Schema, now_ms: i64) -> Result<TableMetadata> {
    base.ensure_writable()?;
    let refuse = |e| Error::new(ErrorKind::SchemaChange, "the table cannot take the columns").caused_by(e);
    metadata::changed(base, now_ms, |builder| builder.add_current_schema(schema).map_err(refuse))
}

struct Growth<'a> {
    ids: FieldIds,
    keys: &'a [i32],
}

impl Growth<'_> {
    /// Fields matched by name; those that `incoming` lacks stay as they are.
    fn fields(&mut self, current: &StructType, incoming: &arrow::datatypes::Fields) -> Result<Vec<NestedFieldRef>> {
        let mut fields = Vec::with_capacity(incoming.len());
        for field in current.fields() {
            let wanted = incoming.iter().find(|wanted| *wanted.name() == field.name);
            fields.push(wanted.map_or_else(|| Ok(field.clone()), |wanted| self.field(field, wanted))?);
        }
        for wanted in incoming.iter().filter(|wanted| current.field_by_name(wanted.name()).is_none()) {
            let mut new = schema::new_field(wanted, &mut self.ids)?;
            new.required = false;
            fields.push(Arc::new(new));
        }
        Ok(fields)
    }

    fn field(&mut self, current: &NestedFieldRef, wanted: &FieldRef) -> Result<NestedFieldRef> {
        let field_type = self.field_type(&current.name, &current.field_type, wanted.data_type())?;
        let required = current.required && (self.keys.contains(&current.id) || !wanted.is_nullable());
        Ok(Arc::new(NestedField { field_type: Box::new(field_type), required, ..current.as_ref().clone() }))
    }

    fn field_type(&mut self, column: &str, current: &Type, wanted: &DataType) -> Result<Type> {
        Ok(match (current, wanted) {
            (Type::Struct(current), DataType::Struct(wanted)) => Type::Struct(StructType::new(self.fields(current, wanted)?)),
            (Type::List(list), DataType::List(wanted) | DataType::LargeList(wanted)) => {
                Type::List(ListType::new(self.field(&list.element_field, wanted)?))
            }
            (Type::Map(map), DataType::Map(entries, _)) => Type::Map(self.map(column, map, entries)?),
            (Type::Primitive(kind), wanted) => match schema::to_primitive(wanted).ok().and_then(|wanted| promoted(kind, &wanted)) {
                Some(kind) => Type::Primitive(kind),
                None => return Err(mismatch(column, current, wanted)),
            },
            _ => return Err(mismatch(column, current, wanted)),
        })
    }

    /// Keys of maps never change.
    fn map(&mut self, column: &str, current: &MapType, entries: &FieldRef) -> Result<MapType> {
        let changed = || mismatch(column, &Type::Map(current.clone()), entries.data_type());
        let DataType::Struct(pair) = entries.data_type() else { return Err(changed()) };
        let [key, value] = pair.as_ref() else { return Err(changed()) };
        if self.field_type(column, &current.key_field.field_type, key.data_type())? != *current.key_field.field_type {
            return Err(changed());
        }
        Ok(MapType::new(current.key_field.clone(), self.field(&current.value_field, value)?))
    }
}

/// The type that holds both, when the table's can be promoted to it.
fn promoted(current: &PrimitiveType, wanted: &PrimitiveType) -> Option<PrimitiveType> {
    use PrimitiveType::{Decimal, Double, Fixed, Float, Int, Long, Uuid};
    Some(match (current, wanted) {
        (current, wanted) if current == wanted => current.clone(),
        (Int, Long) | (Long, Int) => Long,
        (Float, Double) | (Double, Float) => Double,
        (Decimal { precision: a, scale }, Decimal { precision: b, scale: other }) if scale == other => {
            Decimal { precision: *a.max(b), scale: *scale }
        }
        (Uuid, Fixed(16)) => Uuid,
        _ => return None,
    })
}

fn mismatch(column: &str, current: &Type, wanted: &DataType) -> Error {
    let table = schema::arrow_type(current).unwrap_or(DataType::Null);
    incompatible(column, &table, wanted)
}

#[cfg(test)]
mod tests;
