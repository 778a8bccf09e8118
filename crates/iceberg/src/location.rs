//! Locations as table metadata holds them, and the names of metadata files.
//!
//! Writers name the same file as `file:///x`, `file:/x` or `/x`, and the same bucket as `s3`, `s3a` or `s3n`. We
//! compare them by [`key`] and hand them out as [`absolute`].

use std::borrow::Cow;

use uuid::Uuid;
use waterline_core::error::{Error, Result};

/// A form in which two names of one file are equal. For comparison only.
pub(crate) fn key(location: &str) -> Cow<'_, str> {
    if let Some(rest) = location.strip_prefix("file:") {
        return Cow::Owned(format!("/{}", rest.trim_start_matches('/')));
    }
    match location.split_once("://") {
        Some(("s3a" | "s3n", rest)) => Cow::Owned(format!("s3://{rest}")),
        _ => Cow::Borrowed(location),
    }
}

/// The location with a scheme, without a trailing slash.
pub(crate) fn absolute(location: &str) -> String {
    let location = location.trim_end_matches('/');
    let path = location.strip_prefix("file:").unwrap_or(location);
    match location.contains("://") {
        true => location.to_owned(),
        false => format!("file:///{}", path.trim_start_matches('/')),
    }
}

/// The location of a warehouse as the user gave it: a URL, or a path that is made absolute.
pub(crate) fn of_warehouse(given: &str) -> Result<String> {
    if given.contains("://") {
        return Ok(absolute(given));
    }
    let invalid = || Error::usage("a warehouse is a path or a URL of an object store").with("warehouse", given);
    let path = std::path::absolute(given.strip_prefix("file:").unwrap_or(given)).map_err(|e| invalid().caused_by(e))?;
    Ok(absolute(path.to_str().ok_or_else(invalid)?))
}

/// How a metadata file is compressed; the name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataCodec {
    Plain,
    Gzip,
}

impl MetadataCodec {
    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => ".metadata.json",
            Self::Gzip => ".gz.metadata.json",
        }
    }
}

/// `NNNNN-<uuid>.metadata.json`, the name in catalogs that keep a pointer to it.
pub(crate) fn pointed_metadata(table: &str, version: u64, id: Uuid, codec: MetadataCodec) -> String {
    format!("{table}/metadata/{version:05}-{id}{}", codec.suffix())
}

/// `vN.metadata.json`, the name in a table that is its own catalog.
pub(crate) fn numbered_metadata(table: &str, version: u64, codec: MetadataCodec) -> String {
    format!("{table}/metadata/v{version}{}", codec.suffix())
}

/// The version in the name of a metadata file of either form; 0 when it has none.
pub(crate) fn metadata_version(location: &str) -> u64 {
    let name = location.rsplit('/').next().unwrap_or(location);
    let digits: String = name.strip_prefix('v').unwrap_or(name).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests;
