//! The seam between Waterline and a table format. A format crate knows its specification and its metadata files;
//! everything above works through these two traits only, and one conformance suite (in `waterline-testkit`) says what
//! they must do.
//!
//! Data files are Parquet and are read and written by the engine. A format writes its own metadata and delete files.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::{Debug, Display};
use std::sync::Arc;

use arrow::datatypes::{Fields, SchemaRef};
use async_trait::async_trait;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::partition::PartitionField;
use crate::schema::TableSchema;
use crate::table::TableName;
use crate::value::Value;

/// Arrow field metadata key that holds a column's id in the table format (the Parquet Arrow crate's key).
pub const FIELD_ID: &str = "PARQUET:field_id";

/// Metadata of a state's schema: `name` where columns of data files are found by name, whatever ids the files have. Else they
/// are found by id, and by name in files without any.
pub const MATCH_COLUMNS: &str = "waterline:match_columns";

/// Metadata of a field whose values data files hold in another type, for a format that lacks the field's: [`AS_INTEGER`].
pub const STORED_AS: &str = "waterline:stored_as";
/// Times of day as microseconds since midnight.
pub const AS_INTEGER: &str = "integer";

/// Metadata of a field that has another name in data files.
pub const STORED_NAME: &str = "waterline:stored_name";

/// Property of a [`TableDefinition`] that chooses the table format where a catalog has several. Not kept.
pub const TABLE_FORMAT: &str = "table-format";

/// A snapshot id (Iceberg) or version (Delta). Not ordered: ordinals in records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionId(pub i64);

/// Tables by name.
#[async_trait]
pub trait Catalog: Send + Sync + Debug {
    async fn list(&self) -> Result<Vec<TableName>>;

    /// `None` when there is no such table.
    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>>;

    /// The empty table that [`Catalog::create`] would make of the definition. Nothing is made: its first data files can be
    /// written before the table is there.
    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState>;

    /// Creates an empty table, and its namespace where needed. When another process created it meanwhile, that one is returned.
    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>>;
}

/// What a new table is made of.
#[derive(Clone, Debug)]
pub struct TableDefinition {
    /// Columns in order, without field ids: the format gives them.
    pub schema: SchemaRef,
    /// Names of the key columns; they become identifier fields where the format has such.
    pub keys: Vec<String>,
    pub partition_by: Vec<PartitionField>,
    pub properties: BTreeMap<String, String>,
}

/// One table in a format. Holds no state that can go stale: [`TableFormat::head`] reads anew.
#[async_trait]
pub trait TableFormat: Send + Sync + Debug {
    fn name(&self) -> &TableName;

    /// The newest state of the main branch.
    async fn head(&self) -> Result<TableState>;

    /// The table as of `version`, with the schema that it had then. `base` is any state of the same table.
    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState>;

    /// Live data files of a state, with the deletes that apply to them. A file may be left out when `prune` says that
    /// it cannot matter; formats call it with what they know before they read further.
    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>>;

    /// Positions of the rows of `file` that position deletes and deletion vectors remove. Equality deletes are the engine's.
    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap>;

    /// Changes the schema alone: new columns at the end, promoted types, as [`TableSchema::evolve`] allows.
    /// The fields of `schema` are matched by name with those of `base`.
    async fn evolve(&self, base: &TableState, schema: &SchemaRef) -> Result<CommitOutcome>;

