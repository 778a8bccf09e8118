//! `ALTER TABLE`. Actions that change no column, type or key are skipped.

use sqlparser::tokenizer::Token;

use super::SqlDialect;
use super::catalog::Catalog;
use super::create::{add_constraint, is_constraint};
use super::draft::{Column, Origin, Place, TableDraft};
use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::table::TableName;

impl Catalog {
    /// A table that the script does not declare is left alone.
    pub(super) fn alter_table(&mut self, mut tokens: Tokens) -> Result<()> {
        tokens.keywords(&["if", "exists"]);
        tokens.keyword("only");
        let object = tokens.object_name("a table")?;
        tokens.take(&Token::Mul);
        let mut name = self.table_name(&object, &tokens)?;
        let Some(mut draft) = self.tables.remove(&name) else { return Ok(()) };
        for action in tokens.parts() {
            match self.renamed(&name, action.clone())? {
                Some(new) => name = new,
                None => self.alter(&name, &mut draft, action).map_err(|e| e.with("table", &name))?,
            }
        }
        self.tables.insert(name, draft);
        Ok(())
    }

    /// The new name when the action is `RENAME TO name` or `SET SCHEMA schema`.
    fn renamed(&self, name: &TableName, mut action: Tokens) -> Result<Option<TableName>> {
        if action.keywords(&["set", "schema"]) {
            return TableName::new(&action.identifier("a schema")?, name.name()).map(Some);
        }
        let is_rename = action.keywords(&["rename", "to"]) || action.keywords(&["rename", "as"]) || is_short_rename(&mut action);
        if !is_rename {
            return Ok(None);
        }
        let mut object = action.object_name("a table")?;
        object.namespace.get_or_insert_with(|| name.namespace().to_owned());
        self.table_name(&object, &action).map(Some)
    }

    fn alter(&self, table: &TableName, draft: &mut TableDraft, mut action: Tokens) -> Result<()> {
        match action.one_of(&["add", "drop", "rename", "alter", "modify", "change", "replica"]) {
            Some("add") => self.add(table, draft, action),
            Some("drop") => drop(draft, action),
            Some("rename") => rename(draft, action),
            Some("alter") => self.alter_column(draft, action),
            Some("modify") => {
                action.keyword("column");
                let name = action.clone().identifier("a column")?;
                self.redefine(table, draft, &name, action)
            }
            Some("change") => {
                action.keyword("column");
                let old = action.identifier("a column")?;
                self.redefine(table, draft, &old, action)
            }
            Some("replica") => replica_identity(draft, action),
            _ => Ok(()),
        }
    }

    fn add(&self, table: &TableName, draft: &mut TableDraft, mut action: Tokens) -> Result<()> {
        let is_column = action.keyword("column");
        if !is_column && (is_constraint(&action) || action.at_keywords(&["partition"])) {
            return add_constraint(table, draft, action);
        }
        let if_not_exists = action.keywords(&["if", "not", "exists"]);
        if let Some(group) = action.parenthesised()? {
            return group.parts().try_for_each(|part| self.add(table, draft, part));
        }
        let place = place(&action)?;
        let column = self.column(table, draft, &mut action)?;
        match draft.position(&column.name) {
            None => draft.put(column, None, &place),
            Some(_) if if_not_exists => {}
            Some(_) => return Err(action.expected("a column that the table does not have yet").with("column", column.name)),
        }
        Ok(())
    }

    fn alter_column(&self, draft: &mut TableDraft, mut action: Tokens) -> Result<()> {
        if action.one_of(&["constraint", "index", "check"]).is_some() {
            return Ok(());
        }
        action.keyword("column");
        let name = action.identifier("a column")?;
        if action.keyword("type") || action.keywords(&["set", "data", "type"]) {
            let declared = self.read_type(&mut action)?;
            existing(draft, &name, &action)?.declared = declared;
        } else if action.keywords(&["drop", "expression"]) {
            existing(draft, &name, &action)?.origin = Origin::Stored;
        }
        Ok(())
    }

    /// MySQL's `MODIFY` and `CHANGE`: a new definition in the stead of a column.
    fn redefine(&self, table: &TableName, draft: &mut TableDraft, old: &str, mut action: Tokens) -> Result<()> {
        let at = draft.position(old).ok_or_else(|| no_column(old, &action))?;
        let place = place(&action)?;
        let column = self.column(table, draft, &mut action)?;
        draft.put(column, Some(at), &place);
        Ok(())
    }
}

/// PostgreSQL's `RENAME a TO b` is of a column; MySQL's `RENAME b` is of the table.
fn is_short_rename(action: &mut Tokens) -> bool {
    let mut ahead = action.clone();
    let is_rename = action.dialect() == SqlDialect::MySql && ahead.keyword("rename") && ahead.one_of(&["column", "index", "key"]).is_none();
    if is_rename {
        *action = ahead;
    }
    is_rename
}

fn drop(draft: &mut TableDraft, mut action: Tokens) -> Result<()> {
    if action.keywords(&["primary", "key"]) {
        draft.primary_key = None;
        return Ok(());
    }
    if let Some(kind) = action.one_of(&["constraint", "index", "key", "foreign", "check", "partition"]) {
        action.keywords(&["if", "exists"]);
        if matches!(kind, "constraint" | "index" | "key") {
            draft.drop_index(&action.identifier("a name")?);
        }
        return Ok(());
    }
    action.keyword("column");
    let if_exists = action.keywords(&["if", "exists"]);
    let name = action.identifier("a column")?;
    match draft.position(&name) {
        Some(at) => draft.drop_column(at),
        None if if_exists => {}
        None => return Err(no_column(&name, &action)),
    }
    Ok(())
}

fn rename(draft: &mut TableDraft, mut action: Tokens) -> Result<()> {
    let of_index = action.one_of(&["constraint", "index", "key"]).is_some();
    action.keyword("column");
    let old = action.identifier("a name")?;
    if !action.keyword("to") {
        return Err(action.expected("TO"));
    }
    let new = action.identifier("a name")?;
    if of_index {
        draft.rename_index(&old, new);
    } else {
        let at = draft.position(&old).ok_or_else(|| no_column(&old, &action))?;
        draft.rename_column(at, new);
    }
    Ok(())
}

fn replica_identity(draft: &mut TableDraft, mut action: Tokens) -> Result<()> {
    action.keyword("identity");
    draft.identity = if action.keywords(&["using", "index"]) { Some(action.identifier("an index")?) } else { None };
    Ok(())
}

/// MySQL's `FIRST` or `AFTER column` at the end of a definition.
fn place(definition: &Tokens) -> Result<Place> {
    let mut tokens = definition.clone();
    let _name = tokens.next();
    while definition.dialect() == SqlDialect::MySql && !tokens.is_empty() {
        if tokens.keyword("first") {
            return Ok(Place::First);
        }
        if tokens.keyword("after") {
            return tokens.identifier("a column").map(Place::After);
        }
        tokens.next();
    }
    Ok(Place::Keep)
}

fn existing<'a>(draft: &'a mut TableDraft, name: &str, at: &Tokens) -> Result<&'a mut Column> {
    let found = draft.position(name);
    found.and_then(|found| draft.columns.get_mut(found)).ok_or_else(|| no_column(name, at))
}

fn no_column(name: &str, at: &Tokens) -> Error {
    at.expected("a column of the table").with("column", name)
}
