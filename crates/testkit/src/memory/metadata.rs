//! One version of everything that a table is.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};
use waterline_core::format::{
    Bounds, COMMIT_ID, Commit, DataFile, DeleteState, Expiry, FileSummary, NewDataFile, Ref, RefKind, Removal, StoredFiles,
    TableDefinition, TableState, Target, VersionId, VersionInfo,
};
use waterline_core::partition::PartitionField;
use waterline_core::schema::TableSchema;

use super::schema::{field_id, with_new_ids};

#[derive(Clone, Debug)]
pub(super) struct Metadata {
    schema: SchemaRef,
    last_field_id: i32,
    keys: Vec<String>,
    partition_by: Vec<PartitionField>,
    properties: BTreeMap<String, String>,
    /// Oldest first.
    snapshots: Vec<Arc<Snapshot>>,
    /// Head of the main branch.
    main: Option<Arc<Snapshot>>,
    tags: BTreeMap<String, VersionId>,
}

#[derive(Debug)]
struct Snapshot {
    info: VersionInfo,
    schema: SchemaRef,
    /// By path.
    files: BTreeMap<String, LiveFile>,
}

#[derive(Clone, Debug)]
struct LiveFile {
    file: Arc<NewDataFile>,
    deleted: Arc<RoaringTreemap>,
}

/// What a state holds of its table: the metadata that it was read from, and its own snapshot.
#[derive(Debug)]
pub(super) struct View {
    pub(super) metadata: Arc<Metadata>,
    snapshot: Option<Arc<Snapshot>>,
}

impl Metadata {
    pub(super) fn create(definition: &TableDefinition) -> Result<Self> {
        let table = TableSchema::new(definition.schema.fields().to_vec(), definition.keys.clone())?;
        if let Some(field) = definition.partition_by.iter().find(|field| table.index_of(&field.column).is_none()) {
            return Err(Error::usage("a partition field names no column of the table").with("column", &field.column));
        }
        let mut last_field_id = 0;
        Ok(Self {
            schema: with_new_ids(&table, &Schema::empty(), &mut last_field_id),
            last_field_id,
            keys: definition.keys.clone(),
            partition_by: definition.partition_by.clone(),
            properties: definition.properties.clone(),
            snapshots: Vec::new(),
            main: None,
            tags: BTreeMap::new(),
        })
    }

    pub(super) fn head(self: &Arc<Self>, location: &str) -> TableState {
        self.state(location, self.main.clone(), self.schema.clone())
    }

    pub(super) fn at(self: &Arc<Self>, location: &str, version: VersionId) -> Result<TableState> {
        let snapshot = self.snapshot(version)?;
        Ok(self.state(location, Some(snapshot.clone()), snapshot.schema.clone()))
    }

    /// The version that a commit made.
    pub(super) fn version_of(&self, commit: &Commit) -> Option<VersionId> {
        let is_own = |snapshot: &&Arc<Snapshot>| snapshot.info.summary.get(COMMIT_ID) == Some(&commit.commit_id);
        self.snapshots.iter().find(is_own).map(|snapshot| snapshot.info.version)
    }

    pub(super) fn with_schema(&self, grown: &TableSchema) -> Self {
        let mut next = self.clone();
        next.schema = with_new_ids(grown, &self.schema, &mut next.last_field_id);
        next
    }

    pub(super) fn with_tag(&self, tag: &str, version: Option<VersionId>) -> Result<Self> {
        let mut next = self.clone();
        match version {
            Some(version) => drop(next.tags.insert(tag.to_owned(), self.snapshot(version)?.info.version)),
            None => drop(next.tags.remove(tag)),
        }
        Ok(next)
    }

    pub(super) fn without(&self, expiry: &Expiry) -> Result<Self> {
        let named = self.tags.values().copied().chain(self.main.as_ref().map(|head| head.info.version));
        if let Some(version) = named.into_iter().find(|version| expiry.versions.contains(version)) {
            return Err(Error::internal("a version that is to expire is named by a branch or tag").with("version", version.0));
        }
        let mut next = self.clone();
        next.snapshots.retain(|snapshot| !expiry.versions.contains(&snapshot.info.version));
        next.properties.extend(expiry.properties.clone());
        Ok(next)
    }

    pub(super) fn files_of(&self, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        let mut files = StoredFiles::new();
        for version in versions {
            let live = self.snapshot(*version)?.files.values();
            files.extend(live.map(|live| (live.file.path.clone(), Some(live.file.size_bytes))));
        }
        Ok(files)
    }

    fn snapshot(&self, version: VersionId) -> Result<&Arc<Snapshot>> {
        let found = self.snapshots.iter().find(|snapshot| snapshot.info.version == version);
        found.ok_or_else(|| Error::not_found("the table has no such version").with("version", version.0))
    }

    fn state(self: &Arc<Self>, location: &str, snapshot: Option<Arc<Snapshot>>, schema: SchemaRef) -> TableState {
        let mut refs: BTreeMap<String, Ref> =
            self.tags.iter().map(|(tag, version)| (tag.clone(), Ref { version: *version, kind: RefKind::Tag })).collect();
        refs.extend(self.main.as_ref().map(|head| ("main".into(), Ref { version: head.info.version, kind: RefKind::Branch })));
        TableState {
            version: snapshot.as_ref().map(|snapshot| snapshot.info.version),
            location: location.to_owned(),
            own_folder: location.to_owned(),
            metadata_location: None,
            schema,
            keys: self.keys.clone(),
            partition_by: self.partition_by.clone(),
            properties: self.properties.clone(),
            history: Arc::new(self.snapshots.iter().map(|snapshot| snapshot.info.clone()).collect()),
            refs,
            rules: Arc::default(),
            inner: Arc::new(View { metadata: self.clone(), snapshot }),
        }
    }
}