    /// Commits on top of exactly `base`, see [`Target`]; when the table moved meanwhile, nothing happens and a conflict comes
    /// back. Never retries on another base by itself.
    async fn commit(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome>;

    /// Settles an unknown outcome (DESIGN.md rule 20): looks for `commit_id` in the lineage, for a commit aside in the whole
    /// history, and submits the same bytes again until the slot holds ours or another's.
    async fn settle(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome>;

    /// What of a state's metadata a commit with [`Operation::Replace`] would tidy up, whatever else it does.
    async fn leftovers(&self, _: &TableState) -> Result<Leftovers> {
        Ok(Leftovers::default())
    }

    /// Creates, moves or removes a tag without a new snapshot.
    async fn set_tag(&self, base: &TableState, tag: &str, version: Option<VersionId>) -> Result<CommitOutcome>;

    /// How long branches and tags want to be kept, where that is said of them; those that are to stay for ever may be absent.
    fn ref_retention(&self, _: &TableState) -> Result<BTreeMap<String, RefRetention>> {
        Ok(BTreeMap::new())
    }

    /// Forgets versions, without a new one, and deletes no file: see [`TableFormat::reachable`]. Fails where the main branch or a
    /// tag is at one of them.
    async fn expire(&self, base: &TableState, expiry: &Expiry) -> Result<CommitOutcome>;

    /// The files that the table needs when it has these versions alone, as after an expiry of all others. Fails when any metadata on
    /// the way cannot be read: what a list of files lacks would be deleted.
    async fn reachable(&self, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles>;
}

/// Files by absolute URL, with their size in bytes where the metadata say it.
pub type StoredFiles = BTreeMap<String, Option<u64>>;

/// Versions to be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    pub versions: HashSet<VersionId>,
    /// Table properties to set in the same change.
    pub properties: BTreeMap<String, String>,
    /// Branches and tags to remove in the same change; only such that have a [`RefRetention`].
    pub refs: BTreeSet<String>,
}

/// What is said of how long a branch or tag is kept, in milliseconds and numbers of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefRetention {
    pub max_ref_age_ms: Option<i64>,
    /// Of a branch alone, in place of what the table says.
    pub min_snapshots: Option<usize>,
    pub max_snapshot_age_ms: Option<i64>,
}

/// Metadata that has served its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    pub dangling_deletes: Vec<DanglingDelete>,
    /// Files that list the state's files, so small that they could be one.
    pub small_lists: usize,
}

/// A delete file or deletion vector that applies to no live data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DanglingDelete {
    pub path: String,
    /// The one data file that it names. Without one it is what usual work leaves behind: it was for all files of its time.
    pub of_file: Option<String>,
}

/// Decides from bounds and partition values whether a file can matter.
pub trait FilePruner: Send + Sync {
    /// `false` only when no row of the file can matter.
    fn keep(&self, file: &FileSummary) -> bool;
}

/// Keeps every file.
#[derive(Clone, Copy, Debug)]
pub struct KeepAll;

impl FilePruner for KeepAll {
    fn keep(&self, _: &FileSummary) -> bool {
        true
    }
}

/// What is known of a data file, or of a group of files, without opening it. Absent means unknown.
#[derive(Clone, Debug, Default)]
pub struct FileSummary {
    /// Partition values by partition field, null as `None`; fields that are not known are absent.
    pub partition: Vec<(PartitionField, Option<Value>)>,
    /// Bounds by column name: no value is below the first or above the second. May be wider than the values.
    pub bounds: BTreeMap<String, Bounds>,
    /// The commit that put the files where they are listed: they are of that one or of its ancestors.
    pub listed_by: Option<VersionId>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    pub lower: Option<Value>,
    pub upper: Option<Value>,
}

/// A table at one version.
#[derive(Clone, Debug)]
pub struct TableState {
    /// `None` for a table without any commit of data.
    pub version: Option<VersionId>,
    /// URL of the table's folder, without a trailing slash.
    pub location: String,
    /// URL of a folder for files that the engine keeps beside the table, where no other writer cleans up.
    pub own_folder: String,
    /// URL of the file that the state was read from, in formats that have one.
    pub metadata_location: Option<String>,
    /// Columns with their ids in the field metadata under [`FIELD_ID`], nested ones too.
    pub schema: SchemaRef,
    pub keys: Vec<String>,
    pub partition_by: Vec<PartitionField>,
    /// Of the newest metadata, whatever the version.
    pub properties: BTreeMap<String, String>,
    /// Every snapshot that the table still has, oldest first by commit time.
    pub history: Arc<Vec<VersionInfo>>,
    pub refs: BTreeMap<String, Ref>,
    /// Of the newest metadata, whatever the version.
    pub rules: Arc<RowRules>,
    /// The format's own view of the table.
    pub inner: Arc<dyn Any + Send + Sync>,
}

impl TableState {
    pub fn current(&self) -> Option<&VersionInfo> {
        self.info(self.version?)
    }

