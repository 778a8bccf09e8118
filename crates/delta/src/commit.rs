//! What a commit changes, as actions: new files, files that leave, and deletion vectors, one file of them for the commit.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use roaring::RoaringTreemap;
use uuid::Uuid;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, NewDataFile, Operation, Removal};
use waterline_core::partition::Transform;
use waterline_env::files::{Files, NewFile};
use waterline_env::location;

use crate::actions::{Action, Add, DeletionVector};
use crate::features;
use crate::partition::{self, OURS};
use crate::scan::record_count;
use crate::snapshot::{LiveFile, Snapshot};
use crate::vector::{self, VectorFile};
use crate::{paths, statistics};

const CONCURRENT_READS: usize = 16;

/// The actions of a commit, and files that must be there before it.
pub(crate) struct Changes {
    pub(crate) actions: Vec<Action>,
    pub(crate) files: Vec<NewFile>,
}

/// Stages what `commit` does to the files of `parent`. `id` names the file of its deletion vectors.
pub(crate) async fn stage(files: &Files, parent: &Snapshot, commit: &Commit, at_ms: i64, id: Uuid) -> Result<Changes> {
    let staging = Staging { files, parent, changes_rows: commit.operation != Operation::Replace, at_ms };
    let leaving = staging.leaving(&commit.remove)?;
    let deleted = staging.deleted(commit, &leaving).await?;
    let mut actions: Vec<Action> = leaving.iter().map(|file| staging.removal(file)).collect();
    let mut vectors = VectorFile::new(id);
    for deleted in &deleted {
        actions.push(staging.removal(&deleted.file));
        if deleted.rows.len() < deleted.record_count {
            actions.push(staging.with_vector(deleted, vectors.add(&deleted.rows)?)?.into());
        }
    }
    for file in &commit.add {
        match commit.delete_rows.get(&file.path) {
            None => actions.push(staging.added(file)?.into()),
            Some(rows) => actions.extend(staging.added_in_part(file, rows, &mut vectors)?.map(Action::from)),
        }
    }
    ensure_allowed(parent, staging.changes_rows, &actions)?;
    Ok(Changes { actions, files: vectors.finish(&parent.root).into_iter().collect() })
}

struct Staging<'a> {
    files: &'a Files,
    parent: &'a Snapshot,
    changes_rows: bool,
    at_ms: i64,
}

/// All deleted rows of a file.
struct Deleted {
    file: Arc<LiveFile>,
    record_count: u64,
    rows: RoaringTreemap,
}

