//! What each commit of the log did and when, from its `commitInfo` (Delta protocol, "Commit Provenance Information").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use waterline_core::error::{Error, Result};
use waterline_core::format::Operation;

use crate::actions::{Action, Metadata, Protocol};
use crate::features::{self, IN_COMMIT_TIMESTAMP};
use crate::log::LogCommit;

/// Key of a commit's info under which we say what the seam knows of it.
const OURS: &str = "waterline";
const RESTORE: &str = "RESTORE";

/// One commit of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) version: i64,
    /// Above that of every earlier commit.
    pub(crate) committed_at_ms: i64,
    /// `None` for a commit that leaves the rows alone and is no snapshot of ours: of metadata, tags, or a snapshot aside.
    pub(crate) snapshot: Option<Done>,
}

/// What a snapshot did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) operation: Operation,
    pub(crate) summary: BTreeMap<String, String>,
    /// The older snapshot that a rollback went to; `None` where the parent is the one before in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) goes_on_from: Option<i64>,
}

impl Event {
    /// `before` is when the commit before was made.
    pub(crate) fn of(commit: &LogCommit, before_ms: Option<i64>) -> Self {
        let empty = Map::new();
        let info = commit.actions.iter().find_map(|action| action.commit_info.as_ref()).unwrap_or(&empty);
        let said_ms = [IN_COMMIT_TIMESTAMP, "timestamp"].iter().find_map(|key| info.get(*key)?.as_i64());
        let at_ms = said_ms.or(commit.modified_at_ms).unwrap_or_default();
        let snapshot = match info.get(OURS) {
            Some(ours) => serde_json::from_value(ours.clone()).ok(),
            None => Done::of_another(commit, info),
        };
        Self { version: commit.version, committed_at_ms: next_ms(at_ms, before_ms), snapshot }
    }
}

/// When a commit counts as made that says so of itself.
pub(crate) fn next_ms(at_ms: i64, before_ms: Option<i64>) -> i64 {
    before_ms.map_or(at_ms, |before| at_ms.max(before.saturating_add(1)))
}

impl Done {
    /// From the actions, whatever another writer calls it. `None` when no file came or went.
    fn of_another(commit: &LogCommit, info: &Map<String, Json>) -> Option<Self> {
        let (added, removed): (Vec<_>, Vec<_>) = (
            commit.actions.iter().filter_map(|a| a.add.as_ref()).collect(),
            commit.actions.iter().filter_map(|a| a.remove.as_ref()).collect(),
        );
        let changes_rows = added.iter().any(|add| add.data_change) || removed.iter().any(|remove| remove.data_change);
        let operation = match (added.is_empty(), removed.is_empty()) {
            (true, true) => return None,
            _ if !changes_rows => Operation::Replace,
            (false, true) => Operation::Append,
            (true, false) => Operation::Delete,
            (false, false) => Operation::Overwrite,
        };
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let summary = info.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        Some(Self { operation, summary, goes_on_from: None })
    }
}

/// The info of a commit of ours. Without `done` it is no snapshot; one that goes back is what others call a restore.
pub(crate) fn commit_info(name: &str, at_ms: i64, done: Option<&Done>) -> Result<Map<String, Json>> {
    let ours = serde_json::to_value(done).map_err(|e| Error::internal("a commit's info cannot be written").caused_by(e))?;
    let restored = done.and_then(|done| done.goes_on_from);
    let parameters = restored.map(|version| ("version".to_owned(), Json::from(version)));
    Ok(Map::from_iter([
        ("timestamp".to_owned(), Json::from(at_ms)),
        ("operation".to_owned(), Json::from(restored.map_or(name, |_| RESTORE))),
        ("operationParameters".to_owned(), Json::Object(parameters.into_iter().collect())),
        ("isBlindAppend".to_owned(), Json::from(false)),
        ("engineInfo".to_owned(), Json::from(concat!("waterline/", env!("CARGO_PKG_VERSION")))),
        (OURS.to_owned(), ours),
    ]))
}

/// Says when the first of the actions, a commit's info, was made, where the table of the commit asks for it (Delta protocol,
/// "In-Commit Timestamps").
pub(crate) fn stamp(actions: &mut [Action], at_ms: i64, protocol: &Protocol, metadata: &Metadata) {
    let info = actions.first_mut().and_then(|action| action.commit_info.as_mut());
    if let Some(info) = info.filter(|_| features::has_commit_times(protocol, &metadata.configuration)) {
        info.insert(IN_COMMIT_TIMESTAMP.to_owned(), at_ms.into());
    }
}

/// What other tools call it.
pub(crate) fn name_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Append => "WRITE",
        Operation::Replace => "OPTIMIZE",
        Operation::Overwrite => "MERGE",
        Operation::Delete => "DELETE",
    }
}
