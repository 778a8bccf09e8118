//! Locations as table metadata holds them.
//!
//! Writers name the same file as `file:///x`, `file:/x` or `/x`, and the same bucket as `s3`, `s3a` or `s3n`. We
//! compare them by [`key`] and hand them out as [`absolute`].

use std::borrow::Cow;

use waterline_core::error::{Error, Result};

/// A form in which two names of one file are equal. For comparison only.
pub fn key(location: &str) -> Cow<'_, str> {
    if let Some(rest) = location.strip_prefix("file:") {
        return Cow::Owned(format!("/{}", rest.trim_start_matches('/')));
    }
    match location.split_once("://") {
        Some(("s3a" | "s3n", rest)) => Cow::Owned(format!("s3://{rest}")),
        _ => Cow::Borrowed(location),
    }
}

/// The location with a scheme, without a trailing slash.
pub fn absolute(location: &str) -> String {
    let location = location.trim_end_matches('/');
    let path = location.strip_prefix("file:").unwrap_or(location);
    match location.contains("://") {
        true => location.to_owned(),
        false => format!("file:///{}", path.trim_start_matches('/')),
    }
}

/// The location of a warehouse as the user gave it: a URL, or a path that is made absolute.
pub fn of_warehouse(given: &str) -> Result<String> {
    if given.contains("://") {
        return Ok(absolute(given));
    }
    let invalid = || Error::usage("a warehouse is a path or a URL of an object store").with("warehouse", given);
    let path = std::path::absolute(given.strip_prefix("file:").unwrap_or(given)).map_err(|e| invalid().caused_by(e))?;
    Ok(absolute(path.to_str().ok_or_else(invalid)?))
}

#[cfg(test)]
mod tests;
