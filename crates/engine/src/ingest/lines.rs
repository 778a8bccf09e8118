//! Lines of a source file, with the position behind each.

use bytes::Bytes;
use waterline_core::error::{Error, Result};
use waterline_core::normalise::RunState;
use waterline_core::positions::{FilePosition, FileVersion};
use waterline_env::Env;
use xxhash_rust::xxh3::Xxh3Default;

use crate::bytes_in::{InputBytes, InputFile};

/// A longer line is taken for a file that has no lines.
const MAX_LINE_BYTES: usize = 256 << 20;

/// A point at the end of a line of a file, before its line feed: a last line without one may get it later.
#[derive(Clone)]
pub(super) struct Cursor {
    /// Decompressed bytes before the point.
    pub offset_bytes: u64,
    /// Lines before the point.
    pub records: u64,
    hash: Xxh3Default,
    /// Whether the line feed is there.
    is_line_fed: bool,
    /// Whether there is nothing but space before the point.
    is_blank: bool,
}

impl Cursor {
    fn start() -> Self {
        Self { offset_bytes: 0, records: 0, hash: Xxh3Default::new(), is_line_fed: false, is_blank: true }
    }

    /// Hash of the bytes before the point.
    pub(super) fn prefix_hash(&self) -> u64 {
        self.hash.digest()
    }

    pub(super) fn is_blank(&self) -> bool {
        self.is_blank
    }

    /// Where the next line starts.
    pub(super) fn next_line_bytes(&self) -> u64 {
        self.offset_bytes + u64::from(self.is_line_fed)
    }

    /// The point as a position in its file.
    pub(super) fn position(&self, file: &InputFile, complete: bool, run: RunState) -> FilePosition {
        FilePosition {
            offset_bytes: self.offset_bytes,
            records: self.records,
            prefix_hash: self.prefix_hash(),
            seen: FileVersion { size_bytes: file.size_bytes, mark: file.mark.clone(), complete },
            run,
        }
    }

    fn pass(&mut self, line: &[u8]) {
        if self.is_line_fed {
            self.hash.update(b"\n");
        }
        self.offset_bytes = self.next_line_bytes();
        let text = line.strip_suffix(b"\n");
        self.is_line_fed = text.is_some();
        let text = text.unwrap_or(line);
        self.is_blank &= text.trim_ascii_start().is_empty();
        self.hash.update(text);
        self.offset_bytes += text.len() as u64;
        self.records += 1;
    }
}

/// Whole lines that were read together.
pub(super) struct Block(Bytes);

/// Reads a file block by block.
pub(super) struct Lines {
    file: InputFile,
    input: InputBytes,
    partial: Vec<u8>,
    pub cursor: Cursor,
}

impl Lines {
    pub(super) fn open(env: &Env, file: &InputFile) -> Result<Self> {
        Ok(Self { file: file.clone(), input: InputBytes::open(env, file)?, partial: Vec::new(), cursor: Cursor::start() })
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.input.read_bytes()
    }

    /// The next whole lines. The last one may lack its line feed.
    pub(super) async fn next_block(&mut self) -> Result<Option<Block>> {
        while let Some(chunk) = self.input.next_chunk().await? {
            let Some(end) = memchr::memrchr(b'\n', &chunk) else {
                self.keep(&chunk)?;
                continue;
            };
            let whole = chunk.slice(..=end);
            let block = if self.partial.is_empty() {
                whole
            } else {
                self.partial.extend_from_slice(&whole);
                Bytes::from(std::mem::take(&mut self.partial))
            };
            self.keep(&chunk.slice(end + 1..))?;
            return Ok(Some(Block(block)));
        }
        let rest = std::mem::take(&mut self.partial);
        Ok((!rest.is_empty()).then(|| Block(Bytes::from(rest))))
    }

    /// Moves behind a line of a block.
    pub(super) fn pass(&mut self, line: &[u8]) {
        self.cursor.pass(line);
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        if self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            let limit = MAX_LINE_BYTES >> 20;
            return Err(Error::bad_input(format!("a line is longer than {limit} MiB"))
                .with("file", &self.file.url)
                .with("record", self.cursor.records + 1));
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

impl Block {
    /// Lines with their line feeds.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split_inclusive(|byte| *byte == b'\n')
    }
}
