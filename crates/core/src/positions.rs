//! How far a table's input has been read: the content of the immutable file that each log batch names
//! (DESIGN.md rules 17 and 19).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::normalise::RunState;

/// Positions by the URL of the source file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourcePositions {
    pub files: BTreeMap<String, FilePosition>,
    /// Reads so far of a snapshot run that has begun and not ended.
    #[serde(default)]
    pub reads_of_run: Option<u64>,
}

/// Everything before this point of a file is logged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FilePosition {
    /// Decompressed bytes read.
    pub offset_bytes: u64,
    /// Records read.
    pub records: u64,
    /// Hash (XXH3, 64 bits) of the decompressed bytes before the offset.
    pub prefix_hash: u64,
    /// What the store said of the file when it was read to this point.
    pub seen: FileVersion,
    /// The run of events with one order that the position may lie in.
    pub run: RunState,
}

/// Size and change mark of a file in a store: when both are the same, so is its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileVersion {
    pub size_bytes: u64,
    /// Modification time, and ETag where the store has one.
    pub mark: String,
    /// Whether the whole file was read when it was like this.
    pub complete: bool,
}

impl SourcePositions {
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal("positions cannot be written").caused_by(e))
    }

    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| Error::corrupt("the file of source positions cannot be read").caused_by(e))
    }

    /// Whether a file was read to its end and has not changed since.
    pub fn is_done(&self, url: &str, now: &FileVersion) -> bool {
        self.files
            .get(url)
            .is_some_and(|known| known.seen.complete && known.seen.size_bytes == now.size_bytes && known.seen.mark == now.mark)
    }
}
