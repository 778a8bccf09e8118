//! Iceberg schemas as Arrow schemas and back (Iceberg spec, "Schemas and Data Types" and Appendix A). Every Arrow field
//! carries its id, nested ones too.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef, TimeUnit};
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Type};
use waterline_core::error::{Error, Result};
use waterline_core::format::FIELD_ID;
use waterline_core::schema::{timestamp_local, timestamp_utc};

const UUID_BYTES: i32 = 16;

pub(crate) fn to_arrow(schema: &Schema) -> Result<ArrowSchemaRef> {
    Ok(Arc::new(ArrowSchema::new(arrow_fields(schema.as_struct())?)))
}

fn arrow_fields(fields: &StructType) -> Result<Fields> {
    fields.fields().iter().map(|field| arrow_field(field).map(Arc::new)).collect()
}

fn arrow_field(field: &NestedField) -> Result<Field> {
    if field.initial_default.is_some() {
        return Err(Error::unsupported("the table uses a feature of Iceberg that is not supported")
            .with("feature", "default values")
            .with("column", &field.name));
    }
    let data_type = arrow_type(&field.field_type).map_err(|e| e.with("column", &field.name))?;
    Ok(Field::new(&field.name, data_type, !field.required).with_metadata(HashMap::from([(FIELD_ID.into(), field.id.to_string())])))
}

/// The Arrow type of a column.
pub(crate) fn arrow_type(field_type: &Type) -> Result<DataType> {
    Ok(match field_type {
        Type::Primitive(primitive) => return arrow_primitive(primitive),
        Type::Struct(fields) => DataType::Struct(arrow_fields(fields)?),
        Type::List(list) => DataType::List(Arc::new(arrow_field(&list.element_field)?)),
        Type::Map(map) => {
            let entries = Fields::from(vec![arrow_field(&map.key_field)?, arrow_field(&map.value_field)?]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
        }
    })
}

fn arrow_primitive(primitive: &PrimitiveType) -> Result<DataType> {
    Ok(match primitive {
        PrimitiveType::Boolean => DataType::Boolean,
        PrimitiveType::Int => DataType::Int32,
        PrimitiveType::Long => DataType::Int64,
        PrimitiveType::Float => DataType::Float32,
        PrimitiveType::Double => DataType::Float64,
        PrimitiveType::Decimal { precision, scale } => decimal(*precision, *scale)?,
        PrimitiveType::Date => DataType::Date32,
        PrimitiveType::Time => DataType::Time64(TimeUnit::Microsecond),
        PrimitiveType::Timestamp => timestamp_local(),
        PrimitiveType::Timestamptz => timestamp_utc(),
        PrimitiveType::TimestampNs => DataType::Timestamp(TimeUnit::Nanosecond, None),
        PrimitiveType::TimestamptzNs => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        PrimitiveType::String => DataType::Utf8,
        PrimitiveType::Uuid => DataType::FixedSizeBinary(UUID_BYTES),
        PrimitiveType::Fixed(length) => DataType::FixedSizeBinary(
            i32::try_from(*length).map_err(|_| Error::unsupported("a fixed type is too long").with("bytes", length))?,
        ),
        PrimitiveType::Binary => DataType::Binary,
    })
}

fn decimal(precision: u32, scale: u32) -> Result<DataType> {
    let invalid = || Error::corrupt("not a decimal type").with("type", format!("decimal({precision}, {scale})"));
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) => Ok(DataType::Decimal128(precision, scale)),
        _ => Err(invalid()),
    }
}

/// Gives out field ids, each once.
pub(crate) struct FieldIds {
    last: i32,
}

impl FieldIds {
    /// Ids above `last`.
    pub(crate) fn after(last: i32) -> Self {
        Self { last }
    }

    pub(crate) fn next(&mut self) -> i32 {
        self.last += 1;
        self.last
    }
}

