//! PostgreSQL's text of an array of one dimension: `{1,NULL,"a,b"}`
//! (<https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>).

use std::borrow::Cow;

/// The elements; `None` is null. Fails when the text is no array of one dimension.
pub(super) fn elements(text: &str) -> Result<Vec<Option<Cow<'_, str>>>, &'static str> {
    let body = without_bounds(text).strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or("not an array")?;
    let mut rest = body.trim_ascii();
    let mut found = Vec::new();
    while !rest.is_empty() || !found.is_empty() {
        let (value, after) = element(rest)?;
        found.push(value);
        rest = match after.trim_ascii_start().strip_prefix(',') {
            Some(next) => next.trim_ascii_start(),
            None if after.trim_ascii_start().is_empty() => break,
            None => return Err("not an array"),
        };
    }
    Ok(found)
}

/// The element that comes first, and what follows it.
fn element(text: &str) -> Result<(Option<Cow<'_, str>>, &str), &'static str> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_element(quoted).map(|(value, rest)| (Some(value), rest));
    }
    let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    let value = value.trim_ascii();
    if value.is_empty() || value.contains('"') {
        return Err("not an array");
    }
    if value.contains(['{', '}']) {
        return Err("an array of more than one dimension");
    }
    let value = if value.eq_ignore_ascii_case("null") { None } else { Some(unescaped(value)?) };
    Ok((value, rest))
}

/// The text up to the closing quote, and what follows that.
fn quoted_element(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => {
                let (value, rest) = text.split_at(at);
                return Ok((unescaped(value)?, rest.strip_prefix('"').unwrap_or(rest)));
            }
            _ => {}
        }
    }
    Err("not an array")
}

/// A backslash makes the character after it stand for itself.
fn unescaped(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        value.push(if char == '\\' { chars.next().ok_or("not an array")? } else { char });
    }
    Ok(Cow::Owned(value))
}

/// Drops the lower bounds of `[0:2]={...}`.
fn without_bounds(text: &str) -> &str {
    match text.split_once("]={") {
        Some((bounds, _)) if bounds.starts_with('[') => text.get(bounds.len() + 2..).unwrap_or(text),
        _ => text,
    }
}
