//! Where in waterline.toml something stands: line and dotted key.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};
use waterline_core::error::Error;

/// A line, counted from 1, and the innermost key whose value covers it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: usize,
    key: Option<String>,
}

impl Place {
    pub(crate) fn of(document: &Document<String>, text: &str, offset: usize) -> Self {
        let mut path = Vec::new();
        find(document.as_table(), offset, &mut path);
        Self { line: line_of(text, offset), key: (!path.is_empty()).then(|| path.join(".")) }
    }

    pub(crate) fn describe(self, error: Error, file: &Path) -> Error {
        let error = error.with("file", file.display()).with("line", self.line);
        match self.key {
            Some(key) => error.with("key", key),
            None => error,
        }
    }
}

pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn find(table: &dyn TableLike, offset: usize, path: &mut Vec<String>) {
    for (name, item) in table.iter() {
        let key_span = table.key(name).and_then(toml_edit::Key::span);
        if covers(key_span, offset) || covers(item.span(), offset) || nested_covers(item, offset) {
            path.push(if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() });
            if let Some(inner) = item.as_table_like() {
                find(inner, offset, path);
            }
            return;
        }
    }
}

/// The span of a table is its header only, and that of an implicit table nothing, so the inner ones are asked too.
fn nested_covers(item: &Item, offset: usize) -> bool {
    match item {
        Item::Table(table) => table.iter().any(|(name, inner)| {
            covers(table.key(name).and_then(toml_edit::Key::span), offset) || covers(inner.span(), offset) || nested_covers(inner, offset)
        }),
        Item::Value(Value::InlineTable(table)) => covers(table.span(), offset),
        _ => false,
    }
}

fn covers(span: Option<Range<usize>>, offset: usize) -> bool {
    span.is_some_and(|span| span.contains(&offset))
}
