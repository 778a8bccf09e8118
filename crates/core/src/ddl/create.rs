//! `CREATE TABLE`, `CREATE TYPE ... AS ENUM`, `CREATE DOMAIN` and `CREATE UNIQUE INDEX`.

use sqlparser::tokenizer::Token;

use super::SqlDialect;
use super::catalog::Catalog;
use super::draft::{Column, Index, Origin, Place, TableDraft};
use super::source_type::SourceType;
use super::tokens::Tokens;
use crate::error::Result;
use crate::table::TableName;

impl Catalog {
    pub(super) fn create(&mut self, mut tokens: Tokens) -> Result<()> {
        tokens.keywords(&["or", "replace"]);
        tokens.one_of(&["global", "local"]);
        if tokens.one_of(&["temp", "temporary"]).is_some() {
            return Ok(());
        }
        tokens.one_of(&["unlogged", "foreign"]);
        match tokens.one_of(&["table", "type", "domain", "unique"]) {
            Some("table") => self.create_table(tokens),
            Some("type") => self.create_type(tokens),
            Some("domain") => self.create_domain(tokens),
            Some("unique") if tokens.keyword("index") => self.create_unique_index(tokens),
            _ => Ok(()),
        }
    }

    fn create_table(&mut self, mut tokens: Tokens) -> Result<()> {
        let if_not_exists = tokens.keywords(&["if", "not", "exists"]);
        let object = tokens.object_name("a table")?;
        let name = self.table_name(&object, &tokens)?;
        let draft = self.table_body(&name, tokens).map_err(|e| e.with("table", &name))?;
        if !(if_not_exists && self.tables.contains_key(&name)) {
            self.tables.insert(name, draft);
        }
        Ok(())
    }

    fn table_body(&self, name: &TableName, mut tokens: Tokens) -> Result<TableDraft> {
        if tokens.keywords(&["partition", "of"]) {
            return self.partition(name, tokens);
        }
        let mut draft = TableDraft::new(self.dialect);
        if tokens.at_keywords(&["like"]) {
            self.like(name, &mut draft, tokens)?;
            return Ok(draft);
        }
        let elements = tokens.parenthesised()?.ok_or_else(|| tokens.expected("columns in parentheses"))?;
        for element in elements.parts() {
            self.table_element(name, &mut draft, element)?;
        }
        if tokens.keyword("inherits") {
            let parents = tokens.parenthesised()?.ok_or_else(|| tokens.expected("tables in parentheses"))?;
            let mut columns = Vec::new();
            for mut parent in parents.parts() {
                columns.extend(self.parent(&mut parent)?.columns);
            }
            columns.retain(|column: &Column| draft.position(&column.name).is_none());
            draft.columns.splice(..0, columns);
        }
        Ok(draft)
    }

    /// The columns and the primary key of its parent, and constraints of its own.
    fn partition(&self, name: &TableName, mut tokens: Tokens) -> Result<TableDraft> {
        let parent = self.parent(&mut tokens)?;
        let mut draft = TableDraft::new(self.dialect);
        draft.columns = parent.columns;
        draft.primary_key = parent.primary_key.map(|key| Index { name: primary_key_name(name), ..key });
        if let Some(elements) = tokens.parenthesised()? {
            elements.parts().filter(is_constraint).try_for_each(|element| add_constraint(name, &mut draft, element))?;
        }
        Ok(draft)
    }

    /// A copy of the table that is named next.
    fn parent(&self, tokens: &mut Tokens) -> Result<TableDraft> {
        let object = tokens.object_name("a table")?;
        let parent = self.table_name(&object, tokens)?;
        let draft = self.tables.get(&parent).cloned();
        draft.ok_or_else(|| tokens.expected("a table that the DDL declares before").with("parent", parent))
    }

    fn table_element(&self, name: &TableName, draft: &mut TableDraft, mut element: Tokens) -> Result<()> {
        if element.at_keywords(&["like"]) {
            self.like(name, draft, element)
        } else if is_constraint(&element) {
            add_constraint(name, draft, element)
        } else {
            let column = self.column(name, draft, &mut element)?;
            draft.put(column, None, &Place::Keep);
            Ok(())
        }
    }

    /// `LIKE table [INCLUDING | EXCLUDING what]...`. MySQL copies keys, PostgreSQL only when told.
    fn like(&self, name: &TableName, draft: &mut TableDraft, mut tokens: Tokens) -> Result<()> {
        tokens.keyword("like");
        let mut copied = self.parent(&mut tokens)?;
        let is_mysql = self.dialect == SqlDialect::MySql;
        let (mut with_indexes, mut with_computed) = (is_mysql, is_mysql);
        while let Some(mode) = tokens.one_of(&["including", "excluding"]) {
            let what = tokens.word().unwrap_or_default();
            if matches!(what.as_str(), "all" | "indexes") {
                with_indexes = mode == "including";
            }
            if matches!(what.as_str(), "all" | "generated") {
                with_computed = mode == "including";
            }
        }
        for column in copied.columns.iter_mut().filter(|_| !with_computed) {
            column.origin = Origin::Stored;
        }
        draft.columns.append(&mut copied.columns);
        if with_indexes {
            draft.primary_key = copied.primary_key.map(|key| Index { name: primary_key_name(name), ..key });
            draft.indexes.append(&mut copied.indexes);
        }
        Ok(())
    }

