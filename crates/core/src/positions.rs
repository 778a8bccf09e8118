//! How far a table's input has been read: the content of the immutable file that each log batch names
//! (DESIGN.md rules 17 and 19).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::SnapshotMark;
use crate::error::{Error, Result};
use crate::normalise::RunState;

/// Positions by the URL of the source file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourcePositions {
    pub files: BTreeMap<String, FilePosition>,
    /// The newest run of snapshot reads.
    #[serde(default)]
    pub run: RunParts,
}

/// What was read of a run of snapshot reads, in whichever order its parts came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunParts {
    /// Position that all reads of the run share, see [`crate::sequence`].
    position: String,
    has_first: bool,
    has_last: bool,
    /// From its first read on, once that came.
    reads: u64,
    /// Whether a record went to quarantine that may be one of its reads.
    is_broken: bool,
}

impl RunParts {
    /// Counts in a read. Gives the number of reads when it makes the run complete: the ends of the run are there, or its last read
    /// came before all others and is taken for its only one.
    pub fn read(&mut self, mark: SnapshotMark, position: &str) -> Option<u64> {
        let is_first = matches!(mark, SnapshotMark::First | SnapshotMark::FirstOfTable);
        let is_last = matches!(mark, SnapshotMark::Last | SnapshotMark::LastOfTable);
        let is_of_run = is_first || is_last || mark == SnapshotMark::Middle;
        if !is_of_run || position < self.position.as_str() {
            return None;
        }
        if position > self.position.as_str() {
            *self = Self { position: position.to_owned(), is_broken: self.is_broken, ..Self::default() };
        }
        if is_first {
            (self.reads, self.is_broken) = (0, false);
        }
        self.reads += 1;
        self.has_first |= is_first;
        self.has_last |= is_last;
        let is_complete = self.has_last && (self.has_first || self.reads == 1) && !self.is_broken;
        (is_complete && (is_first || is_last)).then_some(self.reads)
    }

    /// A record that may be a read of the run is missing.
    pub fn break_off(&mut self) {
        self.is_broken = true;
    }
}

/// Everything before this point of a file is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
