//! One Delta table behind the seam.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};
use waterline_core::format::{
    Commit, CommitOutcome, DataFile, Expiry, FilePruner, Leftovers, StoredFiles, TableFormat, TableState, Target, VersionId,
};
use waterline_core::table::TableName;
use waterline_env::Env;
use waterline_env::cache::Cache;
use waterline_env::probe::Probe;

use crate::ledger::{self, Ledger};
use crate::log::Log;
use crate::replay::{self, Replayed};
use crate::scan::{self, PlannedFile};
use crate::settle::Prepared;
use crate::snapshot::Snapshot;
use crate::state::{DeltaState, Head};
use crate::vector;

/// In files of older versions.
const CACHED_FILES: usize = 200_000;
const CACHED_LEDGERS: usize = 8;
const CACHED_ROWS: usize = 8_000_000;

/// Holds caches of what never changes, and commits whose outcome is not known yet.
#[derive(Debug)]
pub(crate) struct DeltaTable {
    name: TableName,
    pub(crate) log: Log,
    pub(crate) env: Env,
    pub(crate) probe: Arc<Probe>,
    /// Of older versions by number, and of snapshots aside by folder.
    pub(crate) snapshots: Cache<Snapshot>,
    ledgers: Cache<Ledger>,
    vectors: Cache<RoaringTreemap>,
    newest: Mutex<Option<Arc<Head>>>,
    pub(crate) pending: Mutex<HashMap<String, Arc<Prepared>>>,
}

impl DeltaTable {
    pub(crate) fn new(name: TableName, log: Log, env: Env, probe: Arc<Probe>) -> Self {
        Self {
            name,
            log,
            env,
            probe,
            snapshots: Cache::new(CACHED_FILES),
            ledgers: Cache::new(CACHED_LEDGERS),
            vectors: Cache::new(CACHED_ROWS),
            newest: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    /// The newest state; what is known of the log is not read again.
    pub(crate) async fn newest(&self) -> Result<Arc<Head>> {
        let known = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gone = || Error::not_found("the table does not exist any more").with("table", &self.log.root);
        let log = match &known {
            Some(head) => head.log.clone().refreshed(&self.log).await?,
            None => Replayed::read(&self.log).await?.ok_or_else(gone)?,
        };
        if let Some(head) = known.filter(|head| head.version() == log.snapshot.version) {
            return Ok(head);
        }
        let ledger = self.ledger(&log.snapshot).await?;
        let head = Arc::new(Head::new(log, ledger));
        self.remember(&head);
        Ok(head)
    }

    pub(crate) fn remember(&self, head: &Arc<Head>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_none_or(|known| known.version() < head.version()) {
            *newest = Some(head.clone());
        }
    }

    async fn ledger(&self, snapshot: &Snapshot) -> Result<Arc<Ledger>> {
        let Some(number) = ledger::number_of(snapshot) else { return Ok(Arc::default()) };
        let key = number.to_string();
        if let Some(known) = self.ledgers.get(&key) {
            return Ok(known);
        }
        let ledger = Arc::new(Ledger::read(&self.log.files, &self.log.root, number).await?);
        self.ledgers.insert(key, ledger.clone(), 1);
        Ok(ledger)
    }

    pub(crate) async fn main_snapshot(&self, head: &Head, version: i64) -> Result<Arc<Snapshot>> {
        let unknown = || Error::not_found("the table has no such version").with("version", version);
        let begin = head.ledger.begin.as_ref().map_or(0, |begin| begin.version);
        if version < begin || version > head.version() {
            return Err(unknown());
        }
        if version == head.version() {
            return Ok(head.log.snapshot.clone());
        }
        let key = version.to_string();
        if let Some(known) = self.snapshots.get(&key) {
            return Ok(known);
        }
        let snapshot = Arc::new(replay::snapshot_at(&self.log, version).await?);
        self.snapshots.insert(key, snapshot.clone(), snapshot.files.len() + 1);
        Ok(snapshot)
    }
}

impl DeltaState {
    /// Whether a commit can go onto the state: the main branch only moves on from its head.
    pub(crate) fn can_carry(&self, target: Target) -> bool {
        matches!(target, Target::Aside { .. }) || self.version == self.head.newest().map(|info| info.version)
    }
}

#[async_trait]
impl TableFormat for DeltaTable {
    fn name(&self) -> &TableName {
        &self.name
    }

    async fn head(&self) -> Result<TableState> {
        Ok(self.newest().await?.state())
    }

    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState> {
        let head = &DeltaState::of(base)?.head;
        Ok(head.state_of(Some(version), self.snapshot(head, version).await?))
    }

    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
        scan::data_files(&self.log.files, &DeltaState::of(state)?.snapshot, prune).await
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap> {
        let planned = PlannedFile::of(file)?;
        let Some(descriptor) = &planned.live.add.deletion_vector else { return Ok(RoaringTreemap::new()) };
        let key = format!("{} {}", planned.root, descriptor.unique_id());
        if let Some(known) = self.vectors.get(&key) {
            return Ok(known.as_ref().clone());
        }
        let rows = Arc::new(vector::read(&self.log.files, &planned.root, descriptor).await?);
        self.vectors.insert(key, rows.clone(), usize::try_from(rows.len()).unwrap_or(usize::MAX));
        Ok(rows.as_ref().clone())
    }

    async fn evolve(&self, base: &TableState, schema: &SchemaRef) -> Result<CommitOutcome> {
        self.evolve_to(base, schema).await
    }

    async fn commit(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        self.commit_on(DeltaState::of(base)?, commit).await
    }

    async fn settle(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        self.settle_on(DeltaState::of(base)?, commit).await
    }

    async fn leftovers(&self, state: &TableState) -> Result<Leftovers> {
        let small_lists = self.commits_since_checkpoint(&DeltaState::of(state)?.head).await?;
        Ok(Leftovers { small_lists, ..Leftovers::default() })
    }

    async fn expire(&self, base: &TableState, expiry: &Expiry) -> Result<CommitOutcome> {
        self.forget(DeltaState::of(base)?, expiry).await
    }

    async fn reachable(&self, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        self.needed_files(&DeltaState::of(state)?.head, versions).await
    }

    async fn set_tag(&self, base: &TableState, tag: &str, version: Option<VersionId>) -> Result<CommitOutcome> {
        let state = DeltaState::of(base)?;
        let wanted = version.map(|version| version.0);
        let is_set = |head: &Head| head.ledger.tags.get(tag).copied() == wanted;
        if is_set(&state.head) {
            return Ok(CommitOutcome::Committed(state.head.state()));
        }
        if let Some(version) = version.filter(|version| base.info(*version).is_none()) {
            return Err(Error::not_found("the table has no such version").with("version", version.0));
        }
        let mut ledger = state.head.ledger.as_ref().clone();
        match wanted {
            Some(version) => drop(ledger.tags.insert(tag.to_owned(), version)),
            None => drop(ledger.tags.remove(tag)),
        }
        self.change(state, "TAG", Vec::new(), ledger, is_set).await
    }
}
