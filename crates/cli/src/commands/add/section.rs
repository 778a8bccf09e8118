//! A `[sources.NAME]` section, written into a file whose comments and other keys stay.

use std::fmt;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Key, Table, Value};
use waterline_core::error::{Error, Result};

use crate::settings::file::ChangeFormatName;

#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// As they stand in the file.
    pub(super) paths: Vec<String>,
    pub(super) format: ChangeFormatName,
    pub(super) tables: Vec<String>,
    pub(super) ddl: Vec<String>,
    pub(super) dialect: Option<&'static str>,
}

impl Section {
    pub(super) fn write(&self, document: &mut DocumentMut) -> Result<()> {
        let mut section = Table::new();
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        if !document.contains_key("sources") {
            let mut sources = Table::new();
            sources.set_implicit(true);
            document.insert("sources", Item::Table(sources));
            // The section comes last, after the comments that end the file.
            section.decor_mut().set_prefix(format!("{}\n", trailing));
            document.set_trailing("");
        }
        let sources = document["sources"].as_table_like_mut().ok_or_else(|| Error::usage("`sources` is not a table"))?;
        let section = sources.entry(&self.name).or_insert(Item::Table(section));
        let section = section.as_table_like_mut().ok_or_else(|| Error::usage("the source is not a table").with("source", &self.name))?;
        for (key, value) in self.values() {
            match section.get_mut(key).and_then(Item::as_value_mut) {
                Some(old) => {
                    // What follows the value on its line is a comment of the user's.
                    let decor = old.decor().clone();
                    *old = value;
                    *old.decor_mut() = decor;
                }
                None => {
                    section.insert(key, Item::Value(value));
                }
            }
        }
        Ok(())
    }

    fn values(&self) -> Vec<(&'static str, Value)> {
        let format = match self.format {
            ChangeFormatName::DebeziumJson => "debezium-json",
            ChangeFormatName::DebeziumAvro => "debezium-avro",
            ChangeFormatName::PlainJson => "plain-json",
        };
        let mut values =
            vec![("path", one_or_many(&self.paths)), ("format", format.into()), ("tables", Value::Array(Array::from_iter(&self.tables)))];
        if !self.ddl.is_empty() {
            let mut schema = InlineTable::new();
            schema.insert("ddl", one_or_many(&self.ddl));
            schema.insert("dialect", self.dialect.unwrap_or("postgres").into());
            values.push(("schema", Value::InlineTable(schema)));
        }
        values
    }
}

fn one_or_many(texts: &[String]) -> Value {
    match texts {
        [one] => one.as_str().into(),
        many => Value::Array(Array::from_iter(many)),
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[sources.{}]", Key::new(&self.name))?;
        self.values().into_iter().try_for_each(|(key, value)| writeln!(f, "{key} = {}", value.to_string().trim()))
    }
}

#[cfg(test)]
mod tests;
