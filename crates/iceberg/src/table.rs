//! One Iceberg table behind the seam.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use iceberg::spec::TableMetadata;
use roaring::RoaringTreemap;
use waterline_core::error::Result;
use waterline_core::format::{
    Commit, CommitOutcome, DataFile, Expiry, FilePruner, Leftovers, RefRetention, StoredFiles, TableFormat, TableState, VersionId,
};
use waterline_core::table::TableName;
use waterline_env::Env;

use crate::commit::{self, Sources, Successor};
use crate::deletes::DeleteReader;
use crate::files::Files;
use crate::manifest::Manifests;
use crate::metadata::Metadata;
use crate::pointer::Pointer;
use crate::scan::{self, PlannedFile};
use crate::state::{self, IcebergState};
use crate::{evolve, expire, reach, refs};

/// Holds caches of immutable files, and commits whose outcome is not known yet.
#[derive(Debug)]
pub(crate) struct IcebergTable {
    name: TableName,
    pub(crate) pointer: Arc<dyn Pointer>,
    pub(crate) env: Env,
    pub(crate) files: Files,
    manifests: Manifests,
    deletes: DeleteReader,
    newest: Mutex<Option<Arc<Metadata>>>,
    pub(crate) pending: Mutex<HashMap<String, Arc<Successor>>>,
}

impl IcebergTable {
    pub(crate) fn new(name: TableName, pointer: Arc<dyn Pointer>, env: Env) -> Self {
        let files = Files::new(env.stores.clone());
        Self {
            name,
            pointer,
            env,
            manifests: Manifests::new(files.clone()),
            deletes: DeleteReader::new(files.clone()),
            files,
            newest: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    /// The current metadata, read anew when the pointer moved.
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>> {
        let location = self.pointer.current().await?;
        if let Some(known) = self.newest.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(|known| known.location == location)
        {
            return Ok(known.clone());
        }
        let bytes = self.files.read(&location).await?;
        let metadata = Arc::new(Metadata::parse(&location, &bytes)?);
        self.remember(metadata.clone());
        Ok(metadata)
    }

    pub(crate) fn remember(&self, metadata: Arc<Metadata>) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(metadata);
    }

    /// Writes the files of a commit, all but the metadata that names them.
    pub(crate) async fn prepare(&self, base: &IcebergState, commit: &Commit) -> Result<Arc<Successor>> {
        let id = self.env.ids.uuid();
        let sources = Sources { manifests: &self.manifests, deletes: &self.deletes };
        let staged = commit::stage(sources, base, commit, id).await?;
        let next = self.successor(&base.metadata, staged.table)?;
        self.files.write_all(&staged.files).await?;
        Ok(next)
    }

    pub(crate) fn successor(&self, base: &Metadata, table: TableMetadata) -> Result<Arc<Successor>> {
        Successor::new(base, table, self.pointer.as_ref(), self.env.ids.uuid()).map(Arc::new)
    }
}

#[async_trait]
impl TableFormat for IcebergTable {
    fn name(&self) -> &TableName {
        &self.name
    }

    async fn head(&self) -> Result<TableState> {
        state::head(self.metadata().await?)
    }

    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState> {
        state::at(IcebergState::of(base)?.metadata.clone(), version)
    }

    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
        scan::data_files(&self.manifests, IcebergState::of(state)?, prune).await
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap> {
        let planned = PlannedFile::of(file)?;
        self.deletes.deleted(planned.entry.file_path(), &planned.deletes).await
    }

    async fn evolve(&self, base: &TableState, schema: &SchemaRef) -> Result<CommitOutcome> {
        let base = IcebergState::of(base)?;
        let Some(grown) = evolve::grown(&base.metadata.table, schema)? else {
            return Ok(CommitOutcome::Committed(state::head(base.metadata.clone())?));
        };
        let table = evolve::with_schema(&base.metadata, grown, self.env.clock.now_ms())?;
        let is_done = |metadata: &Metadata| evolve::grown(&metadata.table, schema).is_ok_and(|grown| grown.is_none());
        self.change(&base.metadata, table, is_done).await
    }

    async fn commit(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        self.commit_on(IcebergState::of(base)?, commit).await
    }

    async fn settle(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        self.settle_on(IcebergState::of(base)?, commit).await
    }

    async fn leftovers(&self, state: &TableState) -> Result<Leftovers> {
        commit::leftovers(&self.manifests, IcebergState::of(state)?).await
    }

    async fn set_tag(&self, base: &TableState, tag: &str, version: Option<VersionId>) -> Result<CommitOutcome> {
        let base = IcebergState::of(base)?;
        if refs::is_set(&base.metadata, tag, version) {
            return Ok(CommitOutcome::Committed(state::head(base.metadata.clone())?));
        }
        let table = refs::with_tag(&base.metadata, tag, version, self.env.clock.now_ms())?;
        self.change(&base.metadata, table, |metadata| refs::is_set(metadata, tag, version)).await
    }

    fn ref_retention(&self, state: &TableState) -> Result<BTreeMap<String, RefRetention>> {
        expire::ref_retention(&IcebergState::of(state)?.metadata)
    }

    async fn expire(&self, base: &TableState, expiry: &Expiry) -> Result<CommitOutcome> {
        let base = IcebergState::of(base)?;
        let table = expire::without(&base.metadata, expiry, self.env.clock.now_ms())?;
        self.change(&base.metadata, table, |metadata| expire::is_done(metadata, expiry)).await
    }

    async fn reachable(&self, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        let metadata = &IcebergState::of(state)?.metadata;
        let mut files = reach::reachable(&self.manifests, metadata, versions).await?;
        files.extend(self.pointer.own_files().into_iter().map(|location| (location, None)));
        Ok(files)
    }
}