    /// A column with its type and options; a key among them goes to the table.
    pub(super) fn column(&self, table: &TableName, draft: &mut TableDraft, tokens: &mut Tokens) -> Result<Column> {
        let name = tokens.identifier("a column")?;
        let declared = self.read_type(tokens).map_err(|e| e.with("column", &name))?;
        let mut origin = Origin::Stored;
        while let Some(token) = tokens.peek() {
            if tokens.keywords(&["primary", "key"]) {
                draft.primary_key = Some(Index { name: primary_key_name(table), columns: vec![name.clone()] });
            } else if tokens.keyword("unique") {
                draft.indexes.insert(format!("{}_{name}_key", table.name()), vec![name.clone()]);
            } else if tokens.keyword("as") {
                origin = if tokens.peek() == Some(&Token::LParen) { Origin::Computed } else { origin };
            } else if *token == Token::LParen {
                tokens.parenthesised()?;
            } else {
                tokens.next();
            }
        }
        Ok(Column { name, declared, origin })
    }

    fn create_type(&mut self, mut tokens: Tokens) -> Result<()> {
        let name = tokens.object_name("a type")?;
        if tokens.keywords(&["as", "enum"]) {
            self.define_type(&name, SourceType::enumeration(self.dialect));
        }
        Ok(())
    }

    fn create_domain(&mut self, mut tokens: Tokens) -> Result<()> {
        let name = tokens.object_name("a domain")?;
        tokens.keyword("as");
        let base = self.read_type(&mut tokens)?;
        self.define_type(&name, base);
        Ok(())
    }

    fn create_unique_index(&mut self, mut tokens: Tokens) -> Result<()> {
        tokens.keyword("concurrently");
        tokens.keywords(&["if", "not", "exists"]);
        if tokens.keyword("on") {
            return Ok(());
        }
        let index = tokens.object_name("an index")?.name;
        if !tokens.keyword("on") {
            return Err(tokens.expected("ON"));
        }
        tokens.keyword("only");
        let table = tokens.object_name("a table")?;
        let table = self.table_name(&table, &tokens)?;
        if tokens.keyword("using") {
            tokens.next();
        }
        let columns = index_columns(&mut tokens)?;
        if let (Some(draft), Some(columns)) = (self.tables.get_mut(&table), columns) {
            draft.indexes.insert(index, columns);
        }
        Ok(())
    }
}

/// Whether an element of a table is a constraint and no column.
pub(super) fn is_constraint(element: &Tokens) -> bool {
    let reserved: &[&str] = match element.dialect() {
        SqlDialect::Postgres => &["constraint", "primary", "unique", "foreign", "check"],
        SqlDialect::MySql => &["constraint", "primary", "unique", "foreign", "check", "key", "index", "fulltext", "spatial"],
    };
    let mut tokens = element.clone();
    // These two may also name a column: what follows tells.
    let is_period = tokens.at_keywords(&["period", "for"]);
    let is_exclusion = tokens.at_keywords(&["exclude", "using"]) || (tokens.keyword("exclude") && tokens.peek() == Some(&Token::LParen));
    is_period || is_exclusion || reserved.iter().any(|keyword| element.at_keywords(&[keyword]))
}

/// Keeps primary keys and unique constraints over plain columns; all others decide nothing here.
pub(super) fn add_constraint(table: &TableName, draft: &mut TableDraft, mut tokens: Tokens) -> Result<()> {
    let mut name = None;
    if tokens.keyword("constraint") && !tokens.at_keywords(&["primary", "key"]) && !tokens.at_keywords(&["unique"]) {
        name = Some(tokens.identifier("a constraint")?);
    }
    if tokens.keywords(&["primary", "key"]) {
        if tokens.keywords(&["using", "index"]) {
            let index = tokens.identifier("an index")?;
            let columns = draft.indexes.remove(&index).ok_or_else(|| tokens.expected("a unique index of the table"))?;
            draft.primary_key = Some(Index { name: name.unwrap_or(index), columns });
            return Ok(());
        }
        let columns = index_columns(&mut tokens)?.ok_or_else(|| tokens.expected("columns of the primary key"))?;
        draft.primary_key = Some(Index { name: name.unwrap_or_else(|| primary_key_name(table)), columns });
    } else if tokens.keyword("unique") {
        tokens.one_of(&["key", "index"]);
        tokens.keywords(&["nulls", "not", "distinct"]);
        if let Some(Token::Word(_)) = tokens.peek() {
            name = Some(tokens.identifier("an index")?);
        }
        if let Some(columns) = index_columns(&mut tokens)? {
            let name = name.unwrap_or_else(|| format!("{}_{}_key", table.name(), columns.join("_")));
            draft.indexes.insert(name, columns);
        }
    }
    Ok(())
}

/// The columns that come next in parentheses; `None` when one of them is an expression or a prefix.
fn index_columns(tokens: &mut Tokens) -> Result<Option<Vec<String>>> {
    while !matches!(tokens.peek(), Some(Token::LParen) | None) {
        tokens.next();
    }
    let Some(group) = tokens.parenthesised()? else { return Ok(None) };
    let mut columns = Vec::new();
    for mut part in group.parts() {
        let Ok(column) = part.identifier("a column") else { return Ok(None) };
        if part.peek() == Some(&Token::LParen) {
            return Ok(None);
        }
        columns.push(column);
    }
    Ok(Some(columns))
}

/// As PostgreSQL names it.
fn primary_key_name(table: &TableName) -> String {
    format!("{}_pkey", table.name())
}
