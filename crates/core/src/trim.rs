//! Trimming: the oldest events have left a changelog (DESIGN.md rule 21). From the trim on every moment is answered as ever, before it
//! only the moments that were kept as baselines.

use serde::{Deserialize, Serialize};

use crate::record::{Baseline, BatchOrdinal, Kind, Record};

/// How the tags of baselines begin that a trim made; the time in microseconds follows. They count from the trim on.
const KEPT_TAG: &str = "waterline/kept-";

/// Tag of a moment that is kept.
pub fn kept_tag(at_us: i64) -> String {
    format!("{KEPT_TAG}{at_us}")
}

/// The baseline of a moment that is kept.
pub fn kept_baseline(at_us: i64) -> Baseline {
    Baseline { at_us: Some(at_us), until_us: None, anchor: Some(kept_tag(at_us)), run: None }
}

/// The newest trim of a changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trim {
    /// Events up to this time are gone, and such that come later are not taken any more.
    pub until_us: i64,
    /// The last log batch that held any of them.
    pub settled: BatchOrdinal,
    /// When that had been committed; milliseconds since the epoch.
    pub settled_ms: i64,
}

impl Trim {
    pub(crate) fn tag(&self) -> String {
        kept_tag(self.until_us)
    }

    /// Whether the events before a kept moment are gone, so that it counts.
    pub(crate) fn keeps_tag(&self, tag: &str) -> bool {
        tag.strip_prefix(KEPT_TAG).and_then(|at| at.parse::<i64>().ok()).is_some_and(|at| at <= self.until_us)
    }

    pub fn baseline(&self) -> Baseline {
        kept_baseline(self.until_us)
    }

    /// Whether a mirror with this record has yet to fold onto the trim's baseline.
    pub fn is_ahead_of(&self, record: &Record) -> bool {
        record.baseline.at_us < Some(self.until_us)
    }

    /// Whether a snapshot with this record holds all of the trimmed events, so that it is one of the trim's epoch.
    pub(crate) fn includes(&self, record: &Record) -> bool {
        self.is_ahead_of(record) && record.folded >= self.settled && record.kind != Kind::Baseline
    }
}

/// Whether the tag is that of a kept moment, which counts only when the events before it are gone.
pub(crate) fn is_kept_tag(tag: &str) -> bool {
    tag.starts_with(KEPT_TAG)
}
