//! DDL events of Debezium's MySQL connector.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use serde::Deserialize;

use super::json::Nested;
use super::outline::Outline;
use super::source::Source;
use crate::ddl::{SqlDialect, declared_field};
use crate::error::{Error, Result};
use crate::schema::TableSchema;
use crate::table::TableName;

/// What a statement of DDL made of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    /// Microseconds since the epoch.
    pub time_us: i64,
    pub tables: Vec<(TableName, TableChange)>,
}

/// A table after the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    Created(TableSchema),
    /// Its columns changed, or it got this name.
    Altered(TableSchema),
    Dropped,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    table: Option<Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    primary_key_column_names: Option<Vec<String>>,
    columns: Vec<Column>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Column {
    name: String,
    type_name: String,
    length: Option<u32>,
    scale: Option<u32>,
}

impl SchemaChange {
    pub(super) fn read(outline: &Outline) -> Result<Self> {
        let fault = || Error::bad_input("the description of a DDL event cannot be read").with("field", "tableChanges");
        let no_time = || Error::bad_input("the DDL event has no time").with("field", "source.ts_ms");
        let Nested::Object(block) = &outline.source else { return Err(no_time()) };
        let time_us = Source::read(block)?.event_time_us().ok_or_else(no_time)?;
        let entries: Vec<Entry> = serde_json::from_str(outline.table_changes.unwrap_or("[]")).map_err(|_| fault())?;
        let tables = entries.into_iter().map(|entry| entry.change().ok_or_else(fault)).collect::<Result<_>>()?;
        Ok(Self { time_us, tables })
    }
}

impl Entry {
    fn change(self) -> Option<(TableName, TableChange)> {
        let name = table_name(&self.id)?;
        let change = match (self.kind.as_str(), self.table) {
            ("DROP", _) => TableChange::Dropped,
            ("CREATE", Some(table)) => TableChange::Created(table.schema()?),
            (_, Some(table)) => TableChange::Altered(table.schema()?),
            (_, None) => return None,
        };
        Some((name, change))
    }
}

impl Table {
    fn schema(&self) -> Option<TableSchema> {
        let fields = self.columns.iter().map(Column::field).collect();
        TableSchema::new(fields, self.primary_key_column_names.clone().unwrap_or_default()).ok()
    }
}

impl Column {
    /// `DECIMAL UNSIGNED` of length 10 and scale 2 is `DECIMAL(10,2) UNSIGNED` in SQL. An unknown type is text.
    fn field(&self) -> FieldRef {
        let (name, attributes) = self.type_name.split_once(' ').unwrap_or((&self.type_name, ""));
        let arguments = match (self.length, self.scale) {
            (Some(length), Some(scale)) => format!("({length},{scale})"),
            (Some(length), None) => format!("({length})"),
            (None, _) => String::new(),
        };
        let declared = declared_field(&self.name, &format!("{name}{arguments} {attributes}"), SqlDialect::MySql);
        declared.unwrap_or_else(|_| Arc::new(Field::new(&self.name, DataType::Utf8, true)))
    }
}

/// `"shop"."Weird Table-1"`, each part in double quotes, a quote in it doubled.
fn table_name(id: &str) -> Option<TableName> {
    let parts: Vec<String> = id.strip_prefix('"')?.strip_suffix('"')?.split("\".\"").map(|part| part.replace("\"\"", "\"")).collect();
    let [.., namespace, name] = parts.as_slice() else { return None };
    TableName::new(namespace, name).ok()
}
