//! When each log batch was committed, of those whose snapshots of the changelog are gone (DESIGN.md rule 14).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::{TableState, VersionInfo};
use crate::record::{BatchOrdinal, LogHeader, own_header};

/// Table property of a changelog: URL of the file with its [`LogTimes`].
pub const LOG_TIMES: &str = "waterline.log-times";

/// Oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTimes(Vec<LoggedAt>);

/// What a reader of the past needs of a log batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Numbers", into = "Numbers")]
struct LoggedAt {
    committed_at_ms: i64,
    batch: BatchOrdinal,
    watermark_us: Option<i64>,
    since_us: Option<i64>,
}

/// In the order of the fields: there may be one for every minute of years.
type Numbers = (i64, i64, Option<i64>, Option<i64>);

impl From<Numbers> for LoggedAt {
    fn from((committed_at_ms, batch, watermark_us, since_us): Numbers) -> Self {
        Self { committed_at_ms, batch: BatchOrdinal(batch), watermark_us, since_us }
    }
}

impl From<LoggedAt> for Numbers {
    fn from(logged: LoggedAt) -> Self {
        (logged.committed_at_ms, logged.batch.0, logged.watermark_us, logged.since_us)
    }
}

impl LogTimes {
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| Error::corrupt("the file of commit times cannot be read").caused_by(e))
    }

    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal("commit times cannot be written").caused_by(e))
    }

    /// Takes in log commits that are to be forgotten.
    pub fn add<'a>(&mut self, commits: impl IntoIterator<Item = &'a VersionInfo>) -> Result<()> {
        for info in commits {
            let Some(header) = own_header(info)? else { continue };
            let LogHeader { batch, watermark_us, since_us, .. } = header;
            self.0.push(LoggedAt { committed_at_ms: info.committed_at_ms, batch, watermark_us, since_us });
        }
        self.0.sort_by_key(|logged| (logged.committed_at_ms, logged.batch));
        self.0.dedup();
        Ok(())
    }

    /// The header of the newest batch that was committed by then, as far as it is known; the default one where none was.
    /// `None` when that cannot be told.
    pub(crate) fn header_by(&self, commit_time_ms: i64) -> Option<LogHeader> {
        let known = self.0.partition_point(|logged| logged.committed_at_ms <= commit_time_ms);
        match known.checked_sub(1).map(|at| self.0[at]) {
            Some(LoggedAt { batch, watermark_us, since_us, .. }) => {
                Some(LogHeader { batch, watermark_us, since_us, ..LogHeader::default() })
            }
            None => (self.0.first()?.batch == BatchOrdinal(1)).then(LogHeader::default),
        }
    }
}

/// Whether a commit time lies before all log commits that the changelog keeps, so that [`LogTimes`] are needed.
pub fn is_before_kept(log: &TableState, commit_time_ms: i64) -> bool {
    log.lineage().all(|info| info.committed_at_ms > commit_time_ms)
}
