//! Table metadata files (Iceberg spec, "Table Metadata"): parsing with a named error for what we cannot read, and writing.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use iceberg::spec::{FormatVersion, MAIN_BRANCH, SnapshotReference, SnapshotRetention, TableMetadata, TableMetadataBuilder};
use serde::Deserialize;
use serde_json::Value as Json;
use waterline_core::error::{Error, Result};

use crate::error::refused;
use crate::location::MetadataCodec;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// More than any real metadata file, so that a small gzip file cannot fill the memory.
const MAX_METADATA_BYTES: u64 = 1 << 30;
const KNOWN_TYPES: [&str; 16] = [
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "timestamp_ns",
    "timestamptz_ns",
    "string",
    "uuid",
    "binary",
    "decimal",
    "fixed",
];

/// A metadata file.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Where it is; commits go on top of exactly this file.
    pub(crate) location: String,
    pub(crate) table: TableMetadata,
    /// Branches and tags, which the `iceberg` crate finds by name only.
    pub(crate) refs: BTreeMap<String, SnapshotReference>,
    fidelity: Fidelity,
}

/// Whether what was parsed is what the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fidelity {
    Exact,
    /// Changed in what does not matter to readers; not to be written.
    Adapted,
}

#[derive(Deserialize)]
struct Refs {
    refs: Option<BTreeMap<String, SnapshotReference>>,
}

impl Metadata {
    /// Reads a metadata file, gzipped or not.
    pub(crate) fn parse(location: &str, bytes: &Bytes) -> Result<Self> {
        let text = match bytes.starts_with(&GZIP_MAGIC) {
            true => gunzip(location, bytes)?.into(),
            false => bytes.clone(),
        };
        let (table, fidelity) = parse_table(location, &text)?;
        if table.encryption_keys_iter().next().is_some() {
            return Err(unsupported(location, "encryption keys"));
        }
        let Refs { refs } = serde_json::from_slice(&text).map_err(|e| corrupt(location).caused_by(e))?;
        let mut refs = refs.unwrap_or_default();
        if let Some(main) = table.snapshot_for_ref(MAIN_BRANCH) {
            refs.entry(MAIN_BRANCH.into())
                .or_insert_with(|| SnapshotReference::new(main.snapshot_id(), SnapshotRetention::branch(None, None, None)));
        }
        Ok(Self { location: location.into(), table, refs, fidelity })
    }

    /// Fails for a table that we read but must not write.
    pub(crate) fn ensure_writable(&self) -> Result<()> {
        if self.table.format_version() == FormatVersion::V1 {
            return Err(Error::unsupported("tables of format version 1 are read, never written; upgrade it to version 2 first"));
        }
        match self.fidelity {
            Fidelity::Exact => Ok(()),
            Fidelity::Adapted => {
                Err(Error::unsupported("the table's partition spec names a dropped column; such tables are read, never written"))
            }
        }
    }
}

fn parse_table(location: &str, text: &[u8]) -> Result<(TableMetadata, Fidelity)> {
    let cause = match serde_json::from_slice(text) {
        Ok(table) => return Ok((table, Fidelity::Exact)),
        Err(cause) => cause,
    };
    let json: Json = serde_json::from_slice(text).map_err(|e| corrupt(location).caused_by(e))?;
    if let Some(feature) = unknown_feature(&json) {
        return Err(unsupported(location, &feature));
    }
    match serde_json::from_value(without_dropped_sources(json)) {
        Ok(table) => Ok((table, Fidelity::Adapted)),
        Err(_) => Err(corrupt(location).caused_by(cause)),
    }
}

/// The bytes of a metadata file.
pub(crate) fn serialise(metadata: &TableMetadata, codec: MetadataCodec) -> Result<Bytes> {
    let json = serde_json::to_vec(metadata).map_err(|e| Error::internal("table metadata cannot be written as JSON").caused_by(e))?;
    match codec {
        MetadataCodec::Plain => Ok(json.into()),
        MetadataCodec::Gzip => {
            gzip(&json).map(Bytes::from).map_err(|e| Error::internal("table metadata cannot be compressed").caused_by(e))
        }
    }
}

/// The codec that the table's properties ask for.
pub(crate) fn codec(metadata: &TableMetadata) -> Result<MetadataCodec> {
    match metadata.properties().get("write.metadata.compression-codec").map(|codec| codec.to_ascii_lowercase()).as_deref() {
        None | Some("none" | "") => Ok(MetadataCodec::Plain),
        Some("gzip") => Ok(MetadataCodec::Gzip),
        Some(other) => Err(Error::unsupported("the table's metadata is compressed in a way that is not supported").with("codec", other)),
    }
}

/// The metadata with another time of its last update. The `iceberg` crate takes the wall clock when no snapshot is added.
pub(crate) fn with_last_updated(metadata: TableMetadata, last_updated_ms: i64) -> Result<TableMetadata> {
    with_times(metadata, last_updated_ms, 0)
}

