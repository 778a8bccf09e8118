//! The tables and named types of a script, and the statements that concern them.

use std::collections::BTreeMap;

use super::draft::TableDraft;
use super::source_type::SourceType;
use super::statements::Statement;
use super::tokens::{ObjectName, Tokens};
use super::{Declared, SqlDialect};
use crate::error::{Error, Result};
use crate::table::TableName;

pub(super) struct Catalog {
    pub(super) dialect: SqlDialect,
    /// Of names without one; MySQL has none before `USE`.
    namespace: Option<String>,
    pub(super) tables: BTreeMap<TableName, TableDraft>,
    /// Enums, and domains as their base.
    types: BTreeMap<ObjectName, SourceType>,
}

impl Catalog {
    pub(super) fn new(dialect: SqlDialect) -> Self {
        let namespace = (dialect == SqlDialect::Postgres).then(|| "public".to_owned());
        Self { dialect, namespace, tables: BTreeMap::new(), types: BTreeMap::new() }
    }

    pub(super) fn run(&mut self, statement: &Statement) -> Result<()> {
        let mut tokens = statement.tokens();
        match tokens.one_of(&["create", "alter", "drop", "rename", "use", "set"]) {
            Some("create") => self.create(tokens),
            Some("alter") => {
                tokens.keyword("foreign");
                if tokens.keyword("table") { self.alter_table(tokens) } else { Ok(()) }
            }
            Some("drop") => self.drop(tokens),
            Some("rename") if tokens.keyword("table") => self.rename_tables(tokens),
            Some("use") => {
                self.namespace = Some(tokens.identifier("a database")?);
                Ok(())
            }
            Some("set") => self.set_search_path(tokens),
            _ => Ok(()),
        }
    }

    /// `SET [SESSION | LOCAL] search_path { TO | = } schema, ...`: the first schema is where PostgreSQL creates.
    fn set_search_path(&mut self, mut tokens: Tokens) -> Result<()> {
        tokens.one_of(&["session", "local"]);
        if self.dialect == SqlDialect::Postgres && tokens.keyword("search_path") {
            tokens.next();
            let first = tokens.parts().filter_map(|mut part| part.word()).find(|schema| schema != "default" && schema != "$user");
            self.namespace = Some(first.unwrap_or_else(|| "public".to_owned()));
        }
        Ok(())
    }

    fn drop(&mut self, mut tokens: Tokens) -> Result<()> {
        tokens.one_of(&["temporary", "foreign"]);
        let Some(what) = tokens.one_of(&["table", "schema", "database"]) else { return Ok(()) };
        tokens.keywords(&["if", "exists"]);
        for mut part in tokens.parts() {
            let name = part.object_name("a name")?;
            if what == "table" {
                let table = self.table_name(&name, &part)?;
                self.tables.remove(&table);
            } else {
                self.tables.retain(|table, _| table.namespace() != name.name);
            }
        }
        Ok(())
    }

    /// MySQL's `RENAME TABLE a TO b, c TO d`.
    fn rename_tables(&mut self, tokens: Tokens) -> Result<()> {
        for mut part in tokens.parts() {
            let old = part.object_name("a table")?;
            let old = self.table_name(&old, &part)?;
            part.keyword("to");
            let new = part.object_name("a table")?;
            let new = self.table_name(&new, &part)?;
            self.rename_table(&old, new);
        }
        Ok(())
    }

    pub(super) fn rename_table(&mut self, old: &TableName, new: TableName) {
        if let Some(table) = self.tables.remove(old) {
            self.tables.insert(new, table);
        }
    }

    pub(super) fn table_name(&self, name: &ObjectName, at: &Tokens) -> Result<TableName> {
        let namespace = name.namespace.as_ref().or(self.namespace.as_ref());
        let namespace = namespace.ok_or_else(|| at.expected("DATABASE.TABLE, or USE DATABASE before it"))?;
        TableName::new(namespace, &name.name)
    }

    pub(super) fn read_type(&self, tokens: &mut Tokens) -> Result<SourceType> {
        SourceType::read(tokens, &|name| self.types.get(&self.qualified(name)).cloned())
    }

    pub(super) fn define_type(&mut self, name: &ObjectName, declared: SourceType) {
        self.types.insert(self.qualified(name), declared);
    }

    fn qualified(&self, name: &ObjectName) -> ObjectName {
        ObjectName { namespace: name.namespace.clone().or_else(|| self.namespace.clone()), name: name.name.clone() }
    }

    pub(super) fn into_tables(self) -> Result<BTreeMap<TableName, Declared>> {
        let tables = self.tables.into_iter().map(|(name, draft)| match draft.schema() {
            Ok(schema) => Ok((name, Declared { schema, computed: draft.computed_columns() })),
            Err(e) => Err(Error::bad_input("a table of the DDL contradicts itself").with("table", name).caused_by(e)),
        });
        tables.collect()
    }
}