/// Schema of a new table. Key columns are made required and become identifier fields.
pub(crate) fn from_arrow(schema: &ArrowSchema, keys: &[String]) -> Result<Schema> {
    let mut ids = FieldIds::after(0);
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut new = new_field(field, &mut ids)?;
        new.required |= keys.contains(field.name());
        fields.push(Arc::new(new));
    }
    let identifiers: Vec<i32> = keys.iter().map(|key| identifier(&fields, key)).collect::<Result<_>>()?;
    let builder = Schema::builder().with_fields(fields).with_identifier_field_ids(identifiers);
    builder.build().map_err(|e| Error::usage("not the schema of an Iceberg table").caused_by(e))
}

fn identifier(fields: &[NestedFieldRef], key: &str) -> Result<i32> {
    let field =
        fields.iter().find(|field| field.name == key).ok_or_else(|| Error::usage("a key names no column of the table").with("key", key))?;
    match field.field_type.as_ref() {
        Type::Primitive(PrimitiveType::Float | PrimitiveType::Double) | Type::Struct(_) | Type::List(_) | Type::Map(_) => {
            Err(Error::unsupported("a column of this type cannot be a key of an Iceberg table")
                .with("column", key)
                .with("type", &field.field_type))
        }
        Type::Primitive(_) => Ok(field.id),
    }
}

/// A field with fresh ids for itself and all that it holds.
pub(crate) fn new_field(field: &FieldRef, ids: &mut FieldIds) -> Result<NestedField> {
    let id = ids.next();
    let field_type = new_type(field.data_type(), ids).map_err(|e| e.with("column", field.name()))?;
    Ok(NestedField::new(id, field.name(), field_type, !field.is_nullable()))
}

fn new_type(data_type: &DataType, ids: &mut FieldIds) -> Result<Type> {
    Ok(match data_type {
        DataType::Struct(fields) => {
            Type::Struct(StructType::new(fields.iter().map(|field| new_field(field, ids).map(Arc::new)).collect::<Result<_>>()?))
        }
        DataType::List(element) | DataType::LargeList(element) => {
            let id = ids.next();
            let element_type = new_type(element.data_type(), ids)?;
            Type::List(ListType::new(Arc::new(NestedField::list_element(id, element_type, !element.is_nullable()))))
        }
        DataType::Map(entries, _) => new_map(entries, ids)?,
        primitive => Type::Primitive(to_primitive(primitive)?),
    })
}

fn new_map(entries: &FieldRef, ids: &mut FieldIds) -> Result<Type> {
    let DataType::Struct(pair) = entries.data_type() else { return Err(unsupported_type(entries.data_type())) };
    let [key, value] = pair.as_ref() else { return Err(unsupported_type(entries.data_type())) };
    let (key_id, value_id) = (ids.next(), ids.next());
    let (key_type, value_type) = (new_type(key.data_type(), ids)?, new_type(value.data_type(), ids)?);
    Ok(Type::Map(MapType::new(
        Arc::new(NestedField::map_key_element(key_id, key_type)),
        Arc::new(NestedField::map_value_element(value_id, value_type, !value.is_nullable())),
    )))
}

/// The Iceberg type of a column of this Arrow type.
pub(crate) fn to_primitive(data_type: &DataType) -> Result<PrimitiveType> {
    Ok(match data_type {
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 => PrimitiveType::Int,
        DataType::Int64 => PrimitiveType::Long,
        DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal128(precision, scale) => {
            let scale = u32::try_from(*scale).map_err(|_| unsupported_type(data_type))?;
            PrimitiveType::Decimal { precision: (*precision).into(), scale }
        }
        DataType::Date32 => PrimitiveType::Date,
        DataType::Time64(TimeUnit::Microsecond) => PrimitiveType::Time,
        DataType::Timestamp(TimeUnit::Microsecond, None) => PrimitiveType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => PrimitiveType::Timestamptz,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => PrimitiveType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => PrimitiveType::Binary,
        DataType::FixedSizeBinary(length) => PrimitiveType::Fixed(u64::try_from(*length).map_err(|_| unsupported_type(data_type))?),
        _ => return Err(unsupported_type(data_type)),
    })
}

fn unsupported_type(data_type: &DataType) -> Error {
    Error::unsupported("an Iceberg table has no such type").with("type", data_type)
}

#[cfg(test)]
mod tests;
