//! `${NAME}` in the strings of waterline.toml becomes the environment variable's value; `$${` stays `${`.

use std::path::Path;

use toml_edit::{Document, DocumentMut, Item, Table, TableLike, Value};
use waterline_core::error::{Error, Result};

use crate::settings::place::Place;

/// Looks up an environment variable.
pub type Variables = fn(&str) -> Option<String>;

/// The file's text with every string expanded. Lines stay where they are.
pub(crate) fn expand(text: &str, path: &Path, document: &Document<String>, variables: Variables) -> Result<String> {
    if !text.contains("${") {
        return Ok(text.to_owned());
    }
    let mut places = Vec::new();
    collect(document.as_table(), &mut places);
    let mut expanded = text.to_owned();
    // From the end, so that earlier spans stay true.
    places.sort_by_key(|(span, _): &(std::ops::Range<usize>, String)| std::cmp::Reverse(span.start));
    for (span, value) in places {
        let value = expand_text(&value, variables).map_err(|e| Place::of(document, text, span.start).describe(e, path))?;
        expanded.replace_range(span, Value::from(value).to_string().trim());
    }
    Ok(expanded)
}

fn collect(table: &Table, places: &mut Vec<(std::ops::Range<usize>, String)>) {
    table.iter().for_each(|(_, item)| collect_item(item, places));
}

fn collect_item(item: &Item, places: &mut Vec<(std::ops::Range<usize>, String)>) {
    match item {
        Item::Value(value) => collect_value(value, places),
        Item::Table(table) => collect(table, places),
        Item::ArrayOfTables(tables) => tables.iter().for_each(|table| collect(table, places)),
        Item::None => {}
    }
}

fn collect_value(value: &Value, places: &mut Vec<(std::ops::Range<usize>, String)>) {
    match value {
        Value::String(text) if text.value().contains("${") => places.extend(text.span().map(|span| (span, text.value().clone()))),
        Value::Array(values) => values.iter().for_each(|value| collect_value(value, places)),
        Value::InlineTable(table) => TableLike::iter(table).for_each(|(_, item)| collect_item(item, places)),
        _ => {}
    }
}

fn expand_text(text: &str, variables: Variables) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let (name, after) =
            from[2..].split_once('}').ok_or_else(|| Error::usage("`${` without a closing `}`; write `$${` for the text itself"))?;
        out.push_str(&variables(name).ok_or_else(|| Error::usage("an environment variable is not set").with("variable", name))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Parses the text without losing the places of its parts.
pub(crate) fn parse_document(text: &str, path: &Path) -> Result<Document<String>> {
    Document::parse(text.to_owned()).map_err(|e| {
        let line = e.span().map_or(1, |span| crate::settings::place::line_of(text, span.start));
        Error::usage("the configuration is not valid TOML")
            .with("file", path.display())
            .with("line", line)
            .with("reason", e.message().replace('\n', ", "))
    })
}

/// Parses the text so that it can be edited with its comments kept.
pub(crate) fn parse_editable(text: &str, path: &Path) -> Result<DocumentMut> {
    parse_document(text, path).map(Document::into_mut)
}

#[cfg(test)]
mod tests;
