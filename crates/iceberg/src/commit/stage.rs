//! The snapshot producer: from a base and a commit to the files of a new snapshot and the metadata that names it
//! (Iceberg spec, "Snapshots").

use std::collections::{HashMap, HashSet};

use iceberg::spec::{
    MAIN_BRANCH, ManifestContentType, ManifestFile, Operation as IcebergOperation, Snapshot, Summary as IcebergSummary, TableMetadata,
};
use uuid::Uuid;
use waterline_core::error::{Error, Result};
use waterline_core::format::{COMMIT_ID, Commit, Operation, Removal, Target, VersionId};
use xxhash_rust::xxh3::xxh3_64;

use crate::commit::data_file;
use crate::commit::manifests::{NewManifests, WrittenList, entry_key};
use crate::commit::merge::MergePolicy;
use crate::commit::removal::LiveFiles;
use crate::commit::rows::{self, RowDeletes};
use crate::commit::summary::Summary;
use crate::deletes::DeleteReader;
use crate::error::refused;
use crate::files::NewFile;
use crate::manifest::Manifests;
use crate::metadata::Metadata;
use crate::state::IcebergState;
use crate::{partition, refs};

/// What a commit reads from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) manifests: &'a Manifests,
    pub(crate) deletes: &'a DeleteReader,
}

/// Files of a new snapshot, and the table with it. Nothing is written yet.
pub(crate) struct Staged {
    pub(crate) files: Vec<NewFile>,
    pub(crate) table: TableMetadata,
}

/// Stages `commit` on top of `base`. `id` is unique to the attempt.
pub(crate) async fn stage(sources: Sources<'_>, base: &IcebergState, commit: &Commit, id: Uuid) -> Result<Staged> {
    let table = &base.metadata.table;
    base.metadata.ensure_writable()?;
    partition::ensure_writable(table)?;
    let parent = parent(base, commit.target)?;
    let listed = match parent {
        Some(parent) => sources.manifests.list(table, parent).await?,
        None => Vec::new(),
    };
    let mut attempt = Attempt::new(base, commit, id)?;
    let is_replace = commit.operation == Operation::Replace;
    let changes_live_files = is_replace || commit.remove != Removal::Nothing || !commit.delete_rows.is_empty();
    let kept = if changes_live_files { attempt.change(sources, listed).await? } else { listed };
    let kept = attempt.merge(sources, kept).await?;
    attempt.finish(parent, kept).await
}

/// The snapshot that the new one is a child of.
fn parent(base: &IcebergState, target: Target) -> Result<Option<&Snapshot>> {
    let parent = match target {
        Target::Main => return Ok(base.snapshot.as_deref()),
        Target::Aside { parent } => parent,
        Target::Rollback { to } => Some(to),
    };
    let missing = |id| Error::not_found("the table has no such snapshot").with("snapshot", id).with("file", &base.metadata.location);
    let snapshot = |VersionId(id)| base.metadata.table.snapshot_by_id(id).ok_or_else(|| missing(id));
    Ok(parent.map(snapshot).transpose()?.map(AsRef::as_ref))
}

struct Attempt<'a> {
    base: &'a Metadata,
    commit: &'a Commit,
    id: Uuid,
    snapshot_id: i64,
    manifests: NewManifests<'a>,
    added: Vec<ManifestFile>,
    files: Vec<NewFile>,
    summary: Summary,
}

impl<'a> Attempt<'a> {
    fn new(base: &'a IcebergState, commit: &'a Commit, id: Uuid) -> Result<Self> {
        let base = base.metadata.as_ref();
        let snapshot_id = snapshot_id(base, &commit.commit_id);
        let manifests = NewManifests::new(&base.table, snapshot_id, id);
        Ok(Self { base, commit, id, snapshot_id, manifests, added: Vec::new(), files: Vec::new(), summary: Summary::default() })
    }

    /// Removes files and deletes rows; gives the manifests that stay, rewritten where they held what leaves.
    async fn change(&mut self, sources: Sources<'_>, listed: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let table = &self.base.table;
        let live = LiveFiles::new(sources.manifests.collect(listed).await?)?;
        let mut located = live.locate(self.commit)?;
        let mut removed = live.removed(&self.commit.remove);
        located.retain(|path, _| !removed.contains(path));
        located.extend(LiveFiles::locate_added(table, self.commit)?);
        let deletes = rows::stage(table, sources.deletes, &live, &located, &self.commit.delete_rows, self.id).await?;
        removed.extend(deletes.replaced.iter().cloned());
        if self.commit.operation == Operation::Replace {
            let dangling: Vec<String> = live.dangling(&removed).into_iter().map(|entry| entry_key(entry.data_file())).collect();
            removed.extend(dangling);
        }
        self.add_deletes(deletes).await?;
        self.rewrite(live, removed).await
    }

    async fn add_deletes(&mut self, deletes: RowDeletes) -> Result<()> {
        self.files.extend(deletes.files);
        for ((spec_id, _), group) in deletes.entries {
            group.added.iter().for_each(|file| self.summary.added(spec_id, file));
            let manifest = self.manifests.add(ManifestContentType::Deletes, group.schema, group.spec, group.added).await?;
            self.added.push(manifest);
        }
        Ok(())
    }