/// The table changed without a new snapshot. The `iceberg` crate refuses a change at a time, that of the wall clock, before the
/// newest snapshot, which a machine with another clock may have made; so all times are moved to long ago meanwhile.
pub(crate) fn changed(
    base: &Metadata,
    now_ms: i64,
    change: impl FnOnce(TableMetadataBuilder) -> Result<TableMetadataBuilder>,
) -> Result<TableMetadata> {
    let last_ms = base.table.last_updated_ms();
    let long_ago = with_times(base.table.clone(), 0, last_ms.saturating_neg())?;
    let changed = change(long_ago.into_builder(Some(base.location.clone())))?.build().map_err(refused)?.metadata;
    with_times(changed, now_ms.max(last_ms.saturating_add(1)), last_ms)
}

/// The metadata with another time of its last update, and the times in its logs moved.
fn with_times(metadata: TableMetadata, last_updated_ms: i64, moved_by_ms: i64) -> Result<TableMetadata> {
    let broken = |e: serde_json::Error| Error::internal("table metadata does not survive a round trip").caused_by(e);
    let mut json = serde_json::to_value(metadata).map_err(broken)?;
    for log in ["snapshot-log", "metadata-log"] {
        for entry in json.get_mut(log).and_then(Json::as_array_mut).into_iter().flatten() {
            if let Some(time) = entry.get("timestamp-ms").and_then(Json::as_i64) {
                entry["timestamp-ms"] = time.saturating_add(moved_by_ms).into();
            }
        }
    }
    if let Some(fields) = json.as_object_mut() {
        fields.insert("last-updated-ms".into(), last_updated_ms.into());
    }
    serde_json::from_value(json).map_err(broken)
}

fn gunzip(location: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(bytes)
        .take(MAX_METADATA_BYTES)
        .read_to_end(&mut text)
        .map_err(|e| Error::corrupt("a gzipped metadata file cannot be unpacked").with("file", location).caused_by(e))?;
    Ok(text)
}

fn gzip(json: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json)?;
    encoder.finish()
}

fn unsupported(location: &str, feature: &str) -> Error {
    Error::unsupported("the table uses a feature of Iceberg that is not supported").with("feature", feature).with("file", location)
}

fn corrupt(location: &str) -> Error {
    Error::corrupt("a metadata file of the table cannot be read").with("file", location)
}

/// The `iceberg` crate wants the source column of each field of the default spec. A void field that format version 1 keeps
/// after its column was dropped has none; since its values are null whatever the source, it is given another.
fn without_dropped_sources(mut metadata: Json) -> Json {
    let current = metadata.get("current-schema-id").cloned();
    let schemas = metadata.get("schemas").and_then(Json::as_array).into_iter().flatten();
    let schema = schemas.into_iter().find(|schema| schema.get("schema-id") == current.as_ref()).or_else(|| metadata.get("schema"));
    let columns = schema.and_then(|schema| schema.get("fields")).and_then(Json::as_array).into_iter().flatten();
    let ids: Vec<Json> = columns.filter_map(|column| column.get("id").cloned()).collect();
    let specs = metadata.get_mut("partition-specs").and_then(Json::as_array_mut).into_iter().flatten();
    for field in specs.filter_map(|spec| spec.get_mut("fields").and_then(Json::as_array_mut)).flatten() {
        let is_void = field.get("transform").and_then(Json::as_str) == Some("void");
        if let (true, Some(source), Some(other)) = (is_void, field.get_mut("source-id"), ids.first())
            && !ids.contains(source)
        {
            *source = other.clone();
        }
    }
    metadata
}

fn unknown_feature(metadata: &Json) -> Option<String> {
    let version = metadata.get("format-version").and_then(Json::as_u64)?;
    if !(1..=3).contains(&version) {
        return Some(format!("format version {version}"));
    }
    let schemas = metadata.get("schemas").and_then(Json::as_array).into_iter().flatten().chain(metadata.get("schema"));
    let types = schemas.filter_map(unknown_type).map(|name| format!("type {name}"));
    let specs = metadata.get("partition-specs").and_then(Json::as_array).into_iter().flatten();
    let fields = specs.filter_map(|spec| spec.get("fields").and_then(Json::as_array)).flatten();
    let transforms = fields.filter(|field| field.get("source-id").is_none()).map(|_| "partition transforms of several columns".to_owned());
    types.chain(transforms).next()
}

/// The first type inside a type's JSON that is not of format version 3's plain ones.
fn unknown_type(json: &Json) -> Option<String> {
    match json {
        Json::String(name) => {
            let stem = name.split(['(', '[']).next().unwrap_or(name).trim();
            (!KNOWN_TYPES.contains(&stem)).then(|| stem.to_owned())
        }
        Json::Object(object) => match object.get("type").and_then(Json::as_str) {
            Some("struct") => {
                object.get("fields").and_then(Json::as_array).into_iter().flatten().find_map(|field| unknown_type(field.get("type")?))
            }
            Some("list") => unknown_type(object.get("element")?),
            Some("map") => [object.get("key"), object.get("value")].into_iter().flatten().find_map(unknown_type),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
