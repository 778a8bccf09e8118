//! A deletion vector as Iceberg's `deletion-vector-v1` blob and Delta's deletion vector files hold it: length, magic, a portable
//! 64-bit roaring bitmap, CRC-32.

use crate::error::{Error, Result};
use roaring::RoaringTreemap;

const MAGIC: [u8; 4] = [0xD1, 0xD3, 0x39, 0x64];
const LENGTH_BYTES: usize = 4;
const CRC_BYTES: usize = 4;

pub fn encode(positions: &RoaringTreemap) -> Result<Vec<u8>> {
    let fail = |e: &dyn std::fmt::Display| Error::internal("a deletion vector cannot be written").with("cause", e);
    let mut blob = vec![0; LENGTH_BYTES];
    blob.extend_from_slice(&MAGIC);
    positions.serialize_into(&mut blob).map_err(|e| fail(&e))?;
    let body = &blob[LENGTH_BYTES..];
    let (length, crc) = (u32::try_from(body.len()).map_err(|e| fail(&e))?, crc32fast::hash(body));
    blob[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(&crc.to_be_bytes());
    Ok(blob)
}

/// Checks the length, the magic number and the checksum, and that the bitmap is well-formed.
pub fn decode(blob: &[u8]) -> Result<RoaringTreemap> {
    let (length, rest) = blob.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| corrupt("length"))?;
    let (body, crc) = rest.split_last_chunk::<CRC_BYTES>().ok_or_else(|| corrupt("checksum"))?;
    if u32::from_be_bytes(*length) as usize != body.len() {
        return Err(corrupt("length"));
    }
    if u32::from_be_bytes(*crc) != crc32fast::hash(body) {
        return Err(corrupt("checksum"));
    }
    decode_body(body)
}

/// What lies between length and checksum, which Delta's inline vectors lack.
pub fn decode_body(body: &[u8]) -> Result<RoaringTreemap> {
    let bitmap = body.strip_prefix(&MAGIC).ok_or_else(|| corrupt("magic number"))?;
    RoaringTreemap::deserialize_from(bitmap).map_err(|e| corrupt("bitmap").caused_by(e))
}

fn corrupt(part: &str) -> Error {
    Error::corrupt("a deletion vector cannot be read").with("part", part)
}

#[cfg(test)]
mod tests;
