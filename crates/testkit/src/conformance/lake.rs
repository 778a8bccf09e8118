//! One table under test, with the steps that most checks take.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringTreemap;
use waterline_core::error::Result;
use waterline_core::format::{Commit, CommitOutcome, DataFile, KeepAll, NewDataFile, Operation, TableDefinition, TableFormat, TableState};
use waterline_core::partition::PartitionField;
use waterline_core::table::TableName;
use waterline_core::value::Value;
use waterline_env::Env;

use super::{Subject, sample};
use crate::batch::assert_same_rows;
use crate::cell::{Cell, Row};
use crate::files;

pub(super) struct Lake<'a> {
    pub(super) subject: &'a Subject,
    pub(super) table: Arc<dyn TableFormat>,
}

/// A table of the sample's columns, with the properties that the subject asks for.
pub(super) fn definition(subject: &Subject, partition_by: &[&str]) -> TableDefinition {
    let field = |text: &&str| text.parse::<PartitionField>().expect("a partition field");
    let mut properties = subject.properties.clone();
    properties.insert("owner".into(), "conformance".into());
    TableDefinition {
        schema: sample::schema(),
        keys: vec!["id".into()],
        partition_by: partition_by.iter().map(field).collect(),
        properties,
    }
}

pub(super) fn name(text: &str) -> TableName {
    text.parse().expect("a table name")
}

impl<'a> Lake<'a> {
    pub(super) async fn create(subject: &'a Subject) -> Result<Self> {
        Self::partitioned(subject, &[]).await
    }

    pub(super) async fn partitioned(subject: &'a Subject, partition_by: &[&str]) -> Result<Self> {
        let table = subject.catalog.create(&name("shop.orders"), &definition(subject, partition_by)).await?;
        Ok(Self { subject, table })
    }

    /// A table of ids alone, for many rows or files.
    pub(super) async fn of_ids(subject: &'a Subject) -> Result<Self> {
        let schema = Arc::new(sample::schema().project(&[0])?);
        let table = subject.catalog.create(&name("shop.ids"), &TableDefinition { schema, ..definition(subject, &[]) }).await?;
        Ok(Self { subject, table })
    }

    pub(super) fn env(&self) -> &Env {
        &self.subject.env
    }

    pub(super) async fn head(&self) -> Result<TableState> {
        self.table.head().await
    }

    /// A commit that does nothing yet, with an id of its own.
    pub(super) fn commit(&self, operation: Operation) -> Commit {
        Commit::new(self.env().ids.uuid().to_string(), operation, self.env().clock.now_ms())
    }

    pub(super) async fn file(&self, state: &TableState, rows: &[Row]) -> Result<NewDataFile> {
        self.file_in(state, rows, Vec::new()).await
    }

    pub(super) async fn file_in(&self, state: &TableState, rows: &[Row], partition: Vec<Option<Value>>) -> Result<NewDataFile> {
        files::write_file(self.env(), state, rows, partition).await
    }

    /// A commit that appends one file with these rows.
    pub(super) async fn append_of(&self, state: &TableState, rows: &[Row]) -> Result<Commit> {
        Ok(Commit { add: vec![self.file(state, rows).await?], ..self.commit(Operation::Append) })
    }

    /// Appends the rows of these ids in one file on the newest state.
    pub(super) async fn append(&self, ids: impl IntoIterator<Item = i64>) -> Result<TableState> {
        let head = self.head().await?;
        let commit = self.append_of(&head, &sample::samples(ids)).await?;
        self.submit(&head, &commit).await
    }

    /// Commits, and expects that it works.
    #[track_caller]
    pub(super) fn submit(&self, base: &TableState, commit: &Commit) -> impl Future<Output = Result<TableState>> {
        let caller = std::panic::Location::caller();
        async move {
            match self.table.commit(base, commit).await? {
                CommitOutcome::Committed(state) => Ok(state),
                other => panic!("the commit at {caller} was not made: {}", outcome(&other)),
            }
        }
    }

    /// Deletes the rows of these ids, wherever they are, on the newest state.
    pub(super) async fn delete(&self, ids: &[i64]) -> Result<TableState> {
        let head = self.head().await?;
        let commit = self.delete_of(&head, ids).await?;
        self.submit(&head, &commit).await
    }

    pub(super) async fn delete_of(&self, state: &TableState, ids: &[i64]) -> Result<Commit> {
        let mut delete_rows: BTreeMap<String, RoaringTreemap> = BTreeMap::new();
        for file in self.files(state).await? {
            let rows = files::physical_rows(self.env(), state, &file.path).await?;
            let matching = (0u64..).zip(&rows).filter(|(_, row)| ids.iter().any(|id| row["id"] == Cell::Int(*id))).map(|(at, _)| at);
            let positions: RoaringTreemap = matching.collect();
            if !positions.is_empty() {
                delete_rows.insert(file.path, positions);
            }
        }
        Ok(Commit { delete_rows, ..self.commit(Operation::Delete) })
    }

    pub(super) async fn files(&self, state: &TableState) -> Result<Vec<DataFile>> {
        self.table.data_files(state, &KeepAll).await
    }

    pub(super) async fn rows(&self, state: &TableState) -> Result<Vec<Row>> {
        files::read_rows(self.env(), self.table.as_ref(), state).await
    }

    /// The state holds exactly these rows, and a fresh look at its version finds the same files and deletes.
    pub(super) async fn expect_rows(&self, state: &TableState, mut expected: Vec<Row>) -> Result<()> {
        expected.sort();
        assert_same_rows(&expected, &self.rows(state).await?);
        let head = self.head().await?;
        if head.version == state.version {
            assert_eq!(self.live_positions(state).await?, self.live_positions(&head).await?);
        }
        Ok(())
    }

    /// Per file how many rows it has, and which are deleted.
    async fn live_positions(&self, state: &TableState) -> Result<BTreeMap<String, (u64, RoaringTreemap)>> {
        let mut live = BTreeMap::new();
        for file in self.files(state).await? {
            let deleted = self.table.deleted_rows(&file).await?;
            live.insert(file.path, (file.record_count, deleted));
        }
        Ok(live)
    }
}

/// The newest state that a conflict brings.
#[track_caller]
pub(super) fn conflict(outcome_of_commit: CommitOutcome) -> TableState {
    match outcome_of_commit {
        CommitOutcome::Conflict(newest) => newest,
        other => panic!("expected a conflict, got {}", outcome(&other)),
    }
}

#[track_caller]
pub(super) fn committed(outcome_of_commit: CommitOutcome) -> TableState {
    match outcome_of_commit {
        CommitOutcome::Committed(state) => state,
        other => panic!("expected a commit, got {}", outcome(&other)),
    }
}

pub(super) fn outcome(outcome: &CommitOutcome) -> String {
    match outcome {
        CommitOutcome::Committed(state) => format!("a commit of {:?}", state.version),
        CommitOutcome::Conflict(newest) => format!("a conflict with {:?}", newest.version),
        CommitOutcome::Unknown(why) => format!("an unknown outcome: {why}"),
    }
}
