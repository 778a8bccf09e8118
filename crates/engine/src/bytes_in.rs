//! Bytes of input files: read in large ranges, one ahead, and decompressed on the way.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::task::JoinHandle;
use waterline_core::error::{Error, Result};
use waterline_env::Env;

const CHUNK_BYTES: u64 = 4 << 20;
/// Less where it may grow a thousandfold.
const COMPRESSED_CHUNK_BYTES: u64 = 256 << 10;

/// A file in a landing area or a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    pub url: String,
    pub size_bytes: u64,
    /// Modification time, and ETag where the store has one.
    pub mark: String,
}

/// How a file is compressed, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(url: &str) -> Self {
        match url.rsplit_once('.') {
            Some((_, "gz" | "gzip")) => Self::Gzip,
            Some((_, "zst" | "zstd")) => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Decompressed bytes of a file, chunk by chunk.
pub struct InputBytes {
    url: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
    size_bytes: u64,
    next: u64,
    ahead: Option<JoinHandle<object_store::Result<Bytes>>>,
    decompressor: Decompressor,
}

enum Decompressor {
    None,
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Vec<u8>>>),
}

impl InputBytes {
    pub fn open(env: &Env, file: &InputFile) -> Result<Self> {
        let (store, path) = env.stores.resolve(&file.url)?;
        let decompressor = match Compression::of(&file.url) {
            Compression::None => Decompressor::None,
            Compression::Gzip => Decompressor::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => {
                let decoder = zstd::stream::write::Decoder::new(Vec::new())
                    .map_err(|e| Error::internal("cannot start to decompress").caused_by(e))?;
                Decompressor::Zstd(Box::new(decoder))
            }
        };
        let mut input = Self { url: file.url.clone(), store, path, size_bytes: file.size_bytes, next: 0, ahead: None, decompressor };
        input.read_ahead();
        Ok(input)
    }

    /// Compressed bytes read.
    pub fn read_bytes(&self) -> u64 {
        self.next
    }

    /// The next bytes; `None` at the end.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(ahead) = self.ahead.take() else { return self.finish() };
        let fetched = ahead.await.map_err(|e| Error::internal("reading stopped").with("file", &self.url).caused_by(e))?;
        let chunk = fetched.map_err(|e| match e {
            object_store::Error::NotFound { .. } => Error::not_found("the file is gone").with("file", &self.url),
            e => Error::unavailable("cannot read the file").with("file", &self.url).caused_by(e),
        })?;
        self.next += chunk.len() as u64;
        self.read_ahead();
        self.decompress(chunk).map(Some)
    }

    fn read_ahead(&mut self) {
        if self.next < self.size_bytes {
            let (store, path) = (self.store.clone(), self.path.clone());
            let chunk_bytes = if matches!(self.decompressor, Decompressor::None) { CHUNK_BYTES } else { COMPRESSED_CHUNK_BYTES };
            let range = self.next..(self.next + chunk_bytes).min(self.size_bytes);
            self.ahead = Some(tokio::spawn(async move { store.get_range(&path, range).await }));
        }
    }

    fn decompress(&mut self, chunk: Bytes) -> Result<Bytes> {
        let written = match &mut self.decompressor {
            Decompressor::None => return Ok(chunk),
            Decompressor::Gzip(decoder) => {
                decoder.write_all(&chunk).and_then(|()| decoder.flush()).map(|()| std::mem::take(decoder.get_mut()))
            }
            Decompressor::Zstd(decoder) => {
                decoder.write_all(&chunk).and_then(|()| decoder.flush()).map(|()| std::mem::take(decoder.get_mut()))
            }
        };
        written.map(Bytes::from).map_err(|e| self.damaged(e))
    }

    /// What the decompressor still holds; an error when the file ends in the middle of a compressed stream.
    fn finish(&mut self) -> Result<Option<Bytes>> {
        let rest = match std::mem::replace(&mut self.decompressor, Decompressor::None) {
            Decompressor::None => return Ok(None),
            Decompressor::Gzip(mut decoder) if self.size_bytes > 0 => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut())),
            Decompressor::Gzip(_) => return Ok(None),
            Decompressor::Zstd(mut decoder) => decoder.flush().map(|()| std::mem::take(decoder.get_mut())),
        };
        let rest = rest.map_err(|e| self.damaged(e))?;
        Ok((!rest.is_empty()).then(|| Bytes::from(rest)))
    }

    fn damaged(&self, error: std::io::Error) -> Error {
        Error::bad_input("the file cannot be decompressed; it is damaged or cut off").with("file", &self.url).caused_by(error)
    }
}
