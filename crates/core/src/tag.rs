//! What a snapshot says of itself that a user made of a past moment, to be read by any engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::{TableState, VersionId, VersionInfo};
use crate::record::BatchOrdinal;
use crate::table::TableName;

/// Summary property of a tagged moment's [`TagRecord`].
pub const TAG: &str = "waterline.tag";
/// How the names of our own tags begin.
const RESERVED: &str = "waterline/";

/// One moment of many tables. All of its snapshots say the same, so that any of them is enough to complete the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagRecord {
    /// Tells two tags of one name apart.
    pub id: String,
    /// Event time, microseconds since the epoch.
    pub at_us: i64,
    /// The last log batch that counts, for each table.
    pub tables: BTreeMap<TableName, BatchOrdinal>,
}

/// A tag of a table that holds a past moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedMoment {
    pub name: String,
    pub version: VersionId,
    pub record: TagRecord,
}

impl TagRecord {
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a tag's record cannot be written").caused_by(e))
    }
}

/// Fails for names that cannot be told from other things that a snapshot is named by.
pub fn check_name(name: &str) -> Result<()> {
    let problem = if name.is_empty() || name.chars().any(char::is_control) {
        "a tag needs a name"
    } else if name.starts_with(RESERVED) {
        "names that begin with `waterline/` are Waterline's own"
    } else if name.parse::<i64>().is_ok() {
        "a tag that is called like a number would be taken for a snapshot's id"
    } else {
        return Ok(());
    };
    Err(Error::usage(problem).with("tag", name))
}

/// The tagged moments of a table.
pub fn tagged_moments(state: &TableState) -> Result<Vec<TaggedMoment>> {
    let mut moments = Vec::new();
    for (name, reference) in &state.refs {
        if let Some(record) = state.info(reference.version).map(record_of).transpose()?.flatten() {
            moments.push(TaggedMoment { name: name.clone(), version: reference.version, record });
        }
    }
    Ok(moments)
}

fn record_of(info: &VersionInfo) -> Result<Option<TagRecord>> {
    let Some(json) = info.summary.get(TAG) else { return Ok(None) };
    serde_json::from_str(json).map(Some).map_err(|e| Error::corrupt("the record of a tag cannot be read").caused_by(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for name in ["", "waterline/x", "7", "-7", "a\nb"] {
            assert_eq!(check_name(name).unwrap_err().kind(), crate::error::ErrorKind::Usage, "{name:?}");
        }
        for name in ["backtest-2025-11-12", "7 days", "waterline", "as of/1"] {
            check_name(name).unwrap();
        }
    }
}
