//! Catalogs in a temporary folder, and commits on their tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use roaring::RoaringTreemap;
use tempfile::TempDir;
use waterline_core::format::{Catalog, Commit, CommitOutcome, NewDataFile, Operation, TableDefinition, TableFormat, TableState};
use waterline_core::table::TableName;
use waterline_core::value::Value;
use waterline_env::{Clock, Env};
use waterline_iceberg::{FilesystemCatalog, SqlCatalog};

use crate::rows::{self, Row, position_of};

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Sqlite,
    Filesystem,
    /// The database that [`POSTGRES`] names.
    Postgres,
}

/// Environment variable with the URI of an empty PostgreSQL database; without it the tests leave PostgreSQL out.
const POSTGRES: &str = "WATERLINE_TEST_POSTGRES";

/// Every catalog with every format version.
pub fn all() -> Vec<(Kind, u8)> {
    let mut kinds = vec![Kind::Sqlite, Kind::Filesystem];
    kinds.extend(std::env::var_os(POSTGRES).map(|_| Kind::Postgres));
    kinds.into_iter().flat_map(|kind| [(kind, 2), (kind, 3)]).collect()
}

/// Goes on by a second at each look.
#[derive(Debug)]
struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

pub struct Lake {
    pub folder: TempDir,
    pub env: Env,
    pub kind: Kind,
}

impl Lake {
    pub fn new(kind: Kind) -> Self {
        let env = Env { clock: Arc::new(TickingClock(AtomicI64::new(1_700_000_000_000_000))), ..Env::system() };
        Self { folder: tempfile::tempdir().unwrap(), env, kind }
    }

    pub async fn catalog(&self) -> Box<dyn Catalog> {
        let warehouse = self.folder.path().join("ware house");
        std::fs::create_dir_all(&warehouse).unwrap();
        let warehouse = warehouse.to_str().unwrap();
        let uri = match self.kind {
            Kind::Sqlite => format!("sqlite://{}", self.folder.path().join("catalog.db").display()),
            Kind::Postgres => std::env::var(POSTGRES).unwrap(),
            Kind::Filesystem => return Box::new(FilesystemCatalog::new(warehouse, self.env.clone()).unwrap()),
        };
        // Tests share the PostgreSQL database, each with a catalog of its own.
        let name = self.folder.path().file_name().unwrap().to_str().unwrap();
        Box::new(SqlCatalog::connect(&uri, name, warehouse, self.env.clone()).await.unwrap())
    }

    /// Creates `shop.orders`.
    pub async fn table(&self, definition: &TableDefinition) -> Arc<dyn TableFormat> {
        self.catalog().await.create(&name(), definition).await.unwrap()
    }
}

pub fn name() -> TableName {
    TableName::new("shop", "orders").unwrap()
}

pub fn definition(version: u8, partition_by: &[&str]) -> TableDefinition {
    TableDefinition {
        schema: rows::schema(),
        keys: vec!["id".into()],
        partition_by: partition_by.iter().map(|field| field.parse().unwrap()).collect(),
        properties: BTreeMap::from([("format-version".into(), version.to_string()), ("owner".into(), "test".into())]),
    }
}

pub fn commit(id: &str, operation: Operation) -> Commit {
    Commit::new(id, operation, 1_700_000_000_000)
}

pub fn adding(id: &str, files: Vec<NewDataFile>) -> Commit {
    Commit { add: files, ..commit(id, Operation::Append) }
}

/// Deletes rows by key.
pub async fn deleting(id: &str, table: &dyn TableFormat, state: &TableState, keys: &[i64]) -> Commit {
    let mut delete_rows = BTreeMap::<String, RoaringTreemap>::new();
    for key in keys {
        let (path, position) = position_of(table, state, *key).await;
        delete_rows.entry(path).or_default().insert(position.into());
    }
    Commit { delete_rows, ..commit(id, Operation::Delete) }
}

pub fn committed(outcome: CommitOutcome) -> TableState {
    match outcome {
        CommitOutcome::Committed(state) => state,
        other => panic!("not committed: {other:?}"),
    }
}

pub fn conflict(outcome: CommitOutcome) -> TableState {
    match outcome {
        CommitOutcome::Conflict(state) => state,
        other => panic!("no conflict: {other:?}"),
    }
}

/// Appends one unpartitioned file.
pub async fn append(table: &dyn TableFormat, base: &TableState, file: &str, rows: &[Row]) -> TableState {
    append_to(table, base, file, rows, Vec::new()).await
}

pub async fn append_to(table: &dyn TableFormat, base: &TableState, file: &str, rows: &[Row], partition: Vec<Option<Value>>) -> TableState {
    let added = rows::write(base, file, rows, partition);
    committed(table.commit(base, &adding(&format!("add {file}"), vec![added])).await.unwrap())
}

pub fn summary<'a>(state: &'a TableState, key: &str) -> Option<&'a str> {
    state.current().unwrap().summary.get(key).map(String::as_str)
}