    pub fn info(&self, version: VersionId) -> Option<&VersionInfo> {
        self.history.iter().find(|info| info.version == version)
    }

    /// The state's version and its ancestors, newest first, as far as they are kept.
    pub fn lineage(&self) -> impl Iterator<Item = &VersionInfo> {
        let place = |version: VersionId| self.history.iter().rposition(|info| info.version == version);
        let parent = move |at: &usize| {
            let parent = self.history[*at].parent?;
            // Mostly just before, in a history that may be long.
            self.history[..*at].iter().rposition(|info| info.version == parent).or_else(|| place(parent))
        };
        std::iter::successors(self.version.and_then(place), parent).map(|at| &self.history[at])
    }
}

/// What rows must be beyond their types. Formats know the rules and do not look at rows: whoever writes some sees to them.
/// Expressions are SQL in Spark's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowRules {
    pub constraints: Vec<Constraint>,
    pub generated: Vec<GeneratedColumn>,
}

/// A condition that must be true of each row: false and null are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    pub name: String,
    pub condition: String,
}

/// A column whose value is made of the others of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedColumn {
    pub column: String,
    pub expression: String,
}

impl RowRules {
    pub fn is_empty(&self) -> bool {
        self.constraints.is_empty() && self.generated.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ref {
    pub version: VersionId,
    pub kind: RefKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    Branch,
    Tag,
}

/// One snapshot of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionInfo {
    pub version: VersionId,
    pub parent: Option<VersionId>,
    /// Milliseconds since the epoch.
    pub committed_at_ms: i64,
    pub operation: Operation,
    /// Summary properties (Iceberg) or commitInfo (Delta), ours and others'.
    pub summary: BTreeMap<String, String>,
}

/// What a snapshot did, in Iceberg's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Append,
    /// Rows stay the same, files change. The format drops what it has of [`Leftovers`].
    Replace,
    Overwrite,
    Delete,
}

impl Operation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Overwrite => "overwrite",
            Self::Delete => "delete",
        }
    }
}

/// A live data file of a state.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Absolute URL.
    pub path: String,
    pub size_bytes: u64,
    /// Physical rows, deleted ones too.
    pub record_count: u64,
    pub summary: FileSummary,
    /// Rows that position deletes or a deletion vector remove, when that is known without reading them.
    pub deletes: DeleteState,
    /// How many rows they remove at most, by the metadata alone; `None` where only reading tells.
    pub deleted_rows: Option<u64>,
    pub equality_deletes: Vec<EqualityDelete>,
    /// `None` where the format does not number the file's rows.
    pub lineage: Option<RowLineage>,
    /// The format's own entry.
    pub inner: Arc<dyn Any + Send + Sync>,
}

impl DataFile {
    pub fn bounds_of(&self, column: &str) -> Option<&Bounds> {
        self.summary.bounds.get(column)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteState {
    None,
    /// Ask [`TableFormat::deleted_rows`].
    Some,
}

/// What rows are called over their life, however often they are moved to another file (Iceberg v3's row lineage, Delta's row
/// tracking). A file whose rows were moved into it says it in columns of its own, and of a row without a value there:
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLineage {
    /// The id of the file's first row; others follow by position.
    pub first_row_id: i64,
    /// The commit that last changed the row.
    pub sequence: i64,
    /// The columns: id, and commit. Both `Int64`, with their ids under [`FIELD_ID`].
    pub columns: Fields,
}

/// An equality delete file (Parquet) that applies to a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualityDelete {
    pub path: String,
    pub size_bytes: u64,
    /// Field ids of the columns that are compared; null equals null.
    pub field_ids: Vec<i32>,
}

/// A Parquet file that the engine wrote.
#[derive(Clone, Debug)]
pub struct NewDataFile {
    pub path: String,
    pub size_bytes: u64,
    pub record_count: u64,
    /// One per field of the table's partition spec, in its order.
    pub partition: Vec<Option<Value>>,
    /// By field id of leaf columns.
    pub statistics: BTreeMap<i32, ColumnStatistics>,
    /// Byte offsets of the row groups.
    pub split_offsets: Vec<i64>,
}

/// Exact, untruncated statistics of one leaf column of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnStatistics {
    pub size_bytes: u64,
    pub value_count: u64,
    pub null_count: Option<u64>,
    /// Absent when the column holds no values, or NaN in a way that hides the bounds.
    pub bounds: Bounds,
}

