//! Where a table's schema comes from: DDL or declared columns, else the message's own schema, else the values.

use std::collections::BTreeMap;

use waterline_core::ddl::Ddl;
use waterline_core::decode::Change;
use waterline_core::error::{Error, Result};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;

use crate::tables::TableSettings;

/// What the configuration says about schemas.
#[derive(Clone, Debug, Default)]
pub struct SchemaSource {
    pub ddl: Option<Ddl>,
    /// Columns that are declared by hand, per table.
    pub columns: BTreeMap<TableName, TableSchema>,
}

impl SchemaSource {
    /// The declared schema of a table, with the configured key.
    pub fn declared(&self, table: &TableName, settings: &TableSettings) -> Result<Option<TableSchema>> {
        let declared = self.ddl.as_ref().and_then(|ddl| ddl.table(table)).or_else(|| self.columns.get(table)).cloned();
        match (declared, &settings.keys) {
            (Some(schema), Some(keys)) => schema.with_keys(keys.clone()).map(Some),
            (declared, _) => Ok(declared),
        }
    }
}

/// The schema of a table that does not exist yet, whose first record is `first`.
pub(super) fn of_new_table(declared: Option<&TableSchema>, first: Option<&Change<'_>>, settings: &TableSettings) -> Result<TableSchema> {
    let keys_of_message = first.map(Change::key_columns).transpose()?.flatten();
    let schema = match (declared, first) {
        (Some(declared), _) => declared.clone(),
        (None, Some(change)) => match change.schema()? {
            Some(schema) => schema,
            None => change.inferred_schema()?,
        },
        (None, None) => return Err(Error::not_found("nothing says which columns the table has; give `--ddl` or load a dump first")),
    };
    match (&settings.keys, keys_of_message) {
        (Some(keys), _) => schema.with_keys(keys.clone()),
        (None, Some(keys)) if schema.keys().is_empty() => schema.with_keys(keys),
        (None, _) => Ok(schema),
    }
}
