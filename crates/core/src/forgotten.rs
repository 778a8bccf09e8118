//! What snapshots that are gone said of the past, as far as reads of the past need it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::TableState;

/// Table property of a mirror's [`Forgotten`].
pub const FORGOTTEN: &str = "waterline.forgotten";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// When events other than snapshot reads had been folded onto nothing; milliseconds since the epoch.
    #[serde(default)]
    pub began_empty_ms: Option<i64>,
    /// By these commit times the table's baselines cannot be told any more.
    #[serde(default)]
    pub unknown: Vec<CommitTimes>,
}

/// `from_ms` until just before `until_ms`, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitTimes {
    pub from_ms: i64,
    pub until_ms: i64,
}

impl Forgotten {
    pub fn of(state: &TableState) -> Result<Self> {
        let Some(json) = state.properties.get(FORGOTTEN) else { return Ok(Self::default()) };
        serde_json::from_str(json).map_err(|e| Error::corrupt("what the table says of expired snapshots cannot be read").caused_by(e))
    }

    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("what expired cannot be written").caused_by(e))
    }

    pub fn is_unknown(&self, commit_time_ms: i64) -> bool {
        self.unknown.iter().any(|times| (times.from_ms..times.until_ms).contains(&commit_time_ms))
    }
}