/// One snapshot to be.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Found again in the summary under [`COMMIT_ID`].
    pub commit_id: String,
    pub target: Target,
    pub operation: Operation,
    pub add: Vec<NewDataFile>,
    /// Rows to delete by data file path, in addition to those deleted already. The file may be one that the commit adds.
    pub delete_rows: BTreeMap<String, RoaringTreemap>,
    /// Data files that leave, together with their deletes.
    pub remove: Removal,
    pub summary: BTreeMap<String, String>,
    /// Table properties to set in the same commit.
    pub properties: BTreeMap<String, String>,
    /// Tags that shall name the new snapshot.
    pub tags: Vec<String>,
    /// Wall clock in milliseconds; the format moves it forward where the parent is newer.
    pub now_ms: i64,
}

/// Summary key of [`Commit::commit_id`].
pub const COMMIT_ID: &str = "waterline.commit-id";

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Removal {
    #[default]
    Nothing,
    Files(Vec<String>),
    /// Everything that is live in what the commit goes onto.
    All,
}

/// What a snapshot goes onto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The main branch, whose head `base` must be.
    #[default]
    Main,
    /// `parent`, or no rows at all. The main branch and the table's properties stay as they are, so the commit's tags alone
    /// name the snapshot, and there must be one. `base` says which newest state the commit was planned on, tags included: on a
    /// conflict the same commit can be made on the state that comes back, once its tags are seen to be as they should.
    Aside { parent: Option<VersionId> },
    /// An older version of the main branch, whose head `base` must be. The branch goes on from there: what came after it is not in
    /// its lineage any more.
    Rollback { to: VersionId },
}

impl Commit {
    /// A snapshot of the main branch that changes nothing yet.
    pub fn new(commit_id: impl Into<String>, operation: Operation, now_ms: i64) -> Self {
        Self {
            commit_id: commit_id.into(),
            target: Target::Main,
            operation,
            add: Vec::new(),
            delete_rows: BTreeMap::new(),
            remove: Removal::Nothing,
            summary: BTreeMap::new(),
            properties: BTreeMap::new(),
            tags: Vec::new(),
            now_ms,
        }
    }

    /// Fails for a commit aside that nobody could find again, or that would change the main branch.
    pub fn check(&self) -> Result<()> {
        let lies_aside = matches!(self.target, Target::Aside { .. });
        if lies_aside && (self.tags.is_empty() || !self.properties.is_empty()) {
            return Err(Error::internal("a commit aside needs a tag and sets no properties").with("commit", &self.commit_id));
        }
        Ok(())
    }
}

#[must_use]
#[derive(Debug)]
pub enum CommitOutcome {
    /// The state that was committed.
    Committed(TableState),
    /// The table moved, and nothing of this commit is in it. Holds the newest state.
    Conflict(TableState),
    /// It may or may not have landed; call [`TableFormat::settle`].
    Unknown(String),
}

/// Property with the names of the key's columns, where a format's metadata have no place for them, or another writer's have none.
pub const KEYS: &str = "waterline.keys";

/// [`KEYS`] and its value.
pub fn key_property(keys: &[String]) -> Result<(String, String)> {
    let json = serde_json::to_string(keys).map_err(|e| Error::internal("a key cannot be written").caused_by(e))?;
    Ok((KEYS.to_owned(), json))
}

pub fn parse_keys(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).map_err(|e| Error::corrupt("a table property cannot be read").with("property", KEYS).caused_by(e))
}

/// Where the files of a commit aside go that shares none with the table. In formats whose snapshots aside are tables of their own,
/// the folder is all of it.
pub fn copy_folder(state: &TableState, id: impl Display) -> String {
    format!("{}/{COPY}{id}", state.own_folder)
}

/// How the names of folders begin that [`copy_folder`] gives.
pub const COPY: &str = "copy-";

/// The schema of a state as the source's schema.
pub fn table_schema(state: &TableState) -> Result<TableSchema> {
    TableSchema::new(state.schema.fields().iter().cloned().collect(), state.keys.clone())
}
