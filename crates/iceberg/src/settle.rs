//! Submitting new metadata to the catalog, and settling what became of it (DESIGN.md rule 20).
//!
//! A swap whose answer was lost ends only when the slot is taken: the same metadata is submitted again until the pointer
//! has moved. Whose it is then is told by the commit id in the lineage, since others may have committed on top of ours; a
//! commit aside is in no lineage of the main branch and is looked for in all snapshots.

use std::sync::{Arc, PoisonError};

use iceberg::spec::{Snapshot, SnapshotRef, TableMetadata};
use waterline_core::error::{Error, Result};
use waterline_core::format::{COMMIT_ID, Commit, CommitOutcome, Target, VersionId};
use waterline_env::attempts::{ATTEMPTS, pause};

use crate::commit::Successor;
use crate::metadata::Metadata;
use crate::pointer::Swap;
use crate::state::{self, IcebergState};
use crate::table::IcebergTable;

impl IcebergTable {
    /// Commits on top of exactly `base`.
    pub(crate) async fn commit_on(&self, base: &IcebergState, commit: &Commit) -> Result<CommitOutcome> {
        commit.check()?;
        if self.pointer.current().await? != base.metadata.location || !can_carry(base, commit.target) {
            return self.overtaken(commit).await;
        }
        let next = self.prepare(base, commit).await?;
        match self.pointer.swap(&next.base, &next.file()).await? {
            Swap::Won => self.committed(&next, commit),
            Swap::Lost => self.overtaken(commit).await,
            Swap::Unknown(error) => Ok(self.unknown(commit, next, &error)),
        }
    }

    /// Settles a commit whose outcome is not known.
    pub(crate) async fn settle_on(&self, base: &IcebergState, commit: &Commit) -> Result<CommitOutcome> {
        let mut last = Error::unavailable("the outcome of a commit is not known");
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).get(&commit.commit_id).cloned();
        let mut next = pending.filter(|next| next.base == base.metadata.location);
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.settle_once(base, commit, &mut next).await {
                Ok(Some(outcome)) => return Ok(self.settled(commit, outcome)),
                Ok(None) => {}
                Err(error) if error.kind() == waterline_core::error::ErrorKind::Unavailable => last = error,
                Err(error) => return Err(error),
            }
        }
        Ok(CommitOutcome::Unknown(last.to_string()))
    }

    /// `None` when it is still open.
    async fn settle_once(&self, base: &IcebergState, commit: &Commit, next: &mut Option<Arc<Successor>>) -> Result<Option<CommitOutcome>> {
        if self.pointer.current().await? != base.metadata.location || !can_carry(base, commit.target) {
            return self.overtaken(commit).await.map(Some);
        }
        let next = match next {
            Some(next) => next,
            // Made by a handle that is gone. If that attempt lands after all, ours loses and finds its commit id.
            None => next.insert(self.prepare(base, commit).await?),
        };
        Ok(match self.pointer.swap(&next.base, &next.file()).await? {
            Swap::Won => Some(self.committed(next, commit)?),
            Swap::Lost => Some(self.overtaken(commit).await?),
            Swap::Unknown(_) => None,
        })
    }

    fn settled(&self, commit: &Commit, outcome: CommitOutcome) -> CommitOutcome {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&commit.commit_id);
        outcome
    }

    fn unknown(&self, commit: &Commit, next: Arc<Successor>, error: &Error) -> CommitOutcome {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(commit.commit_id.clone(), next);
        CommitOutcome::Unknown(error.to_string())
    }

    fn committed(&self, next: &Successor, commit: &Commit) -> Result<CommitOutcome> {
        self.remember(next.metadata.clone());
        match (commit.target, landed(&next.metadata.table, commit)) {
            (Target::Aside { .. }, Some(version)) => state::at(next.metadata.clone(), version),
            _ => state::head(next.metadata.clone()),
        }
        .map(CommitOutcome::Committed)
    }

    fn won(&self, next: &Successor) -> Result<CommitOutcome> {
        self.remember(next.metadata.clone());
        state::head(next.metadata.clone()).map(CommitOutcome::Committed)
    }

    /// The pointer is not at the base any more: by this commit, or by another's.
    async fn overtaken(&self, commit: &Commit) -> Result<CommitOutcome> {
        let metadata = self.metadata().await?;
        match landed(&metadata.table, commit) {
            Some(version) => state::at(metadata, version).map(CommitOutcome::Committed),
            None => state::head(metadata).map(CommitOutcome::Conflict),
        }
    }

    /// Replaces the metadata by one without a new snapshot. `is_done` tells whether metadata is as wanted, whoever made it so.
    pub(crate) async fn change(&self, base: &Metadata, table: TableMetadata, is_done: impl Fn(&Metadata) -> bool) -> Result<CommitOutcome> {
        let next = self.successor(base, table)?;
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.pointer.swap(&next.base, &next.file()).await {
                Ok(Swap::Won) => return self.won(&next),
                Ok(Swap::Lost) => {
                    let metadata = self.metadata().await?;
                    let outcome = if last.is_some() && is_done(&metadata) { CommitOutcome::Committed } else { CommitOutcome::Conflict };
                    return state::head(metadata).map(outcome);
                }
                Ok(Swap::Unknown(error)) => last = Some(error),
                Err(error) if last.is_none() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Ok(CommitOutcome::Unknown(last.map_or_else(String::new, |error| error.to_string())))
    }
}

/// Whether a commit can go onto the state: the main branch only moves on from its head.
fn can_carry(base: &IcebergState, target: Target) -> bool {
    let id = |snapshot: &Snapshot| snapshot.snapshot_id();
    match target {
        Target::Main | Target::Rollback { .. } => {
            base.snapshot.as_deref().map(id) == base.metadata.table.current_snapshot().map(|snapshot| id(snapshot))
        }
        Target::Aside { .. } => true,
    }
}

/// The snapshot of a commit, if it has landed.
fn landed(table: &TableMetadata, commit: &Commit) -> Option<VersionId> {
    let is_own = |snapshot: &&SnapshotRef| snapshot.summary().additional_properties.get(COMMIT_ID) == Some(&commit.commit_id);
    let parent = |snapshot: &&SnapshotRef| snapshot.parent_snapshot_id().and_then(|id| table.snapshot_by_id(id));
    let own = match commit.target {
        Target::Main | Target::Rollback { .. } => std::iter::successors(table.current_snapshot(), parent).find(is_own),
        Target::Aside { .. } => table.snapshots().find(is_own),
    };
    own.map(|snapshot| VersionId(snapshot.snapshot_id()))
}