impl View {
    /// Whether a commit can go onto the state: the main branch only moves on from its head.
    pub(super) fn can_carry(&self, target: Target) -> bool {
        let version = |snapshot: &Arc<Snapshot>| snapshot.info.version;
        matches!(target, Target::Aside { .. }) || self.snapshot.as_ref().map(version) == self.metadata.main.as_ref().map(version)
    }

    pub(super) fn data_files<'a>(&'a self, state: &'a TableState) -> impl Iterator<Item = DataFile> + 'a {
        let files = self.snapshot.iter().flat_map(|snapshot| snapshot.files.values());
        files.map(|live| live.as_data_file(state))
    }

    /// The metadata with one more snapshot.
    pub(super) fn commit(&self, commit: &Commit) -> Result<Metadata> {
        commit.check()?;
        let mut next = self.metadata.as_ref().clone();
        let parent = match commit.target {
            Target::Main => next.main.clone(),
            Target::Aside { parent } => parent.map(|version| next.snapshot(version).cloned()).transpose()?,
            Target::Rollback { to } => Some(next.snapshot(to)?.clone()),
        };
        let version = version_of(&commit.commit_id);
        let mut summary = commit.summary.clone();
        summary.insert(COMMIT_ID.into(), commit.commit_id.clone());
        let newest = next.snapshots.last();
        let info = VersionInfo {
            version,
            parent: parent.as_ref().map(|parent| parent.info.version),
            committed_at_ms: newest.map_or(commit.now_ms, |newest| commit.now_ms.max(newest.info.committed_at_ms + 1)),
            operation: commit.operation,
            summary,
        };
        let files = self.files_after(parent.as_deref(), commit)?;
        let snapshot = Arc::new(Snapshot { info, schema: next.schema.clone(), files });
        if !matches!(commit.target, Target::Aside { .. }) {
            next.main = Some(snapshot.clone());
        }
        next.snapshots.push(snapshot);
        next.properties.extend(commit.properties.clone());
        next.tags.extend(commit.tags.iter().map(|tag| (tag.clone(), version)));
        Ok(next)
    }

    fn files_after(&self, parent: Option<&Snapshot>, commit: &Commit) -> Result<BTreeMap<String, LiveFile>> {
        let mut files = parent.map(|parent| parent.files.clone()).unwrap_or_default();
        let mut added = BTreeMap::new();
        for file in &commit.add {
            if file.partition.len() != self.metadata.partition_by.len() {
                return Err(Error::internal("a data file has another number of partition values than the table").with("file", &file.path));
            }
            added.insert(file.path.clone(), LiveFile { file: Arc::new(file.clone()), deleted: Arc::default() });
        }
        for (path, rows) in &commit.delete_rows {
            files.get_mut(path).or_else(|| added.get_mut(path)).ok_or_else(|| not_live(path))?.delete(rows)?;
        }
        match &commit.remove {
            Removal::Nothing => {}
            Removal::Files(paths) => paths.iter().try_for_each(|path| files.remove(path).map(drop).ok_or_else(|| not_live(path)))?,
            Removal::All => files.clear(),
        }
        files.extend(added);
        Ok(files)
    }
}

impl LiveFile {
    fn delete(&mut self, rows: &RoaringTreemap) -> Result<()> {
        if rows.max().is_some_and(|last| last >= self.file.record_count) {
            return Err(Error::internal("a delete lies behind the last row of its file").with("file", &self.file.path));
        }
        self.deleted = Arc::new(self.deleted.as_ref() | rows);
        Ok(())
    }

    fn as_data_file(&self, state: &TableState) -> DataFile {
        let bounds = |id: Option<i32>| id.and_then(|id| self.file.statistics.get(&id)).map(|column| column.bounds.clone());
        let named = state.schema.fields().iter().filter_map(|field| Some((field.name().clone(), bounds(field_id(field))?)));
        let inner: Arc<dyn Any + Send + Sync> = self.deleted.clone();
        DataFile {
            path: self.file.path.clone(),
            size_bytes: self.file.size_bytes,
            record_count: self.file.record_count,
            summary: FileSummary {
                partition: state.partition_by.iter().cloned().zip(self.file.partition.iter().cloned()).collect(),
                bounds: named.filter(|(_, bounds)| *bounds != Bounds::default()).collect(),
                listed_by: None,
            },
            deletes: if self.deleted.is_empty() { DeleteState::None } else { DeleteState::Some },
            deleted_rows: Some(self.deleted.len()),
            equality_deletes: Vec::new(),
            lineage: None,
            inner,
        }
    }
}

/// The same commit always makes the same version, however often it is submitted. The ids have no order, as in Iceberg.
fn version_of(commit_id: &str) -> VersionId {
    let mut hasher = DefaultHasher::new();
    commit_id.hash(&mut hasher);
    VersionId((hasher.finish() >> 1) as i64)
}

fn not_live(path: &str) -> Error {
    Error::internal("a commit names a data file that is not in its base").with("file", path)
}
