//! Locations as table metadata holds them, and the names of metadata files.

use uuid::Uuid;
pub(crate) use waterline_env::location::{absolute, key, of_warehouse};

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
