//! The suite finds what is wrong: each flaw is put into the format in memory in turn, and a check must fail.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use roaring::RoaringTreemap;
use waterline_core::error::Error;
use waterline_core::format::{
    Commit, CommitOutcome, DataFile, Expiry, FilePruner, FileSummary, KeepAll, Removal, StoredFiles, TableDefinition, TableFormat,
    TableState, Target, VersionId,
};
use waterline_core::table::TableName;
use waterline_core::value::Value;

use super::*;
use crate::faults::{Fault, Operation, Rule};
use crate::memory::MemoryCatalog;
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    /// None: the wrapper itself is right.
    Nothing,
    /// A stale commit is put on top of the newest state.
    RebasesSilently,
    /// New deletes of a file take the place of the old ones.
    ForgetsEarlierDeletes,
    DeletesOffByOne,
    DropsDeletesBesideAdds,
    RemovesAllForSome,
    /// Settling submits the commit on the newest state, without a look at the history.
    SettlesOnTheNewest,
    UnknownIsFailure,
    UnknownIsSuccess,
    OldVersionsShowNewDeletes,
    OldVersionsShowTheNewSchema,
    LosesTags,
    LosesProperties,
    LosesSummaries,
    BoundsAreTooNarrow,
    UpperBoundsOfTextAreCut,
    NullPartitionsAreText,
    IgnoresThePruner,
    AsideIsOnMain,
    AsideIsOnTheHead,
    ReachesNoData,
    ExpiresNothing,
    ExpiresSilently,
    RollsBackNothing,
}

/// Flaws, each with a check that fails for it.
const FLAWS: [(Flaw, &str); 23] = [
    (Flaw::RebasesSilently, "conflicts::a_stale_commit_leaves_nothing"),
    (Flaw::ForgetsEarlierDeletes, "deletes::deletes_of_one_file_add_up"),
    (Flaw::DeletesOffByOne, "deletes::deleted_rows_are_gone"),
    (Flaw::DropsDeletesBesideAdds, "deletes::deletes_and_new_rows_in_one_commit"),
    (Flaw::RemovesAllForSome, "rows::removed_files_are_gone"),
    (Flaw::SettlesOnTheNewest, "outcomes::a_landed_commit_without_an_answer_is_found"),
    (Flaw::UnknownIsFailure, "outcomes::a_landed_commit_without_an_answer_is_found"),
    (Flaw::UnknownIsSuccess, "outcomes::a_lost_commit_is_submitted_again"),
    (Flaw::OldVersionsShowNewDeletes, "versions::an_older_version_shows_its_own_rows"),
    (Flaw::OldVersionsShowTheNewSchema, "evolution::old_versions_keep_their_schema"),
    (Flaw::LosesTags, "versions::properties_and_tags_come_with_the_commit"),
    (Flaw::LosesProperties, "versions::properties_and_tags_come_with_the_commit"),
    (Flaw::LosesSummaries, "versions::summaries_are_kept"),
    (Flaw::BoundsAreTooNarrow, "pruning::bounds_contain_all_values"),
    (Flaw::UpperBoundsOfTextAreCut, "pruning::bounds_contain_extreme_values"),
    (Flaw::NullPartitionsAreText, "pruning::partition_values_come_back"),
    (Flaw::IgnoresThePruner, "pruning::nothing_is_kept_against_the_pruner"),
    (Flaw::AsideIsOnMain, "aside::an_older_version_is_gone_on_from"),
    (Flaw::AsideIsOnTheHead, "aside::an_older_version_is_gone_on_from"),
    (Flaw::ReachesNoData, "upkeep::reachable_files_are_enough"),
    (Flaw::ExpiresNothing, "upkeep::expired_versions_are_gone"),
    (Flaw::ExpiresSilently, "upkeep::a_stale_expiry_changes_nothing"),
    (Flaw::RollsBackNothing, "upkeep::a_rollback_goes_on_from_an_older_version"),
];

#[derive(Debug)]
struct FlawedCatalog(MemoryCatalog, Flaw);

#[derive(Debug)]
struct FlawedTable {
    inner: Arc<dyn TableFormat>,
    flaw: Flaw,
    newest_deletes: Mutex<BTreeMap<String, RoaringTreemap>>,
}

impl FlawedCatalog {
    fn flawed(&self, inner: Arc<dyn TableFormat>) -> Arc<dyn TableFormat> {
        Arc::new(FlawedTable { inner, flaw: self.1, newest_deletes: Mutex::default() })
    }
}

#[async_trait]
impl Catalog for FlawedCatalog {
    async fn list(&self) -> Result<Vec<TableName>> {
        self.0.list().await
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        Ok(self.0.open(name).await?.map(|table| self.flawed(table)))
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        self.0.preview(name, definition)
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        Ok(self.flawed(self.0.create(name, definition).await?))
    }
}

impl FlawedTable {
    fn bent(&self, base: &TableState, commit: &Commit) -> Commit {
        let mut commit = commit.clone();
        match self.flaw {
            Flaw::RollsBackNothing if matches!(commit.target, Target::Rollback { .. }) => commit.target = Target::Main,
            Flaw::AsideIsOnMain => commit.target = Target::Main,
            Flaw::AsideIsOnTheHead if matches!(commit.target, Target::Aside { .. }) => {
                commit.target = Target::Aside { parent: base.version }
            }
            Flaw::DeletesOffByOne => {
                commit.delete_rows.values_mut().for_each(|rows| *rows = rows.iter().map(|row| row.saturating_sub(1)).collect())
            }
            Flaw::DropsDeletesBesideAdds if !commit.add.is_empty() => commit.delete_rows.clear(),
            Flaw::RemovesAllForSome if matches!(commit.remove, Removal::Files(_)) => commit.remove = Removal::All,
            Flaw::LosesTags => commit.tags.clear(),
            Flaw::LosesProperties => commit.properties.clear(),
            Flaw::LosesSummaries => commit.summary.clear(),
            Flaw::BoundsAreTooNarrow => {
                let columns = commit.add.iter_mut().flat_map(|file| file.statistics.values_mut());
                columns.for_each(|column| column.bounds.upper = column.bounds.lower.clone());
            }
            _ => {}
        }
        commit
    }

