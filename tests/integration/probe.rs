//! A store is checked before the first commit in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use tempfile::TempDir;
use waterline_core::error::{Error, ErrorKind};
use waterline_core::format::{Catalog, TableDefinition, TableFormat};
use waterline_core::table::TableName;
use waterline_iceberg::{FilesystemCatalog, SqlCatalog};
use waterline_testkit::faults::{Fault, Operation, Rule};
use waterline_testkit::world::World;

const WAREHOUSE: &str = "s3://key:secret@bucket/lake";

fn in_a_folder(world: &World) -> FilesystemCatalog {
    FilesystemCatalog::new(WAREHOUSE, world.env.clone()).unwrap()
}

async fn in_sqlite(world: &World, folder: &TempDir) -> SqlCatalog {
    let uri = format!("sqlite:{}", folder.path().join("catalog.db").display());
    SqlCatalog::connect(&uri, "lake", WAREHOUSE, world.env.clone()).await.unwrap()
}

async fn create(catalog: &dyn Catalog, name: &str) -> Result<Arc<dyn TableFormat>, Error> {
    let definition = TableDefinition {
        schema: Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)])),
        keys: vec!["id".into()],
        partition_by: Vec::new(),
        properties: BTreeMap::new(),
    };
    catalog.create(&TableName::new("shop", name).unwrap(), &definition).await
}

/// How often something was asked of the objects that stores are checked with.
fn asked(world: &World, operation: Operation) -> usize {
    world.faults.steps().iter().filter(|step| step.operation == operation && step.path.contains("probe")).count()
}

fn is_refused(error: &Error, lacks: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
    assert!(text.contains("s3://bucket") && text.contains(lacks) && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_store_is_checked_once_and_left_clean() {
    let world = World::in_memory(1);
    let catalog = in_a_folder(&world);
    create(&catalog, "orders").await.unwrap();
    create(&catalog, "items").await.unwrap();
    assert_eq!((asked(&world, Operation::Create), asked(&world, Operation::Delete)), (2, 1));
}

#[tokio::test]
async fn a_store_without_conditional_create_is_refused_where_commits_need_it() {
    let world = World::in_memory(1);
    world.faults.add(Rule::new(Operation::Create, Fault::Unconditional));
    is_refused(&create(&in_a_folder(&world), "orders").await.unwrap_err(), "conditional create");
    assert!(world.faults.steps().iter().all(|step| !step.path.contains("metadata.json") || step.operation == Operation::Get));
    assert_eq!(asked(&world, Operation::Delete), 1);

    let folder = tempfile::tempdir().unwrap();
    create(&in_sqlite(&world, &folder).await, "orders").await.unwrap();
}

#[tokio::test]
async fn a_store_whose_lists_lag_is_refused_by_every_catalog() {
    let world = World::in_memory(1);
    let folder = tempfile::tempdir().unwrap();
    world.faults.add(Rule::new(Operation::List, Fault::Stale { steps: 100 }).on_path("probe"));
    is_refused(&create(&in_a_folder(&world), "orders").await.unwrap_err(), "listing");
    is_refused(&create(&in_sqlite(&world, &folder).await, "orders").await.unwrap_err(), "listing");
    assert_eq!(asked(&world, Operation::Delete), 2);
}

#[tokio::test]
async fn a_check_that_fails_says_nothing_of_the_store_and_is_repeated() {
    for (operation, fault) in [
        (Operation::Create, Fault::Before),
        (Operation::Create, Fault::After),
        (Operation::Create, Fault::ExistsThoughAbsent),
        (Operation::Get, Fault::Before),
        (Operation::List, Fault::Before),
    ] {
        let world = World::in_memory(1);
        let catalog = in_a_folder(&world);
        world.faults.add(Rule::new(operation, fault).on_path("probe").once());
        let error = create(&catalog, "orders").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation:?} {fault:?}: {error}");
        create(&catalog, "orders").await.unwrap();
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_repeated_and_a_delete_that_fails_do_no_harm() {
    for (operation, fault) in [(Operation::Create, Fault::ExistsThoughOurs), (Operation::Delete, Fault::Before)] {
        let world = World::in_memory(1);
        world.faults.add(Rule::new(operation, fault).on_path("probe").once());
        create(&in_a_folder(&world), "orders").await.unwrap();
    }
}