    async fn rewrite(&mut self, live: LiveFiles, mut removed: HashSet<String>) -> Result<Vec<ManifestFile>> {
        let mut kept = Vec::with_capacity(live.manifests.len());
        for (file, contents) in live.manifests {
            let rewritten = self.manifests.rewrite(&file, &contents, &mut removed, &mut self.summary).await?;
            kept.push(rewritten.unwrap_or(file));
        }
        match removed.into_iter().next() {
            Some(path) => Err(Error::internal("a file that is to leave is in no manifest").with("file", path)),
            None => Ok(kept),
        }
    }

    /// Merges small manifests when there are many; all of them where rows stay the same.
    async fn merge(&mut self, sources: Sources<'_>, manifests: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let Some(policy) = MergePolicy::of(&self.base.table) else { return Ok(manifests) };
        if self.commit.operation == Operation::Replace {
            let (mut kept, groups) = policy.plan_all(self.snapshot_id, manifests);
            for group in groups {
                let group = sources.manifests.collect(group).await?;
                kept.extend(self.manifests.cluster(group, policy.target_bytes()).await?);
            }
            return Ok(kept);
        }
        let (mut kept, groups) = policy.plan(self.snapshot_id, manifests);
        for group in groups {
            let group = sources.manifests.collect(group).await?;
            kept.extend(self.manifests.merge(&group).await?);
        }
        Ok(kept)
    }

    async fn finish(mut self, parent: Option<&Snapshot>, kept: Vec<ManifestFile>) -> Result<Staged> {
        let table = &self.base.table;
        if !self.commit.add.is_empty() {
            let added = self.commit.add.iter().map(|new| data_file::entry(new, table)).collect::<Result<Vec<_>>>()?;
            let spec = table.default_partition_spec();
            added.iter().for_each(|file| self.summary.added(spec.spec_id(), file));
            let manifest =
                self.manifests.add(ManifestContentType::Data, table.current_schema().clone(), spec.as_ref().clone(), added).await?;
            self.added.push(manifest);
        }
        let manifests = std::mem::take(&mut self.added).into_iter().chain(kept).collect();
        let list = self.manifests.list(parent.map(Snapshot::snapshot_id), manifests).await?;
        let table = self.table_with(self.snapshot(parent, list))?;
        self.files.extend(self.manifests.into_files());
        Ok(Staged { files: self.files, table })
    }

    fn snapshot(&self, parent: Option<&Snapshot>, list: WrittenList) -> Snapshot {
        let table = &self.base.table;
        let snapshot = Snapshot::builder()
            .with_snapshot_id(self.snapshot_id)
            .with_parent_snapshot_id(parent.map(Snapshot::snapshot_id))
            .with_sequence_number(table.next_sequence_number())
            .with_timestamp_ms(self.commit.now_ms.max(table.last_updated_ms().saturating_add(1)))
            .with_manifest_list(list.location)
            .with_schema_id(table.current_schema_id())
            .with_summary(self.summary(parent));
        match list.row_range {
            Some((first, count)) => snapshot.with_row_range(first, count).build(),
            None => snapshot.build(),
        }
    }

    fn summary(&self, parent: Option<&Snapshot>) -> IcebergSummary {
        let mut properties: HashMap<String, String> = self.commit.summary.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        properties.extend(self.summary.properties(parent));
        properties.insert(COMMIT_ID.into(), self.commit.commit_id.clone());
        let operation = match self.commit.operation {
            Operation::Append => IcebergOperation::Append,
            Operation::Replace => IcebergOperation::Replace,
            Operation::Overwrite => IcebergOperation::Overwrite,
            Operation::Delete => IcebergOperation::Delete,
        };
        IcebergSummary { operation, additional_properties: properties }
    }

    fn table_with(&self, snapshot: Snapshot) -> Result<TableMetadata> {
        let mut builder = self.base.table.clone().into_builder(Some(self.base.location.clone()));
        if !self.commit.properties.is_empty() {
            let properties = self.commit.properties.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            builder = builder.set_properties(properties).map_err(|e| Error::usage("not a property that a table can have").caused_by(e))?;
        }
        builder = match self.commit.target {
            // Keeps the retention of the branch.
            Target::Main | Target::Rollback { .. } => builder.set_branch_snapshot(snapshot, MAIN_BRANCH),
            Target::Aside { .. } => builder.add_snapshot(snapshot),
        }
        .map_err(refused)?;
        for tag in &self.commit.tags {
            refs::ensure_tag(self.base, tag)?;
            builder = builder.set_ref(tag, refs::tag_of(self.snapshot_id)).map_err(refused)?;
        }
        Ok(builder.build().map_err(refused)?.metadata)
    }
}

/// A positive id that another attempt of the same commit on the same base gets too, and that the table has not.
fn snapshot_id(base: &Metadata, commit_id: &str) -> i64 {
    let seed = format!("{commit_id} {}", base.location);
    let ids = (0_u64..).map(|n| (xxh3_64(format!("{seed} {n}").as_bytes()) & i64::MAX as u64) as i64);
    ids.into_iter().find(|id| *id > 0 && base.table.snapshot_by_id(*id).is_none()).unwrap_or(1)
}
