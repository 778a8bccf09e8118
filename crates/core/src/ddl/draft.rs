//! A table while the statements of a script change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::FieldRef;

use super::SqlDialect;
use super::source_type::SourceType;
use crate::error::Result;
use crate::schema::TableSchema;

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) declared: SourceType,
    pub(super) origin: Origin,
}

/// Where the values of a column come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Stored,
    /// `GENERATED ALWAYS AS (expression)`.
    Computed,
}

/// Where `ADD`, `MODIFY` and `CHANGE` put a column.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Keep,
    First,
    After(String),
}

#[derive(Clone, Debug)]
pub(super) struct TableDraft {
    dialect: SqlDialect,
    pub(super) columns: Vec<Column>,
    pub(super) primary_key: Option<Index>,
    /// Unique indexes over plain columns.
    pub(super) indexes: BTreeMap<String, Vec<String>>,
    /// The index that `REPLICA IDENTITY USING INDEX` names.
    pub(super) identity: Option<String>,
}

/// The columns of the primary key, and the name of its constraint.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

impl TableDraft {
    pub(super) fn new(dialect: SqlDialect) -> Self {
        Self { dialect, columns: Vec::new(), primary_key: None, indexes: BTreeMap::new(), identity: None }
    }

    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| self.is_same(&c.name, column))
    }

    /// Puts a column in, in the stead of the one at `replaced`.
    pub(super) fn put(&mut self, column: Column, replaced: Option<usize>, place: &Place) {
        if let Some(at) = replaced.filter(|&at| at < self.columns.len()) {
            let old = self.columns.remove(at);
            self.rename_in_keys(&old.name, &column.name);
        }
        let at = match place {
            Place::Keep => replaced.unwrap_or(self.columns.len()),
            Place::First => 0,
            Place::After(other) => self.position(other).map_or(self.columns.len(), |at| at + 1),
        };
        self.columns.insert(at.min(self.columns.len()), column);
    }

    /// Indexes over a dropped column go with it.
    pub(super) fn drop_column(&mut self, at: usize) {
        let dropped = self.columns.remove(at).name;
        let dialect = self.dialect;
        let keeps = |columns: &[String]| columns.iter().all(|column| !is_same(dialect, column, &dropped));
        self.indexes.retain(|_, columns| keeps(columns));
        self.primary_key = self.primary_key.take().filter(|key| keeps(&key.columns));
    }

    pub(super) fn rename_column(&mut self, at: usize, name: String) {
        if let Some(column) = self.columns.get_mut(at) {
            let old = std::mem::replace(&mut column.name, name.clone());
            self.rename_in_keys(&old, &name);
        }
    }

    fn rename_in_keys(&mut self, old: &str, new: &str) {
        let dialect = self.dialect;
        let keys = self.primary_key.iter_mut().flat_map(|key| &mut key.columns);
        for column in keys.chain(self.indexes.values_mut().flatten()).filter(|column| is_same(dialect, column, old)) {
            *column = new.to_owned();
        }
    }

    pub(super) fn rename_index(&mut self, old: &str, new: String) {
        if let Some(key) = self.primary_key.as_mut().filter(|key| key.name == old) {
            key.name.clone_from(&new);
        }
        if let Some(columns) = self.indexes.remove(old) {
            self.indexes.insert(new.clone(), columns);
        }
        if self.identity.as_deref() == Some(old) {
            self.identity = Some(new);
        }
    }

    pub(super) fn drop_index(&mut self, name: &str) {
        self.indexes.remove(name);
        self.primary_key = self.primary_key.take().filter(|key| key.name != name);
    }

    fn key(&self) -> &[String] {
        let primary = self.primary_key.as_ref();
        let identity = self.identity.as_ref().and_then(|name| match primary {
            Some(key) if key.name == *name => Some(&key.columns),
            _ => self.indexes.get(name),
        });
        identity.or(primary.map(|key| &key.columns)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn schema(&self) -> Result<TableSchema> {
        let key = self.key();
        let is_key = |column: &Column| key.iter().any(|name| self.is_same(name, &column.name));
        let kept = self.columns.iter().filter(|column| !self.is_left_out(column));
        let fields: Vec<FieldRef> = kept.map(|c| Arc::new(c.declared.field(&c.name).with_nullable(!is_key(c)))).collect();
        let spelled =
            |name: &String| self.columns.iter().find(|column| self.is_same(&column.name, name)).map_or(name, |column| &column.name).clone();
        TableSchema::new(fields, key.iter().map(spelled).collect())
    }

    pub(super) fn computed_columns(&self) -> Vec<String> {
        self.columns.iter().filter(|column| self.is_left_out(column)).map(|column| column.name.clone()).collect()
    }

    /// The events of MySQL carry what it computes.
    fn is_left_out(&self, column: &Column) -> bool {
        column.origin == Origin::Computed && self.dialect == SqlDialect::Postgres
    }

    fn is_same(&self, a: &str, b: &str) -> bool {
        is_same(self.dialect, a, b)
    }
}

/// MySQL's column names do not differ by case.
fn is_same(dialect: SqlDialect, a: &str, b: &str) -> bool {
    match dialect {
        SqlDialect::Postgres => a == b,
        SqlDialect::MySql => a.to_lowercase() == b.to_lowercase(),
    }
}
