//! Submitting commits to the log, and settling what became of them (DESIGN.md rule 20).
//!
//! A version of the log is a slot that is taken by creating its file. When the answer is lost, the same bytes are submitted again
//! until the slot is taken; whose it is then is told by what is in it, and by the commit id in the history, since others
//! may have committed on top.

use std::sync::{Arc, PoisonError};

use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{COMMIT_ID, Commit, CommitOutcome, Operation, TableState, Target, VersionId};
use waterline_env::attempts::{ATTEMPTS, pause};
use waterline_env::files::{Created, NewFile, store_failed};

use crate::actions::Action;
use crate::aside::{StagedAside, done};
use crate::commit::{self, Changes};
use crate::history::{commit_info, name_of, next_ms};
use crate::ledger::{self, Ledger};
use crate::log::{self, LogCommit};
use crate::snapshot::Snapshot;
use crate::state::{DeltaState, Head};
use crate::table::DeltaTable;
use crate::{checkpoint, features, history, past, totals};

const ASIDE: &str = "TAG";

/// A commit that is ready for its slot: everything that it names is written.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The version that it goes onto.
    base: i64,
    slot: NewFile,
    /// The table once it has landed.
    head: Arc<Head>,
    /// The snapshot that it makes, where that is not the head.
    aside: Option<(VersionId, Arc<Snapshot>)>,
}

/// What became of a slot.
enum Slot {
    Ours,
    Anothers,
    Unknown(Error),
}

impl Prepared {
    fn state(&self) -> TableState {
        match &self.aside {
            Some((version, snapshot)) => self.head.state_of(Some(*version), snapshot.clone()),
            None => self.head.state(),
        }
    }
}

impl DeltaTable {
    /// Commits on top of exactly `base`.
    pub(crate) async fn commit_on(&self, base: &DeltaState, commit: &Commit) -> Result<CommitOutcome> {
        commit.check()?;
        if self.newest().await?.version() != base.head.version() || !base.can_carry(commit.target) {
            return self.overtaken(commit).await;
        }
        let prepared = Arc::new(self.prepare(base, commit).await?);
        match self.take(&prepared).await? {
            Slot::Ours => self.landed(&prepared).await,
            Slot::Anothers => self.overtaken(commit).await,
            Slot::Unknown(error) => {
                self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(commit.commit_id.clone(), prepared);
                Ok(CommitOutcome::Unknown(error.to_string()))
            }
        }
    }

