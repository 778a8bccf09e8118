//! Tables of a few columns, made by us or by a log that is written here as another writer would.

mod checkpoints;
mod foreign;
mod history;
mod refused;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use object_store::ObjectStoreExt;
use serde_json::{Value as Json, json};
use waterline_core::error::Result;
use waterline_core::format::{Catalog, Commit, CommitOutcome, KeepAll, Operation, TableDefinition, TableFormat, TableState};
use waterline_core::table::TableName;
use waterline_testkit::cell::{Cell, Row, row};
use waterline_testkit::files::{read_rows, write_file};
use waterline_testkit::world::World;

use crate::DeltaCatalog;

const ROOT: &str = "memory://lake/warehouse/shop/orders";

struct Table {
    world: World,
    format: Arc<dyn TableFormat>,
}

fn name() -> TableName {
    "shop.orders".parse().unwrap()
}

fn catalog(world: &World) -> DeltaCatalog {
    DeltaCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap()
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Row> {
    ids.into_iter().map(|id| row([("id", Cell::Int(id)), ("name", Cell::Text(format!("näme {id}")))])).collect()
}

impl Table {
    /// An empty table of ours.
    async fn ours() -> Self {
        let world = World::in_memory(1);
        let definition = TableDefinition {
            schema: Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)])),
            keys: vec!["id".into()],
            partition_by: Vec::new(),
            properties: BTreeMap::new(),
        };
        let format = catalog(&world).create(&name(), &definition).await.unwrap();
        Self { world, format }
    }

    /// A table whose log is these commits.
    async fn of(commits: &[&[Json]]) -> Self {
        let world = World::in_memory(1);
        for (version, actions) in commits.iter().enumerate() {
            let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
            put(&world, &format!("_delta_log/{version:020}.json"), lines).await;
        }
        let format = catalog(&world).open(&name()).await.unwrap().expect("the table has a log");
        Self { world, format }
    }

    /// The table as a process that just started sees it.
    async fn opened_anew(&self) -> Self {
        let format = catalog(&self.world).open(&name()).await.unwrap().expect("the table has a log");
        Self { world: self.world.clone(), format }
    }

    async fn head(&self) -> TableState {
        self.format.head().await.unwrap()
    }

    async fn rows(&self, state: &TableState) -> Vec<Row> {
        read_rows(&self.world.env, self.format.as_ref(), state).await.unwrap()
    }

    fn commit(&self, operation: Operation) -> Commit {
        Commit::new(self.world.env.ids.uuid().to_string(), operation, self.world.env.clock.now_ms())
    }

    async fn try_append(&self, ids: impl IntoIterator<Item = i64>) -> Result<CommitOutcome> {
        let head = self.format.head().await?;
        let add = vec![write_file(&self.world.env, &head, &rows(ids), Vec::new()).await?];
        self.format.commit(&head, &Commit { add, ..self.commit(Operation::Append) }).await
    }

    async fn append(&self, ids: impl IntoIterator<Item = i64>) -> TableState {
        committed(self.try_append(ids).await.unwrap())
    }

    /// Deletes the first row of every file.
    async fn delete_firsts(&self) -> TableState {
        let head = self.head().await;
        let files = self.format.data_files(&head, &KeepAll).await.unwrap();
        let delete_rows = files.into_iter().map(|file| (file.path, [0].into_iter().collect())).collect();
        committed(self.format.commit(&head, &Commit { delete_rows, ..self.commit(Operation::Delete) }).await.unwrap())
    }

    /// Names of the files in the log's folder.
    async fn log(&self) -> Vec<String> {
        let files = waterline_env::files::Files::new(self.world.stores.clone());
        let mut names = files.list(&format!("{ROOT}/_delta_log")).await.unwrap().files;
        names.sort();
        names
    }

    async fn read(&self, file: &str) -> bytes::Bytes {
        waterline_env::files::Files::new(self.world.stores.clone()).read(&format!("{ROOT}/{file}")).await.unwrap()
    }

    /// The actions of a commit.
    async fn actions(&self, version: i64) -> Vec<Json> {
        let bytes = self.read(&format!("_delta_log/{version:020}.json")).await;
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    async fn remove(&self, file: &str) {
        let (store, path) = self.world.stores.resolve(&format!("{ROOT}/{file}")).unwrap();
        store.delete(&path).await.unwrap();
    }
}

async fn put(world: &World, file: &str, bytes: impl Into<object_store::PutPayload>) {
    let (store, path) = world.stores.resolve(&format!("{ROOT}/{file}")).unwrap();
    store.put(&path, bytes.into()).await.unwrap();
}

fn committed(outcome: CommitOutcome) -> TableState {
    match outcome {
        CommitOutcome::Committed(state) => state,
        other => panic!("{other:?}"),
    }
}

fn protocol(reader: &[&str], writer: &[&str]) -> Json {
    json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": reader, "writerFeatures": writer}})
}

fn plain_protocol() -> Json {
    json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
}

/// Of a table of these columns.
fn metadata(fields: &Json, partition_columns: &[&str], configuration: &Json) -> Json {
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    json!({"metaData": {
        "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": partition_columns,
        "configuration": configuration,
        "createdTime": 1_700_000_000_000_i64,
    }})
}

fn field(name: &str, data_type: &str, metadata: &Json) -> Json {
    json!({"name": name, "type": data_type, "nullable": true, "metadata": metadata})
}

fn id_and_name() -> Json {
    json!([field("id", "long", &json!({})), field("name", "string", &json!({}))])
}

fn add(path: &str, stats: &Json, partition_values: &Json) -> Json {
    json!({"add": {
        "path": path, "size": 1, "modificationTime": 0, "dataChange": true,
        "partitionValues": partition_values, "stats": stats.to_string(),
    }})
}
