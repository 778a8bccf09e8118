//! The first records of a file.

use std::io::{BufRead, BufReader, Cursor, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use object_store::{GetOptions, GetRange, ObjectStoreExt};
use waterline_core::error::{Error, Result};

use crate::discover::landing::LandingFile;

/// Stored bytes that are read of a file.
const SAMPLE_BYTES: u64 = 4 << 20;
/// Records that are looked at.
const SAMPLE_RECORDS: usize = 2000;
/// Decoded bytes that are looked at, whatever a file's compression.
const DECODED_BYTES: u64 = 64 << 20;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Whole lines from the beginning of the file.
pub(super) async fn read_records(file: &LandingFile) -> Result<Vec<Vec<u8>>> {
    let options = GetOptions { range: Some(GetRange::Bounded(0..SAMPLE_BYTES)), ..GetOptions::default() };
    let unreadable = |e: object_store::Error| Error::unavailable("the file cannot be read").with("file", &file.shown).caused_by(e);
    let stored = match file.store.get_opts(&file.path, options).await {
        Ok(result) => result.bytes().await.map_err(unreadable)?,
        // A range of an empty file does not exist.
        Err(_) if file.store.head(&file.path).await.is_ok_and(|meta| meta.size == 0) => Bytes::new(),
        Err(error) => return Err(unreadable(error)),
    };
    let is_cut = stored.len() as u64 == SAMPLE_BYTES;
    Ok(lines(decoded(&stored)?, is_cut))
}

/// A reader of the decompressed bytes; the compression is told by the first bytes, not by the name.
fn decoded(stored: &[u8]) -> Result<Box<dyn Read + '_>> {
    let reader: Box<dyn Read> = if stored.starts_with(GZIP_MAGIC) {
        Box::new(MultiGzDecoder::new(stored))
    } else if stored.starts_with(ZSTD_MAGIC) {
        Box::new(zstd::Decoder::new(stored).map_err(|e| Error::bad_input("not a zstd file").caused_by(e))?)
    } else {
        Box::new(Cursor::new(stored))
    };
    Ok(Box::new(reader.take(DECODED_BYTES)))
}

/// Lines up to the limit. A sample that was cut ends within a line, or within a compressed block: that end is left out.
fn lines(reader: impl Read, is_cut: bool) -> Vec<Vec<u8>> {
    let mut reader = BufReader::new(reader);
    let mut lines = Vec::new();
    while lines.len() < SAMPLE_RECORDS {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) if is_cut && !line.ends_with(b"\n") => break,
            Ok(_) => lines.push(line),
        }
    }
    lines
}