    /// Settles a commit whose outcome is not known.
    pub(crate) async fn settle_on(&self, base: &DeltaState, commit: &Commit) -> Result<CommitOutcome> {
        let mut last = Error::unavailable("the outcome of a commit is not known");
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).get(&commit.commit_id).cloned();
        let mut prepared = pending.filter(|prepared| prepared.base == base.head.version());
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.settle_once(base, commit, &mut prepared).await {
                Ok(Some(outcome)) => {
                    self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&commit.commit_id);
                    return Ok(outcome);
                }
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Unavailable => last = error,
                Err(error) => return Err(error),
            }
        }
        Ok(CommitOutcome::Unknown(last.to_string()))
    }

    /// `None` when it is still open.
    async fn settle_once(&self, base: &DeltaState, commit: &Commit, prepared: &mut Option<Arc<Prepared>>) -> Result<Option<CommitOutcome>> {
        if self.newest().await?.version() != base.head.version() || !base.can_carry(commit.target) {
            return self.overtaken(commit).await.map(Some);
        }
        let prepared = match prepared {
            Some(prepared) => prepared.clone(),
            // Made by a handle that is gone. If that attempt lands after all, ours loses and finds its commit id.
            None => prepared.insert(Arc::new(self.prepare(base, commit).await?)).clone(),
        };
        Ok(match self.take(&prepared).await? {
            Slot::Ours => Some(self.landed(&prepared).await?),
            Slot::Anothers => Some(self.overtaken(commit).await?),
            Slot::Unknown(_) => None,
        })
    }

    /// Stages a commit and writes all of its files but the one of its slot.
    async fn prepare(&self, base: &DeltaState, commit: &Commit) -> Result<Prepared> {
        let (head, snapshot) = (&base.head, &base.head.log.snapshot);
        snapshot.ensure_writable()?;
        let version = snapshot.version + 1;
        let at_ms = next_ms(commit.now_ms, head.log.committed_at_ms());
        let mut done = done(commit);
        let mut ledger = head.ledger.as_ref().clone();
        let mut actions = Vec::new();
        let mut aside = None;
        match commit.target {
            Target::Main | Target::Rollback { .. } => {
                let Changes { actions: changed, files } = match commit.target {
                    Target::Rollback { to } => self.stage_rollback(head, to, commit, at_ms).await?,
                    _ => commit::stage(&self.log.files, snapshot, commit, at_ms, self.env.ids.uuid()).await?,
                };
                self.log.files.write_all(&files).await?;
                let after = snapshot.next(version, &changed)?;
                done.summary.extend(totals::summary(snapshot, &after, &changed, head.newest().map(|parent| &parent.summary))?);
                actions.push(info(commit_info(name_of(commit.operation), at_ms, Some(&done))?));
                actions.extend(changed);
                ledger.newest = Some(done);
            }
            Target::Aside { parent } => {
                let rows = self.rows_under(head, parent).await?;
                let staged: StagedAside = self.stage_aside(rows, parent, version, at_ms, commit).await?;
                self.log.files.write_all(&staged.files).await?;
                actions.push(info(commit_info(ASIDE, at_ms, None)?));
                ledger.asides.push(staged.aside);
                aside = Some((VersionId(version), staged.snapshot));
            }
        }
        ledger.properties.extend(commit.properties.clone());
        ledger.tags.extend(commit.tags.iter().map(|tag| (tag.clone(), version)));
        let ledger = if ledger::is_changed_by(commit) { ledger } else { head.ledger.as_ref().clone() };
        self.ready(head, actions, ledger, at_ms, &commit.commit_id).await.map(|prepared| Prepared { aside, ..prepared })
    }

    /// The files that a snapshot aside starts from, under the newest schema.
    pub(crate) async fn rows_under(&self, head: &Head, parent: Option<VersionId>) -> Result<Snapshot> {
        let mut rows = head.log.snapshot.as_ref().clone();
        rows.files.clear();
        if let Some(version) = parent {
            let parent = self.snapshot(head, version).await?;
            parent.files.values().try_for_each(|file| {
                let add = commit::named_in_table(&rows.root, file);
                rows.take_file(add)
            })?;
        }
        Ok(rows)
    }

    /// Makes the commit file of these actions, and writes the ledger when it is another than the head's. `seed` tells the
    /// commit from others that race for the slot.
    async fn ready(&self, head: &Arc<Head>, mut actions: Vec<Action>, ledger: Ledger, at_ms: i64, seed: &str) -> Result<Prepared> {
        let version = head.version() + 1;
        let ledger = if ledger == *head.ledger {
            head.ledger.clone()
        } else {
            let number = ledger.write(&self.log.files, &self.log.root, version, seed).await?;
            actions.push(ledger::transaction(number, at_ms).into());
            Arc::new(ledger)
        };
        let snapshot = &head.log.snapshot;
        history::stamp(&mut actions, at_ms, &snapshot.protocol, &snapshot.table.raw);
        let slot = NewFile { location: self.log.commit_location(version), bytes: log::write_actions(&actions)?.into() };
        let log = head.log.clone().and(&[LogCommit { version, actions, modified_at_ms: None }])?;
        Ok(Prepared { base: head.version(), slot, head: Arc::new(Head::new(log, ledger)), aside: None })
    }

    async fn take(&self, prepared: &Prepared) -> Result<Slot> {
        self.probe.ensure(&prepared.slot.location).await?;
        Ok(match self.log.files.create(&prepared.slot).await? {
            Created::Yes => Slot::Ours,
            // The store repeats requests whose answers it lost, and S3 answers so to requests that collide.
            Created::Exists => match self.log.files.read(&prepared.slot.location).await {
                Ok(held) if held == prepared.slot.bytes => Slot::Ours,
                Ok(_) => Slot::Anothers,
                Err(error) => Slot::Unknown(error),
            },
            Created::Unknown(error) => Slot::Unknown(store_failed(&prepared.slot.location, error)),
        })
    }

    async fn landed(&self, prepared: &Prepared) -> Result<CommitOutcome> {
        self.remember(&prepared.head);
        self.checkpoint_if_due(&prepared.head).await;
        Ok(CommitOutcome::Committed(prepared.state()))
    }

    /// The log is not at the base any more: by this commit, or by another's.
    async fn overtaken(&self, commit: &Commit) -> Result<CommitOutcome> {
        let head = self.newest().await?;
        let newest = head.state();
        let is_own = |summary: &std::collections::BTreeMap<String, String>| summary.get(COMMIT_ID) == Some(&commit.commit_id);
        let own = match commit.target {
            Target::Main | Target::Rollback { .. } => newest.lineage().find(|info| is_own(&info.summary)),
            Target::Aside { .. } => newest.history.iter().find(|info| is_own(&info.summary)),
        };
        match own.map(|info| info.version) {
            Some(version) if Some(version) == newest.version => Ok(CommitOutcome::Committed(newest)),
            Some(version) => Ok(CommitOutcome::Committed(head.state_of(Some(version), self.snapshot(&head, version).await?))),
            None => Ok(CommitOutcome::Conflict(newest)),
        }
    }

    /// Commits a change that is no snapshot. `is_done` tells whether the table is as wanted, whoever made it so.
    pub(crate) async fn change(
        &self,
        base: &DeltaState,
        name: &str,
        actions: Vec<Action>,
        ledger: Ledger,
        is_done: impl Fn(&Head) -> bool,
    ) -> Result<CommitOutcome> {
        let head = &base.head;
        if self.newest().await?.version() != head.version() {
            return Ok(CommitOutcome::Conflict(self.newest().await?.state()));
        }
        head.log.snapshot.ensure_writable()?;
        let at_ms = next_ms(self.env.clock.now_ms(), head.log.committed_at_ms());
        let mut all = vec![info(commit_info(name, at_ms, None)?)];
        all.extend(actions);
        let prepared = self.ready(head, all, ledger, at_ms, &self.env.ids.uuid().to_string()).await?;
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.take(&prepared).await {
                Ok(Slot::Ours) => return self.landed(&prepared).await,
                Ok(Slot::Anothers) => {
                    let newest = self.newest().await?;
                    let outcome = if last.is_some() && is_done(&newest) { CommitOutcome::Committed } else { CommitOutcome::Conflict };
                    return Ok(outcome(newest.state()));
                }
                Ok(Slot::Unknown(error)) => last = Some(error),
                Err(error) if last.is_none() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Ok(CommitOutcome::Unknown(last.map_or_else(String::new, |error| error.to_string())))
    }

    /// A checkpoint that fails leaves the commit as it is: readers find the version without it.
    async fn checkpoint_if_due(&self, head: &Head) {
        let saved = match self.is_checkpoint_due(head).await {
            Ok(false) => return,
            Ok(true) => self.save_checkpoint(head).await,
            Err(error) => Err(error),
        };
        if let Err(error) = saved {
            tracing::warn!(%error, table = %self.log.root, "a checkpoint could not be written; a later commit tries again");
        }
    }

    async fn save_checkpoint(&self, head: &Head) -> Result<()> {
        checkpoint::save(&self.log, &head.log.snapshot, self.env.clock.now_ms(), checkpoint::Place::Newest).await?;
        past::keep(&self.log, &head.log.events).await
    }

    /// At intervals; and a compaction makes up for those of other writers.
    async fn is_checkpoint_due(&self, head: &Head) -> Result<bool> {
        let is_compaction = head.newest().is_some_and(|info| info.version.0 == head.version() && info.operation == Operation::Replace);
        Ok(head.log.snapshot.wants_checkpoint()
            || is_compaction && self.commits_since_checkpoint(head).await? >= DEFAULT_CHECKPOINT_INTERVAL as usize)
    }

    /// Commits that every reader of the newest version has to read; none where only other writers make checkpoints.
    pub(crate) async fn commits_since_checkpoint(&self, head: &Head) -> Result<usize> {
        if head.log.snapshot.protocol.supports(features::V2_CHECKPOINT) {
            return Ok(0);
        }
        let listing = self.log.list(0).await?;
        let newest = listing.checkpoints.keys().next_back().map_or(0, |version| version + 1);
        Ok(listing.commits.range(newest..).count())
    }
}

const CHECKPOINT_INTERVAL: &str = "delta.checkpointInterval";
const DEFAULT_CHECKPOINT_INTERVAL: i64 = 10;

impl Snapshot {
    /// Tables with version 2 checkpoints have them from other writers only; the log alone is enough to read them.
    fn wants_checkpoint(&self) -> bool {
        let interval = self.table.raw.configuration.get(CHECKPOINT_INTERVAL).and_then(Option::as_deref);
        let interval = interval.and_then(|text| text.parse().ok()).filter(|interval| *interval > 0).unwrap_or(DEFAULT_CHECKPOINT_INTERVAL);
        self.version > 0 && self.version % interval == 0 && !self.protocol.supports(features::V2_CHECKPOINT)
    }

    /// Fails for a table that is read only.
    pub(crate) fn ensure_writable(&self) -> Result<()> {
        features::ensure_writable(&self.protocol, &self.table.raw.configuration, &self.table.fields)
            .map_err(|e| e.with("table", &self.root))
    }
}

fn info(info: serde_json::Map<String, serde_json::Value>) -> Action {
    Action { commit_info: Some(info), ..Action::default() }
}
