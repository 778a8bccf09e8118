//! The `deletion-vector-v1` blob (Puffin spec): length, magic, a portable 64-bit roaring bitmap, CRC-32.

use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};

const MAGIC: [u8; 4] = [0xD1, 0xD3, 0x39, 0x64];
const LENGTH_BYTES: usize = 4;
const CRC_BYTES: usize = 4;

pub(crate) fn encode(positions: &RoaringTreemap) -> Result<Vec<u8>> {
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
pub(crate) fn decode(blob: &[u8]) -> Result<RoaringTreemap> {
    let corrupt = |what: &str| Error::corrupt("a deletion vector cannot be read").with("part", what);
    let (length, rest) = blob.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| corrupt("length"))?;
    let (body, crc) = rest.split_last_chunk::<CRC_BYTES>().ok_or_else(|| corrupt("checksum"))?;
    if u32::from_be_bytes(*length) as usize != body.len() {
        return Err(corrupt("length"));
    }
    if u32::from_be_bytes(*crc) != crc32fast::hash(body) {
        return Err(corrupt("checksum"));
    }
    let bitmap = body.strip_prefix(&MAGIC).ok_or_else(|| corrupt("magic number"))?;
    RoaringTreemap::deserialize_from(bitmap).map_err(|e| corrupt("bitmap").caused_by(e))
}

#[cfg(test)]
mod tests;
