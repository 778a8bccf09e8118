//! A table format in memory, small enough to be right at a glance: each version of a table is an immutable value, and a
//! commit replaces the newest one if it is still the one that it was planned on. Data files are Parquet files in the
//! stores of the environment, as for every format.

mod metadata;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};
use waterline_core::format::{
    Catalog, Commit, CommitOutcome, DataFile, Expiry, FilePruner, StoredFiles, TableDefinition, TableFormat, TableState, Target, VersionId,
    table_schema,
};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;

use crate::faults::{Fault, FaultPlan, Operation};
use metadata::{Metadata, View};

/// Tables in memory. Clones see the same tables.
#[derive(Clone, Debug)]
pub struct MemoryCatalog {
    /// URL of the folder above all tables.
    warehouse: String,
    faults: Arc<FaultPlan>,
    tables: Arc<Mutex<BTreeMap<TableName, Arc<Slot>>>>,
}

/// Where the newest version of a table stands.
#[derive(Debug)]
struct Slot {
    name: TableName,
    location: String,
    newest: Mutex<Arc<Metadata>>,
}

#[derive(Debug)]
struct MemoryTable {
    slot: Arc<Slot>,
    faults: Arc<FaultPlan>,
}

impl MemoryCatalog {
    /// Every commit is an [`Operation::Swap`] of the plan, with the table's name as its path.
    pub fn new(warehouse: impl Into<String>, faults: Arc<FaultPlan>) -> Self {
        Self { warehouse: warehouse.into(), faults, tables: Arc::default() }
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<TableName, Arc<Slot>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn location(&self, name: &TableName) -> String {
        format!("{}/{}/{}", self.warehouse, name.namespace(), name.name())
    }

    fn table(&self, slot: &Arc<Slot>) -> Arc<dyn TableFormat> {
        Arc::new(MemoryTable { slot: slot.clone(), faults: self.faults.clone() })
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn list(&self) -> Result<Vec<TableName>> {
        Ok(self.tables().keys().cloned().collect())
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        Ok(self.tables().get(name).map(|slot| self.table(slot)))
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        Ok(Arc::new(Metadata::create(definition)?).head(&self.location(name)))
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        let metadata = Metadata::create(definition)?;
        let location = self.location(name);
        let slot = || Arc::new(Slot { name: name.clone(), location, newest: Mutex::new(Arc::new(metadata)) });
        Ok(self.table(self.tables().entry(name.clone()).or_insert_with(slot)))
    }
}

#[async_trait]
impl TableFormat for MemoryTable {
    fn name(&self) -> &TableName {
        &self.slot.name
    }

    async fn head(&self) -> Result<TableState> {
        Ok(self.slot.newest().head(&self.slot.location))
    }

    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState> {
        view(base)?.metadata.at(&self.slot.location, version)
    }

    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
        Ok(view(state)?.data_files(state).filter(|file| prune.keep(&file.summary)).collect())
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap> {
        file.inner.downcast_ref::<RoaringTreemap>().cloned().ok_or_else(foreign)
    }

    async fn evolve(&self, base: &TableState, schema: &SchemaRef) -> Result<CommitOutcome> {
        let incoming = TableSchema::new(schema.fields().to_vec(), base.keys.clone())?;
        match table_schema(base)?.evolve(&incoming)? {
            None => Ok(CommitOutcome::Committed(base.clone())),
            Some(grown) => self.swap(base, view(base)?.metadata.with_schema(&grown)),
        }
    }

    async fn commit(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        let next = view(base)?.commit(commit)?;
        if !view(base)?.can_carry(commit.target) {
            return Ok(CommitOutcome::Conflict(self.head().await?));
        }
        match self.swap(base, next)? {
            CommitOutcome::Committed(head) => self.landed(&head, commit).map(CommitOutcome::Committed),
            other => Ok(other),
        }
    }

    async fn settle(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        let head = self.head().await?;
        match view(&head)?.metadata.version_of(commit) {
            Some(_) => self.landed(&head, commit).map(CommitOutcome::Committed),
            None => self.commit(base, commit).await,
        }
    }

    async fn set_tag(&self, base: &TableState, tag: &str, version: Option<VersionId>) -> Result<CommitOutcome> {
        let next = view(base)?.metadata.with_tag(tag, version)?;
        self.swap(base, next)
    }

    async fn expire(&self, base: &TableState, expiry: &Expiry) -> Result<CommitOutcome> {
        self.swap(base, view(base)?.metadata.without(expiry)?)
    }

    async fn reachable(&self, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        view(state)?.metadata.files_of(versions)
    }
}

impl MemoryTable {
    /// The state that a commit made.
    fn landed(&self, head: &TableState, commit: &Commit) -> Result<TableState> {
        match (commit.target, view(head)?.metadata.version_of(commit)) {
            (Target::Aside { .. }, Some(version)) => view(head)?.metadata.at(&head.location, version),
            _ => Ok(head.clone()),
        }
    }

    /// Replaces the metadata that `base` is of, unless it has been replaced already.
    fn swap(&self, base: &TableState, next: Metadata) -> Result<CommitOutcome> {
        let fault = self.faults.begin(Operation::Swap, &self.slot.name.to_string());
        if !matches!(fault, None | Some(Fault::After)) {
            return Ok(CommitOutcome::Unknown("the answer of the catalog was lost".into()));
        }
        let base = view(base)?;
        let mut newest = self.slot.lock();
        if !Arc::ptr_eq(&newest, &base.metadata) {
            return Ok(CommitOutcome::Conflict(newest.head(&self.slot.location)));
        }
        *newest = Arc::new(next);
        Ok(match fault {
            None => CommitOutcome::Committed(newest.head(&self.slot.location)),
            Some(_) => CommitOutcome::Unknown("the answer of the catalog was lost".into()),
        })
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Arc<Metadata>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> Arc<Metadata> {
        self.lock().clone()
    }
}

fn view(state: &TableState) -> Result<&View> {
    state.inner.downcast_ref::<View>().ok_or_else(foreign)
}

fn foreign() -> Error {
    Error::internal("a state or file of another table format")
}
