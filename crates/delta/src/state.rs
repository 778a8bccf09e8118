//! From Delta's view of a table to the seam's.

use std::collections::BTreeMap;
use std::sync::Arc;

use waterline_core::error::{Error, Result};
use waterline_core::format::{Operation, Ref, RefKind, TableState, VersionId, VersionInfo};

use crate::history::Done;
use crate::interval::interval_ms;
use crate::ledger::{self, Aside, Ledger};
use crate::replay::Replayed;
use crate::snapshot::Snapshot;

/// Property of the seam for how old snapshots become, in milliseconds.
const SNAPSHOT_AGE: &str = "history.expire.max-snapshot-age-ms";

/// The newest state of a table.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) log: Replayed,
    pub(crate) ledger: Arc<Ledger>,
    /// Snapshots of the main branch, and all with those aside; oldest first.
    main: Arc<Vec<VersionInfo>>,
    history: Arc<Vec<VersionInfo>>,
}

/// What a [`TableState`] of this crate holds inside.
#[derive(Debug)]
pub(crate) struct DeltaState {
    /// The newest state that was known.
    pub(crate) head: Arc<Head>,
    pub(crate) version: Option<VersionId>,
    /// The state's own snapshot.
    pub(crate) snapshot: Arc<Snapshot>,
}

impl DeltaState {
    pub(crate) fn of(state: &TableState) -> Result<&Self> {
        state.inner.downcast_ref().ok_or_else(|| Error::internal("the state is of another table format"))
    }
}

impl Head {
    pub(crate) fn new(log: Replayed, ledger: Arc<Ledger>) -> Self {
        let main = Arc::new(main(&log, &ledger));
        let aside = |aside: &Aside| info(aside.version, aside.parent.map(VersionId), aside.committed_at_ms, &aside.done);
        let history = if ledger.asides.is_empty() {
            main.clone()
        } else {
            let mut all: Vec<VersionInfo> = main.iter().cloned().chain(ledger.asides.iter().map(aside)).collect();
            // Both count commits of one log.
            all.sort_by_key(|info| info.version.0);
            Arc::new(all)
        };
        Self { log, ledger, main, history }
    }

    pub(crate) fn version(&self) -> i64 {
        self.log.snapshot.version
    }

    /// The newest version of the main branch that is a snapshot of rows.
    pub(crate) fn newest(&self) -> Option<&VersionInfo> {
        self.main.last()
    }

    /// Snapshots of the main branch that the log leads to, oldest first.
    pub(crate) fn main(&self) -> &[VersionInfo] {
        &self.main
    }

    /// All snapshots, also those aside, oldest first.
    pub(crate) fn history(&self) -> &[VersionInfo] {
        &self.history
    }

    /// Where the main branch would begin: the oldest of its snapshots from which on all are kept.
    pub(crate) fn begin_of(&self, is_kept: impl Fn(VersionId) -> bool) -> Option<&VersionInfo> {
        self.main.iter().rev().take_while(|info| is_kept(info.version)).last()
    }

    /// The newest state of the main branch.
    pub(crate) fn state(self: &Arc<Self>) -> TableState {
        self.state_of(self.newest().map(|info| info.version), self.log.snapshot.clone())
    }

    /// How old versions become before they expire, where Delta's own properties say it. That others are not to clean up the log says
    /// nothing of tables of ours, which are made so.
    fn snapshot_age_ms(&self, properties: &BTreeMap<String, String>) -> Option<i64> {
        let is_ours = !self.ledger.properties.is_empty();
        match properties.get("delta.enableExpiredLogCleanup").map(String::as_str) {
            Some("false") if !is_ours => Some(i64::MAX),
            _ => interval_ms(properties.get("delta.logRetentionDuration")?),
        }
    }

    pub(crate) fn state_of(self: &Arc<Self>, version: Option<VersionId>, snapshot: Arc<Snapshot>) -> TableState {
        let newest = &self.log.snapshot;
        let mut properties = newest.table.properties(&newest.protocol);
        properties.extend(self.ledger.properties.clone());
        if let Some(age_ms) = self.snapshot_age_ms(&properties) {
            properties.entry(SNAPSHOT_AGE.to_owned()).or_insert_with(|| age_ms.to_string());
        }
        let tags = self.ledger.tags.iter().map(|(tag, version)| (tag.clone(), Ref { version: VersionId(*version), kind: RefKind::Tag }));
        let main = self.newest().map(|info| ("main".to_owned(), Ref { version: info.version, kind: RefKind::Branch }));
        TableState {
            version,
            location: newest.root.clone(),
            own_folder: format!("{}/{}", newest.root, ledger::FOLDER),
            metadata_location: (snapshot.root != newest.root).then(|| snapshot.root.clone()),
            schema: snapshot.table.schema.clone(),
            keys: if snapshot.table.keys.is_empty() { self.ledger.keys() } else { snapshot.table.keys.clone() },
            partition_by: snapshot.table.partition_by(),
            properties,
            history: self.history.clone(),
            refs: tags.chain(main).collect(),
            rules: newest.table.rules.clone(),
            inner: Arc::new(DeltaState { head: self.clone(), version, snapshot }),
        }
    }
}

/// Snapshots of the main branch, oldest first.
fn main(log: &Replayed, ledger: &Ledger) -> Vec<VersionInfo> {
    let oldest = log.events.first().map_or(0, |event| event.version);
    // Others may have cleaned up the log further than we did.
    let begin = ledger.begin.as_ref().filter(|begin| begin.version >= oldest);
    let just_before = |version: i64| (0..version).rev().find(|before| ledger.aside(*before).is_none()).map(VersionId);
    let from = begin.map_or(oldest, |begin| begin.version);
    let mut parent = begin.map_or_else(|| just_before(oldest), |begin| begin.parent.map(VersionId));
    let mut next = from;
    let mut infos = Vec::new();
    for event in log.events.iter().filter(|event| event.version >= from) {
        if event.version != next {
            // Commits are missing, and the parent with them.
            parent = just_before(event.version);
        }
        next = event.version + 1;
        let Some(done) = &event.snapshot else { continue };
        infos.push(info(event.version, done.goes_on_from.map(VersionId).or(parent), event.committed_at_ms, done));
        parent = Some(VersionId(event.version));
    }
    if infos.is_empty() && log.events.first().is_none_or(|event| event.version > 0) {
        infos.extend(cleaned(&log.snapshot, ledger));
    }
    infos
}

/// The newest snapshot when its commit is not in the log any more.
fn cleaned(snapshot: &Snapshot, ledger: &Ledger) -> Option<VersionInfo> {
    let newest_file_ms = snapshot.files.values().map(|file| file.add.modification_time).max();
    let unknown = || newest_file_ms.map(|_| Done { operation: Operation::Overwrite, summary: BTreeMap::new(), goes_on_from: None });
    let done = ledger.newest.clone().or_else(unknown)?;
    Some(info(snapshot.version, Some(VersionId(snapshot.version - 1)), newest_file_ms.unwrap_or_default(), &done))
}

fn info(version: i64, parent: Option<VersionId>, committed_at_ms: i64, done: &Done) -> VersionInfo {
    VersionInfo { version: VersionId(version), parent, committed_at_ms, operation: done.operation, summary: done.summary.clone() }
}
