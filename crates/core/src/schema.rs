//! The source's schema of a table: Arrow fields of a canonical set of types, and the key.
//!
//! Canonical types: `Boolean`, `Int32`, `Int64`, `Float32`, `Float64`, `Decimal128`, `Utf8`, `Binary`, `Date32`,
//! `Time64(µs)`, `Timestamp(µs)` without zone or in UTC, `List` and `Struct` of these. What fits none of them exactly
//! (a numeric without bounds, an interval with months, a range) is `Utf8` in the source's own notation. Infinite dates and timestamps are the extremes of
//! their integers, as PostgreSQL stores them itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, ErrorKind, Result};

/// Key of a field's metadata: the type that the source declares, normalised to lower case, such as `numeric(12,2)`, `bit(8)` or `hstore`.
pub const SOURCE_TYPE: &str = "waterline:source_type";
/// Key of a field's metadata: how many fractional digits of a second the source keeps, for times and timestamps.
pub const TIME_DIGITS: &str = "waterline:time_digits";

/// Columns and key of a source table. The key may be empty: then the table is append-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    fields: Vec<FieldRef>,
    keys: Vec<String>,
}

impl TableSchema {
    /// Fails when a key names no column, or two columns share a name.
    pub fn new(fields: Vec<FieldRef>, keys: Vec<String>) -> Result<Self> {
        let mut seen = std::collections::BTreeSet::new();
        for field in &fields {
            if !seen.insert(field.name().as_str()) {
                return Err(Error::usage("two columns share a name").with("column", field.name()));
            }
        }
        for key in &keys {
            if !seen.contains(key.as_str()) {
                return Err(Error::usage("a key names no column of the table").with("key", key));
            }
        }
        Ok(Self { fields, keys })
    }

    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    pub fn with_keys(self, keys: Vec<String>) -> Result<Self> {
        Self::new(self.fields, keys)
    }

    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name() == name)
    }

    pub fn key_indices(&self) -> Vec<usize> {
        self.keys.iter().filter_map(|key| self.index_of(key)).collect()
    }

    pub fn to_arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.clone()))
    }

    /// This schema, grown so that it also holds `incoming`: new columns at the end, types widened, columns that are
    /// missing from `incoming` kept. `None` when nothing changes. Fails with both types when a type cannot be taken.
    pub fn evolve(&self, incoming: &TableSchema) -> Result<Option<TableSchema>> {
        let mut grown = self.fields.clone();
        let known: BTreeMap<&str, usize> = self.fields.iter().enumerate().map(|(i, f)| (f.name().as_str(), i)).collect();
        for field in &incoming.fields {
            match known.get(field.name().as_str()) {
                None => grown.push(Arc::new(field.as_ref().clone().with_nullable(true))),
                Some(&at) if is_unsigned_bigint(field) && grown[at].data_type() == &DataType::Int64 => {}
                Some(&at) => {
                    let wide = widen(grown[at].data_type(), field.data_type())
                        .ok_or_else(|| incompatible(field.name(), grown[at].data_type(), field.data_type()))?;
                    if &wide != grown[at].data_type() {
                        grown[at] = Arc::new(grown[at].as_ref().clone().with_data_type(wide));
                    }
                }
            }
        }
        let grown = TableSchema { fields: grown, keys: self.keys.clone() };
        Ok((grown != *self).then_some(grown))
    }
}

/// Whether the source declares MySQL's unsigned bigint. A table that was made by messages has it as `Int64`, since their schema
/// does not say that it is unsigned: numbers that do not fit then fail one by one.
pub(crate) fn is_unsigned_bigint(field: &Field) -> bool {
    let source_type = field.metadata().get(SOURCE_TYPE).map(String::as_str).unwrap_or_default();
    source_type.starts_with("bigint") && source_type.contains("unsigned")
}

/// The error for a change of type that a table cannot take.
pub fn incompatible(column: &str, table: &DataType, source: &DataType) -> Error {
    Error::new(ErrorKind::SchemaChange, "the source changed a column to a type that the table cannot take")
        .with("column", column)
        .with("table type", table)
        .with("source type", source)
}

/// The narrowest type that holds all values of both, when a table format can promote `table` to it (Iceberg spec,
/// schema evolution: int to long, float to double, wider decimal precision). A narrower source type fits as it is.
pub fn widen(table: &DataType, source: &DataType) -> Option<DataType> {
    use DataType::*;
    match (table, source) {
        (a, b) if a == b => Some(a.clone()),
        (Int32, Int64) | (Int64, Int32) => Some(Int64),
        (Float32, Float64) | (Float64, Float32) => Some(Float64),
        (Decimal128(p1, s1), Decimal128(p2, s2)) if s1 == s2 => Some(Decimal128(*p1.max(p2), *s1)),
        (List(a), List(b)) => {
            let element = widen(a.data_type(), b.data_type())?;
            Some(List(Arc::new(a.as_ref().clone().with_data_type(element))))
        }
        // Member by member, since those of a table carry field ids and those of a source do not.
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let member = |(a, b): (&FieldRef, &FieldRef)| {
                let wide = (a.name() == b.name()).then(|| widen(a.data_type(), b.data_type())).flatten()?;
                Some(Arc::new(a.as_ref().clone().with_data_type(wide)))
            };
            Some(Struct(a.iter().zip(b).map(member).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Timestamp in microseconds, in UTC.
pub fn timestamp_utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Timestamp in microseconds without a zone.
pub fn timestamp_local() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// List of nullable elements, with the element name that Iceberg and Parquet use.
pub fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, true)))
}