impl Staging<'_> {
    fn live(&self, path: &str) -> Result<&Arc<LiveFile>> {
        self.parent.file(path).ok_or_else(|| Error::internal("a commit changes a file that is not live").with("file", path))
    }

    fn leaving(&self, removal: &Removal) -> Result<Vec<Arc<LiveFile>>> {
        match removal {
            Removal::Nothing => Ok(Vec::new()),
            Removal::All => Ok(self.parent.files.values().cloned().collect()),
            Removal::Files(paths) => paths.iter().map(|path| self.live(path).cloned()).collect(),
        }
    }

    /// Files that lose rows and stay.
    async fn deleted(&self, commit: &Commit, leaving: &[Arc<LiveFile>]) -> Result<Vec<Deleted>> {
        let leaving: HashSet<&str> = leaving.iter().map(|file| file.path.as_str()).collect();
        let coming: HashSet<&str> = commit.add.iter().map(|file| file.path.as_str()).collect();
        let mut merges = Vec::new();
        for (path, rows) in commit.delete_rows.iter().filter(|(path, _)| !coming.contains(path.as_str())) {
            let file = self.live(path)?;
            if !leaving.contains(file.path.as_str()) {
                merges.push(self.merge(file, rows));
            }
        }
        let merged: Vec<Option<Deleted>> = stream::iter(merges).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(merged.into_iter().flatten().collect())
    }

    /// Adds to `rows` what is deleted already. `None` when all of them are.
    async fn merge(&self, file: &Arc<LiveFile>, rows: &RoaringTreemap) -> Result<Option<Deleted>> {
        let record_count = record_count(self.files, file).await?;
        ensure_rows(rows, record_count, &file.path)?;
        let before = match &file.add.deletion_vector {
            None => RoaringTreemap::new(),
            Some(vector) => vector::read(self.files, &self.parent.root, vector).await?,
        };
        let rows = &before | rows;
        Ok((rows != before).then(|| Deleted { file: file.clone(), record_count, rows }))
    }

    fn removal(&self, file: &LiveFile) -> Action {
        file.removal(self.at_ms, self.changes_rows).into()
    }

    fn with_vector(&self, deleted: &Deleted, vector: DeletionVector) -> Result<Add> {
        let stats = match deleted.file.stats() {
            Some(stats) => statistics::loosened(stats).map_err(|e| e.with("file", &deleted.file.path))?,
            None => format!(r#"{{"numRecords":{},"tightBounds":false}}"#, deleted.record_count),
        };
        Ok(Add {
            deletion_vector: Some(vector),
            stats: Some(stats),
            parsed_stats: None,
            data_change: self.changes_rows,
            ..deleted.file.add.clone()
        })
    }

    /// A new file of which rows are deleted already; none where all of them are.
    fn added_in_part(&self, file: &NewDataFile, rows: &RoaringTreemap, vectors: &mut VectorFile) -> Result<Option<Add>> {
        ensure_rows(rows, file.record_count, &file.path)?;
        let added = self.added(file)?;
        Ok(match rows.len() {
            0 => Some(added),
            all if all == file.record_count => None,
            _ => Some(Add {
                stats: added.stats.as_deref().map(statistics::loosened).transpose()?,
                deletion_vector: Some(vectors.add(rows)?),
                ..added
            }),
        })
    }

    fn added(&self, file: &NewDataFile) -> Result<Add> {
        let table = &self.parent.table;
        if file.partition.len() != table.partitions.len() {
            return Err(Error::internal("a data file has another number of partition values than the table").with("file", &file.path));
        }
        let mut partition_values = BTreeMap::new();
        for (partition, value) in table.partitions.iter().zip(&file.partition) {
            let text = value.as_ref().map(|value| partition::to_text(value, &partition.field, &partition.source)).transpose()?;
            partition_values.insert(partition.physical.clone(), text);
        }
        let is_transformed = table.partitions.iter().any(|partition| partition.field.transform != Transform::Identity);
        Ok(Add {
            path: paths::named(&self.parent.root, &file.path),
            partition_values,
            size: file.size_bytes.cast_signed(),
            modification_time: self.at_ms,
            data_change: self.changes_rows,
            stats: Some(statistics::write(file, table)?),
            tags: is_transformed.then(|| BTreeMap::from([(OURS.to_owned(), Some("1".to_owned()))])),
            ..Add::default()
        })
    }
}

fn ensure_rows(rows: &RoaringTreemap, record_count: u64, path: &str) -> Result<()> {
    match rows.max() {
        Some(last) if last >= record_count => {
            Err(Error::internal("a commit deletes a row that its data file does not have").with("file", path))
        }
        _ => Ok(()),
    }
}

/// Fails where the table does not allow what a commit takes away.
pub(crate) fn ensure_allowed(parent: &Snapshot, changes_rows: bool, actions: &[Action]) -> Result<()> {
    let configuration = &parent.table.raw.configuration;
    let takes_away = changes_rows && actions.iter().any(|action| action.remove.is_some());
    if takes_away && features::is_set(configuration, "delta.appendOnly") {
        return Err(Error::unsupported("rows of the table cannot change; nothing was written").with("property", "delta.appendOnly"));
    }
    let has_vectors = actions.iter().filter_map(|action| action.add.as_ref()).any(|add| add.deletion_vector.is_some());
    if has_vectors && !features::has_deletion_vectors(&parent.protocol, configuration) {
        return Err(Error::unsupported("rows of the table can be deleted by rewriting files only; nothing was written")
            .with("property", "delta.enableDeletionVectors"));
    }
    Ok(())
}

/// The same file in the log of a snapshot aside, which is in a `folder` of the table at `root`.
pub(crate) fn named_aside(root: &str, folder: &str, file: &LiveFile) -> Add {
    Add {
        path: paths::named_aside(root, folder, &location::absolute(&file.path)),
        deletion_vector: file.add.deletion_vector.as_ref().map(vector::named_aside),
        stats: file.stats().map(str::to_owned),
        parsed_stats: None,
        ..file.add.clone()
    }
}

/// The file of a snapshot of either kind in the log of the table at `root`.
pub(crate) fn named_in_table(root: &str, file: &LiveFile) -> Add {
    Add {
        path: paths::named(root, &location::absolute(&file.path)),
        deletion_vector: file.add.deletion_vector.as_ref().map(vector::named_in_table),
        ..file.add.clone()
    }
}
