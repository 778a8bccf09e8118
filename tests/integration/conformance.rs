//! The Iceberg tables of every catalog and format version, and Delta tables, pass the suite of the seam. (The format in memory runs it
//! beside its own code.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use waterline_core::value::Value;
use waterline_delta::DeltaCatalog;
use waterline_env::ObjectStores;
use waterline_iceberg::{FilesystemCatalog, SqlCatalog};
use waterline_testkit::conformance::{Lost, Subject, conformance};
use waterline_testkit::faults::{Fault, Operation, Rule};
use waterline_testkit::world::World;

fn in_a_folder(version: &'static str) -> Subject {
    let world = World::in_memory(1);
    let catalog = FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap();
    losing_answers(Subject::new(Arc::new(catalog), world.env.clone()), world, "metadata.json").with_property("format-version", version)
}

fn delta_in_memory() -> Subject {
    let world = World::in_memory(1);
    let catalog = DeltaCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap();
    losing_answers(delta(catalog, &world), world, "_delta_log/")
}

/// Delta takes wider types where a table asks for it, and has no partitions by binaries nor by an empty text.
fn delta(catalog: DeltaCatalog, world: &World) -> Subject {
    Subject::new(Arc::new(catalog), world.env.clone())
        .with_property("delta.enableTypeWidening", "true")
        .refusing_partition("raw", None)
        .refusing_partition("name", Some(Value::Text(String::new())))
}

/// Of commits whose files are called so.
fn losing_answers(subject: Subject, world: World, name: &'static str) -> Subject {
    subject.with_lost_answers(move |lost| {
        let fault = match lost {
            Lost::BeforeItLanded => Fault::Before,
            Lost::AfterItLanded => Fault::After,
        };
        world.faults.add(Rule::new(Operation::Create, fault).on_path(name).once());
    })
}

/// Each subject has a catalog of its own. Its answers come from the database, so none is lost.
struct Databases {
    folder: TempDir,
    made: AtomicU32,
}

impl Databases {
    async fn subject(&self, version: &'static str) -> Subject {
        let lake = self.folder.path().join(self.made.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&lake).unwrap();
        let world = World::over(Arc::new(ObjectStores::default()), 1);
        let uri = format!("sqlite:{}", lake.join("catalog.db").display());
        let warehouse = lake.join("ware house");
        let catalog = SqlCatalog::connect(&uri, "lake", warehouse.to_str().unwrap(), world.env.clone()).await.unwrap();
        Subject::new(Arc::new(catalog), world.env).with_property("format-version", version)
    }
}

async fn conforms_in_sqlite(version: &'static str) {
    let databases = Databases { folder: tempfile::tempdir().unwrap(), made: AtomicU32::new(0) };
    conformance(|| databases.subject(version)).await;
}

#[tokio::test]
async fn iceberg_v2_in_a_folder_conforms() {
    conformance(|| async { in_a_folder("2") }).await;
}

#[tokio::test]
async fn iceberg_v3_in_a_folder_conforms() {
    conformance(|| async { in_a_folder("3") }).await;
}

#[tokio::test]
async fn iceberg_v2_in_sqlite_conforms() {
    conforms_in_sqlite("2").await;
}

#[tokio::test]
async fn iceberg_v3_in_sqlite_conforms() {
    conforms_in_sqlite("3").await;
}

#[tokio::test]
async fn delta_in_memory_conforms() {
    conformance(|| async { delta_in_memory() }).await;
}

#[tokio::test]
async fn delta_on_disk_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicU32::new(0);
    conformance(|| async {
        let warehouse = folder.path().join(made.fetch_add(1, Ordering::Relaxed).to_string()).join("ware house");
        let world = World::over(Arc::new(ObjectStores::default()), 1);
        let catalog = DeltaCatalog::new(warehouse.to_str().unwrap(), world.env.clone()).unwrap();
        delta(catalog, &world)
    })
    .await;
}
