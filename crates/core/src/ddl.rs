//! Table schemas from the source's own DDL: files of `CREATE TABLE` and `ALTER TABLE` statements as `pg_dump`,
//! `mysqldump` or a person writes them.
//!
//! Only what decides columns, types and keys is read; other statements and clauses are skipped, so that a dump needs no
//! editing. A statement about tables that cannot be followed is an error with its line. The key of a table is the index
//! of its replica identity when one is named, else its primary key. Columns that PostgreSQL computes
//! (`GENERATED ALWAYS AS (...)`) are left out, since its events do not carry them. Key columns are required, all others
//! nullable: a source may relax `NOT NULL` at any time.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::schema::TableSchema;
use crate::table::TableName;

mod alter;
mod catalog;
mod create;
mod draft;
mod source_type;
mod statements;
#[cfg(test)]
mod tests;
mod tokens;

use catalog::Catalog;
pub use source_type::{declared_field, parse_type};

/// Whose SQL a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlDialect {
    Postgres,
    MySql,
}

/// Tables as a sequence of statements leaves them.
#[derive(Clone, Debug)]
pub struct Ddl {
    tables: BTreeMap<TableName, Declared>,
}

#[derive(Clone, Debug)]
struct Declared {
    schema: TableSchema,
    computed: Vec<String>,
}

impl Ddl {
    pub fn table(&self, name: &TableName) -> Option<&TableSchema> {
        self.tables.get(name).map(|declared| &declared.schema)
    }

    /// Names of the columns that the schema leaves out because the source computes them. A dump may hold them all the same.
    pub fn computed_columns(&self, name: &TableName) -> &[String] {
        self.tables.get(name).map_or(&[], |declared| &declared.computed)
    }

    /// In the order of their names.
    pub fn tables(&self) -> impl Iterator<Item = (&TableName, &TableSchema)> {
        self.tables.iter().map(|(name, declared)| (name, &declared.schema))
    }
}

/// Runs the statements in order. Unqualified names are of the schema `public`, or as `SET search_path` says, in
/// PostgreSQL; in MySQL of the database that `USE` names.
pub fn parse_ddl(sql: &str, dialect: SqlDialect) -> Result<Ddl> {
    let mut catalog = Catalog::new(dialect);
    for statement in statements::split(sql, dialect)? {
        catalog.run(&statement)?;
    }
    Ok(Ddl { tables: catalog.into_tables()? })
}
