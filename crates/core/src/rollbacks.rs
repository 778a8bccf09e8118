//! Rollbacks: what a changelog says of batches that were taken back (DESIGN.md rule 22). The batches stay where they are, and
//! folds pass over them.

use serde::{Deserialize, Serialize};

use crate::format::{VersionId, VersionInfo};
use crate::record::{BatchOrdinal, Record};

/// One rollback of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The lineage that it began.
    pub lineage: u64,
    /// Batches above this one ...
    pub above: BatchOrdinal,
    /// ... up to this one are void.
    pub upto: BatchOrdinal,
    /// The mirror's snapshot that it went back to, and when that was committed in milliseconds since the epoch.
    pub to: VersionId,
    pub to_ms: i64,
}

/// All rollbacks of a table, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollbacks(Vec<Rollback>);

impl Rollback {
    /// The log batch that says so.
    fn told_by(&self) -> BatchOrdinal {
        self.upto.next()
    }

    /// Whether a snapshot of the mirror, with its record, came after the one that it went back to.
    fn takes_back(&self, info: &VersionInfo, record: &Record) -> bool {
        record.lineage < self.lineage && info.committed_at_ms > self.to_ms
    }
}

impl Rollbacks {
    pub fn push(&mut self, rollback: Rollback) {
        self.0.push(rollback);
    }

    /// Those that had been made when `upto` was the last log batch.
    #[must_use]
    pub fn known_at(&self, upto: BatchOrdinal) -> Self {
        Self(self.0.iter().filter(|rollback| rollback.told_by() <= upto).cloned().collect())
    }

    /// Whether the events of a batch do not count.
    pub fn void(&self, batch: i64) -> bool {
        self.0.iter().any(|rollback| rollback.above.0 < batch && batch <= rollback.upto.0)
    }

    /// Whether all batches from `first` to `last` are void by one rollback.
    pub fn void_all(&self, first: i64, last: i64) -> bool {
        self.0.iter().any(|rollback| rollback.above.0 < first && last <= rollback.upto.0)
    }

    pub fn take_back(&self, info: &VersionInfo, record: &Record) -> bool {
        self.0.iter().any(|rollback| rollback.takes_back(info, record))
    }

    /// The rollback that a mirror with this record has yet to follow.
    pub fn pending(&self, record: &Record) -> Option<&Rollback> {
        self.0.iter().find(|rollback| rollback.lineage > record.lineage)
    }

    pub fn newest_lineage(&self) -> Option<u64> {
        self.0.iter().map(|rollback| rollback.lineage).max()
    }
}
