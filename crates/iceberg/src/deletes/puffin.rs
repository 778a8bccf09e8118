//! Puffin files of deletion vectors (Puffin spec): magic, a blob, and a footer in JSON that says where it is.
//!
//! One vector a file. Were several in one, those that a later commit replaced would stay in it beside live ones, and
//! Polars, which finds vectors by the footers, then refuses the table.

use bytes::Bytes;
use roaring::RoaringTreemap;
use serde::Serialize;
use waterline_core::error::{Error, Result};

use crate::deletes::vector;

const MAGIC: &[u8; 4] = b"PFA1";
const NO_FLAGS: [u8; 4] = [0; 4];
const BLOB_TYPE: &str = "deletion-vector-v1";
/// Field id of the row position (Iceberg spec, "Reserved Field IDs").
const ROW_POSITION_ID: i32 = 2_147_483_645;
/// A deletion vector's snapshot and sequence number come from its manifest entry.
const INHERITED: i64 = -1;

/// Where a blob is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobRange {
    pub(crate) offset: i64,
    pub(crate) length: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Footer<'a> {
    blobs: [BlobMetadata<'a>; 1],
    properties: FileProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FileProperties {
    created_by: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BlobMetadata<'a> {
    r#type: &'static str,
    fields: [i32; 1],
    snapshot_id: i64,
    sequence_number: i64,
    offset: i64,
    length: i64,
    properties: BlobProperties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BlobProperties<'a> {
    referenced_data_file: &'a str,
    cardinality: String,
}

/// The file with the vector of one data file, and the place of the vector in it.
pub(crate) fn write(data_path: &str, positions: &RoaringTreemap) -> Result<(Bytes, BlobRange)> {
    let mut file = MAGIC.to_vec();
    let blob = vector::encode(positions)?;
    let range = BlobRange { offset: file.len() as i64, length: blob.len() as i64 };
    file.extend_from_slice(&blob);
    let metadata = BlobMetadata {
        r#type: BLOB_TYPE,
        fields: [ROW_POSITION_ID],
        snapshot_id: INHERITED,
        sequence_number: INHERITED,
        offset: range.offset,
        length: range.length,
        properties: BlobProperties { referenced_data_file: data_path, cardinality: positions.len().to_string() },
    };
    let footer = Footer { blobs: [metadata], properties: FileProperties { created_by: concat!("Waterline ", env!("CARGO_PKG_VERSION")) } };
    append_footer(&mut file, &footer).map_err(|e| Error::internal("a Puffin file cannot be written").caused_by(e))?;
    Ok((file.into(), range))
}

fn append_footer(file: &mut Vec<u8>, footer: &Footer<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let payload = serde_json::to_vec(footer)?;
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&payload);
    file.extend_from_slice(&i32::try_from(payload.len())?.to_le_bytes());
    file.extend_from_slice(&NO_FLAGS);
    file.extend_from_slice(MAGIC);
    Ok(())
}

#[cfg(test)]
mod tests;
