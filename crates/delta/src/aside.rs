//! Snapshots beside the main branch. Each is a Delta table of its own with one version, a shallow clone: its log names the files of
//! the table by paths that lead back into it, so that it moves with the table. delta-rs and DuckDB open it; readers that know
//! neither such paths nor absolute ones do not. They open a copy, whose files lie beside its log.

use std::sync::Arc;

use waterline_core::error::Result;
use waterline_core::format::{COMMIT_ID, COPY, Commit, Target, VersionId};
use waterline_env::files::NewFile;
use xxhash_rust::xxh3::xxh3_64;

use crate::actions::Action;
use crate::commit::{self, Changes};
use crate::history::{self, Done, commit_info, name_of};
use crate::ledger::{Aside, FOLDER};
use crate::log::{self, Log};
use crate::replay::Replayed;
use crate::snapshot::Snapshot;
use crate::state::Head;
use crate::table::DeltaTable;
use crate::totals;

impl DeltaTable {
    /// The rows of a snapshot of either kind. One that the table does not have is not found.
    pub(crate) async fn snapshot(&self, head: &Head, version: VersionId) -> Result<Arc<Snapshot>> {
        match head.ledger.aside(version.0) {
            Some(aside) => self.aside_snapshot(aside).await,
            None => self.main_snapshot(head, version.0).await,
        }
    }

    pub(crate) fn log_of(&self, aside: &Aside) -> Log {
        Log { root: format!("{}/{}", self.log.root, aside.folder), files: self.log.files.clone() }
    }

    async fn aside_snapshot(&self, aside: &Aside) -> Result<Arc<Snapshot>> {
        let log = self.log_of(aside);
        if let Some(known) = self.snapshots.get(&log.root) {
            return Ok(known);
        }
        let read = Replayed::read(&log)
            .await?
            .ok_or_else(|| waterline_core::error::Error::corrupt("the log of a tagged snapshot is gone").with("folder", &log.root))?;
        self.snapshots.insert(log.root, read.snapshot.clone(), read.snapshot.files.len());
        Ok(read.snapshot)
    }

    /// Stages a snapshot on top of `parent`, whose files are those of `rows`. Returns what the ledger knows of it.
    pub(crate) async fn stage_aside(
        &self,
        rows: Snapshot,
        parent: Option<VersionId>,
        version: i64,
        at_ms: i64,
        commit: &Commit,
    ) -> Result<StagedAside> {
        let Changes { actions, mut files } = commit::stage(&self.log.files, &rows, commit, at_ms, self.env.ids.uuid()).await?;
        let whole = rows.next(rows.version, &actions)?;
        let mut done = done(commit);
        done.summary.extend(totals::summary(&rows, &whole, &actions, None)?);
        let folder = copied_into(&rows.root, commit).unwrap_or_else(|| folder_of(version, &commit.commit_id));
        let aside = Aside { version, parent: parent.map(|parent| parent.0), committed_at_ms: at_ms, folder, done };
        let clone = shallow_clone(&whole, &aside)?;
        let log = self.log_of(&aside);
        files.push(NewFile { location: log.commit_location(0), bytes: log::write_actions(&clone)?.into() });
        let snapshot = Arc::new(Snapshot::first(&log.root, 0, &clone)?);
        Ok(StagedAside { aside, snapshot, files })
    }
}

/// The folder of a copy, which then is a whole table: that of its files.
fn copied_into(root: &str, commit: &Commit) -> Option<String> {
    let (folder, _) = commit.add.first()?.path.rsplit_once('/')?;
    let folder = folder.strip_prefix(root)?.strip_prefix('/')?;
    folder.strip_prefix(FOLDER)?.strip_prefix('/')?.starts_with(COPY).then(|| folder.to_owned())
}

pub(crate) struct StagedAside {
    pub(crate) aside: Aside,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) files: Vec<NewFile>,
}

/// A folder that no other attempt has, where `seed` tells them apart.
pub(crate) fn folder_of(version: i64, seed: &str) -> String {
    format!("{FOLDER}/{version:020}-{:016x}", xxh3_64(seed.as_bytes()))
}

/// The one commit of a snapshot's own table.
pub(crate) fn shallow_clone(snapshot: &Snapshot, aside: &Aside) -> Result<Vec<Action>> {
    let info = commit_info(name_of(aside.done.operation), aside.committed_at_ms, Some(&aside.done))?;
    let mut actions = vec![
        Action { commit_info: Some(info), ..Action::default() },
        snapshot.protocol.as_ref().clone().into(),
        snapshot.table.raw.clone().into(),
    ];
    actions.extend(snapshot.files.values().map(|file| Action::from(commit::named_aside(&snapshot.root, &aside.folder, file))));
    history::stamp(&mut actions, aside.committed_at_ms, &snapshot.protocol, &snapshot.table.raw);
    Ok(actions)
}

/// What the history says of a commit.
pub(crate) fn done(commit: &Commit) -> Done {
    let mut summary = commit.summary.clone();
    summary.insert(COMMIT_ID.into(), commit.commit_id.clone());
    let goes_on_from = match commit.target {
        Target::Rollback { to } => Some(to.0),
        Target::Main | Target::Aside { .. } => None,
    };
    Done { operation: commit.operation, summary, goes_on_from }
}