    fn bent_summary(&self, summary: &mut FileSummary) {
        if self.flaw == Flaw::UpperBoundsOfTextAreCut {
            for bounds in summary.bounds.values_mut() {
                if let Some(Value::Text(text)) = &mut bounds.upper {
                    *text = text.chars().take(16).collect();
                }
            }
        }
        if self.flaw == Flaw::NullPartitionsAreText {
            for (_, value) in &mut summary.partition {
                value.get_or_insert_with(|| Value::Text("null".into()));
            }
        }
    }
}

/// Shows the summaries bent.
struct Bending<'a>(&'a FlawedTable, &'a dyn FilePruner);

impl FilePruner for Bending<'_> {
    fn keep(&self, file: &FileSummary) -> bool {
        let mut file = file.clone();
        self.0.bent_summary(&mut file);
        self.1.keep(&file)
    }
}

#[async_trait]
impl TableFormat for FlawedTable {
    fn name(&self) -> &TableName {
        self.inner.name()
    }

    async fn head(&self) -> Result<TableState> {
        self.inner.head().await
    }

    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState> {
        let mut state = self.inner.at(base, version).await?;
        if self.flaw == Flaw::OldVersionsShowTheNewSchema {
            state.schema = self.head().await?.schema;
        }
        Ok(state)
    }

    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
        let bending = Bending(self, prune);
        let prune: &dyn FilePruner = if self.flaw == Flaw::IgnoresThePruner { &KeepAll } else { &bending };
        let mut files = self.inner.data_files(state, prune).await?;
        if self.flaw == Flaw::OldVersionsShowNewDeletes {
            let newest = self.inner.data_files(&self.head().await?, &KeepAll).await?;
            for file in &mut files {
                if let Some(newer) = newest.iter().find(|newer| newer.path == file.path) {
                    *file = newer.clone();
                }
            }
        }
        files.iter_mut().for_each(|file| self.bent_summary(&mut file.summary));
        Ok(files)
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap> {
        let newest = self.newest_deletes.lock().unwrap_or_else(PoisonError::into_inner).get(&file.path).cloned();
        match newest {
            Some(rows) if self.flaw == Flaw::ForgetsEarlierDeletes => Ok(rows),
            _ => self.inner.deleted_rows(file).await,
        }
    }

    async fn evolve(&self, base: &TableState, schema: &SchemaRef) -> Result<CommitOutcome> {
        self.inner.evolve(base, schema).await
    }

    async fn commit(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        let commit = self.bent(base, commit);
        self.newest_deletes.lock().unwrap_or_else(PoisonError::into_inner).extend(commit.delete_rows.clone());
        match (self.inner.commit(base, &commit).await?, self.flaw) {
            (CommitOutcome::Conflict(newest), Flaw::RebasesSilently) => self.inner.commit(&newest, &commit).await,
            (CommitOutcome::Unknown(why), Flaw::UnknownIsFailure) => Err(Error::unavailable(why)),
            (CommitOutcome::Unknown(_), Flaw::UnknownIsSuccess) => Ok(CommitOutcome::Committed(self.head().await?)),
            (outcome, _) => Ok(outcome),
        }
    }

    async fn settle(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        match self.flaw {
            Flaw::SettlesOnTheNewest => self.inner.commit(&self.head().await?, commit).await,
            _ => self.inner.settle(base, commit).await,
        }
    }

    async fn set_tag(&self, base: &TableState, tag: &str, version: Option<VersionId>) -> Result<CommitOutcome> {
        self.inner.set_tag(base, tag, version).await
    }

    async fn expire(&self, base: &TableState, expiry: &Expiry) -> Result<CommitOutcome> {
        match self.flaw {
            Flaw::ExpiresNothing => Ok(CommitOutcome::Committed(base.clone())),
            Flaw::ExpiresSilently => self.inner.expire(&self.head().await?, expiry).await,
            _ => self.inner.expire(base, expiry).await,
        }
    }

    async fn reachable(&self, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        let mut files = self.inner.reachable(state, versions).await?;
        if self.flaw == Flaw::ReachesNoData {
            files.retain(|file, _| !file.contains("/data/"));
        }
        Ok(files)
    }
}

async fn failures(flaw: Flaw, check: &str) -> Vec<String> {
    let checks: Vec<_> = CHECKS.iter().copied().filter(|(name, _)| *name == check).collect();
    assert_eq!(checks.len(), 1, "no check {check}");
    failed_checks(&checks, &|| async {
        let world = World::in_memory(1);
        let catalog = FlawedCatalog(MemoryCatalog::new("memory://lake/warehouse", world.faults.clone()), flaw);
        Subject::new(Arc::new(catalog), world.env).with_lost_answers(move |lost| {
            let fault = if lost == Lost::AfterItLanded { Fault::After } else { Fault::Before };
            world.faults.add(Rule::new(Operation::Swap, fault).once());
        })
    })
    .await
}

#[tokio::test]
async fn every_flaw_is_found() {
    for (flaw, check) in FLAWS {
        assert_eq!(failures(Flaw::Nothing, check).await, Vec::<String>::new());
        assert_ne!(failures(flaw, check).await, Vec::<String>::new(), "{flaw:?} passes {check}");
    }
}
