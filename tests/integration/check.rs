//! `check` finds what is damaged, and nothing in a table that is sound.

use std::sync::Arc;

use datafusion::object_store::{ObjectMeta, ObjectStoreExt};
use futures::TryStreamExt;
use serde_json::{Value, json};
use waterline_core::format::{Commit, DataFile, KeepAll, NewDataFile, Operation, Removal, TableFormat, TableState};
use waterline_core::maintain::check::{Finding, Problem};
use waterline_core::record::RECORD;
use waterline_core::table::TableName;
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::maintain::check::{Depth, Request, check};
use waterline_engine::merge::catch_up;
use waterline_testkit::files::{physical_rows, read_rows, write_file};
use waterline_testkit::histories::{Feature, History, Start};
use waterline_testkit::world::World;

use crate::fold::Subject;
use crate::formats::{Format, in_both_formats};

const WAREHOUSE: &str = "memory://lake/warehouse";

async fn findings(lake: &Lake, table: &TableName, depth: Depth) -> Vec<Finding> {
    let request = Request { depth, limits: Limits { batch_rows: 9, ..Limits::default() }, memory_bytes: 64 << 20 };
    check(lake, table, &request).await.unwrap()
}

/// No alarm in a table that must have nothing wrong.
pub(crate) async fn assert_sound(lake: &Lake, table: &TableName) {
    assert_eq!(findings(lake, table, Depth::Footers).await, []);
    assert_eq!(findings(lake, table, Depth::Rows).await, []);
}

/// A table of some merges, whose files and metadata a test damages. A lake that has not read them before looks at it.
struct Damaged {
    world: World,
    subject: Subject,
    format: Format,
}

impl Damaged {
    async fn iceberg(version: &str) -> Self {
        Self::new(Format::Iceberg, &[("format-version", version)]).await
    }

    /// With a checkpoint for each second version.
    async fn delta() -> Self {
        Self::new(Format::Delta, &[("delta.checkpointInterval", "2")]).await
    }

    async fn new(format: Format, properties: &[(&str, &str)]) -> Self {
        let history = History::seeded(3, 30, Start::Dump, &[Feature::KeyChange, Feature::Unset]);
        let world = World::in_memory(7);
        world.clock.tick_us(1_000);
        let mut subject = Subject::of(&history, &world, format.catalog(WAREHOUSE, &world.env), properties).await;
        for batch in history.events.chunks(6) {
            subject.log(batch).await;
            catch_up(&subject.lake, &subject.pair, None, &Limits::default()).await.unwrap();
        }
        let damaged = Self { world, subject, format };
        assert_sound(&damaged.fresh(), damaged.name()).await;
        damaged
    }

    fn name(&self) -> &TableName {
        self.subject.pair.mirror.name()
    }

    fn fresh(&self) -> Lake {
        Lake::new(self.format.catalog(WAREHOUSE, &self.world.env), self.world.env.clone())
    }

    fn mirror(&self) -> &Arc<dyn TableFormat> {
        &self.subject.pair.mirror
    }

    async fn head(&self) -> TableState {
        self.mirror().head().await.unwrap()
    }

    async fn files(&self) -> Vec<DataFile> {
        self.mirror().data_files(&self.head().await, &KeepAll).await.unwrap()
    }

    async fn write(&self, url: &str, bytes: Vec<u8>) {
        let (store, path) = self.world.stores.resolve(url).unwrap();
        store.put(&path, bytes.into()).await.unwrap();
    }

    async fn read(&self, url: &str) -> Vec<u8> {
        let (store, path) = self.world.stores.resolve(url).unwrap();
        store.get(&path).await.unwrap().bytes().await.unwrap().to_vec()
    }

    async fn remove(&self, url: &str) {
        let (store, path) = self.world.stores.resolve(url).unwrap();
        store.delete(&path).await.unwrap();
    }

    /// The files of the mirror's log, in Delta, in order.
    async fn log(&self) -> Vec<String> {
        let folder = format!("{WAREHOUSE}/shop/orders/_delta_log");
        let (store, path) = self.world.stores.resolve(&folder).unwrap();
        let files: Vec<ObjectMeta> = store.list(Some(&path)).try_collect().await.unwrap();
        let mut names: Vec<String> = files.iter().map(|file| format!("{folder}/{}", file.location.filename().unwrap())).collect();
        names.sort();
        names
    }

    /// Changes the bytes of all files of a folder of the mirror whose names end so.
    async fn alter(&self, folder: &str, ending: &str, change: impl Fn(&mut Vec<u8>)) {
        let (store, path) = self.world.stores.resolve(&format!("{WAREHOUSE}/shop/orders/{folder}")).unwrap();
        let files: Vec<ObjectMeta> = store.list(Some(&path)).try_collect().await.unwrap();
        for file in files.iter().filter(|file| file.location.as_ref().ends_with(ending)) {
            let mut bytes = store.get(&file.location).await.unwrap().bytes().await.unwrap().to_vec();
            change(&mut bytes);
            store.put(&file.location, bytes.into()).await.unwrap();
        }
    }

    /// Changes the newest metadata file.
    async fn edit(&self, table: &Arc<dyn TableFormat>, change: impl FnOnce(&mut Value)) {
        let url = table.head().await.unwrap().metadata_location.unwrap();
        let mut metadata: Value = serde_json::from_slice(&self.read(&url).await).unwrap();
        change(&mut metadata);
        self.write(&url, serde_json::to_vec(&metadata).unwrap()).await;
    }

    /// A commit with the record that the table has.
    async fn commit(&self, add: Vec<NewDataFile>, remove: Removal) {
        let base = self.head().await;
        let commit = Commit {
            add,
            remove,
            summary: [(RECORD.to_owned(), base.properties[RECORD].clone())].into(),
            ..Commit::new("damage", Operation::Overwrite, self.world.env.clock.now_ms())
        };
        let outcome = self.mirror().commit(&base, &commit).await.unwrap();
        assert!(matches!(outcome, waterline_core::format::CommitOutcome::Committed(_)));
    }

    /// What a lake finds that has read nothing before, without what is said of the changelog.
    async fn found(&self, depth: Depth) -> Vec<(Problem, String)> {
        findings(&self.fresh(), self.name(), depth).await.into_iter().map(|finding| (finding.problem, finding.place)).collect()
    }

    async fn assert_found(&self, depth: Depth, expected: &[(Problem, &str)]) {
        let found = self.found(depth).await;
        let found: Vec<(Problem, &str)> = found.iter().map(|(problem, place)| (*problem, place.as_str())).collect();
        assert_eq!(found, expected);
    }
}

in_both_formats!(
    a_missing_file_is_found,
    a_file_of_another_size_is_found,
    bytes_that_are_no_parquet_file_are_found,
    a_key_that_occurs_twice_is_found,
    bounds_that_leave_values_out_are_found,
    a_table_that_is_not_the_fold_is_found,
    lost_positions_are_found,
);

async fn a_missing_file_is_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let file = table.files().await.remove(0).path;
    table.remove(&file).await;
    table.assert_found(Depth::Footers, &[(Problem::MissingFile, &file)]).await;
    table.assert_found(Depth::Rows, &[(Problem::MissingFile, &file)]).await;
}

async fn a_file_of_another_size_is_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let file = table.files().await.remove(0).path;
    let mut bytes = table.read(&file).await;
    bytes.truncate(bytes.len() - 1);
    table.write(&file, bytes).await;
    table.assert_found(Depth::Footers, &[(Problem::WrongSize, &file)]).await;
}

async fn bytes_that_are_no_parquet_file_are_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let file = table.files().await.remove(0);
    table.write(&file.path, vec![7; file.size_bytes as usize]).await;
    table.assert_found(Depth::Footers, &[(Problem::UnreadableFile, &file.path)]).await;
}

#[tokio::test]
async fn metadata_that_cannot_be_read_is_found() {
    let table = Damaged::iceberg("2").await;
    let old = table.head().await.history[1].version;
    let metadata: Value = serde_json::from_slice(&table.read(&table.head().await.metadata_location.unwrap()).await).unwrap();
    let snapshots = metadata["snapshots"].as_array().unwrap();
    let list = snapshots.iter().find(|snapshot| snapshot["snapshot-id"] == json!(old.0)).unwrap()["manifest-list"].as_str().unwrap();
    table.remove(list).await;
    table.assert_found(Depth::Footers, &[]).await;
    table.assert_found(Depth::Rows, &[(Problem::UnreadableMetadata, &format!("snapshot {}", old.0))]).await;

    let url = table.head().await.metadata_location.unwrap();
    table.write(&url, b"{".to_vec()).await;
    assert!(table.found(Depth::Footers).await.contains(&(Problem::UnreadableMetadata, table.name().to_string())));
}

#[tokio::test]
async fn a_broken_parent_chain_is_found() {
    let table = Damaged::iceberg("2").await;
    let head = table.head().await;
    let broken = head.lineage().nth(1).unwrap().version.0;
    table
        .edit(table.mirror(), |metadata| {
            let snapshots = metadata["snapshots"].as_array_mut().unwrap();
            snapshots.iter_mut().find(|snapshot| snapshot["snapshot-id"] == json!(broken)).unwrap()["parent-snapshot-id"] = json!(12345);
        })
        .await;
    table.assert_found(Depth::Footers, &[(Problem::BrokenChain, &format!("snapshot {broken}"))]).await;
}

#[tokio::test]
async fn a_gap_in_the_log_is_found() {
    let table = Damaged::iceberg("2").await;
    let changelog = &table.subject.pair.changelog;
    let head = changelog.head().await.unwrap();
    let [newest, skipped, parent] = [0, 1, 2].map(|n| head.lineage().nth(n).unwrap().version.0);
    table
        .edit(changelog, |metadata| {
            let snapshots = metadata["snapshots"].as_array_mut().unwrap();
            snapshots.retain(|snapshot| snapshot["snapshot-id"] != json!(skipped));
            snapshots.iter_mut().find(|snapshot| snapshot["snapshot-id"] == json!(newest)).unwrap()["parent-snapshot-id"] = json!(parent);
        })
        .await;
    table.assert_found(Depth::Footers, &[(Problem::OrdinalGap, &format!("snapshot {newest}"))]).await;
}

async fn a_key_that_occurs_twice_is_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let head = table.head().await;
    let row = read_rows(&table.world.env, table.mirror().as_ref(), &head).await.unwrap().remove(0);
    let add = write_file(&table.world.env, &head, &[row], Vec::new()).await.unwrap();
    let added = add.path.clone();
    table.commit(vec![add], Removal::Nothing).await;
    let found = table.found(Depth::Rows).await;
    let problems: Vec<Problem> = found.iter().map(|(problem, _)| *problem).collect();
    assert_eq!(problems, [Problem::DuplicateKey, Problem::DuplicateKey, Problem::NotTheFold]);
    assert!(found.contains(&(Problem::DuplicateKey, added)));
    table.assert_found(Depth::Footers, &[]).await;
}

async fn bounds_that_leave_values_out_are_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let head = table.head().await;
    let file = table.files().await.into_iter().find(|file| file.record_count > 2).unwrap();
    let rows = physical_rows(&table.world.env, &head, &file.path).await.unwrap();
    let mut add = write_file(&table.world.env, &head, &rows, Vec::new()).await.unwrap();
    let id = head.schema.field_with_name("id").unwrap().metadata()[waterline_core::format::FIELD_ID].parse().unwrap();
    let bounds = &mut add.statistics.get_mut(&id).unwrap().bounds;
    bounds.upper.clone_from(&bounds.lower);
    let added = add.path.clone();
    // Deleted rows come back with it, so the fold differs too.
    table.commit(vec![add], Removal::Files(vec![file.path])).await;
    let found = table.found(Depth::Rows).await;
    assert!(found.contains(&(Problem::WrongBounds, added)), "{found:?}");
}

async fn a_table_that_is_not_the_fold_is_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let file = table.files().await.into_iter().find(|file| file.record_count > file.deleted_rows.unwrap()).unwrap();
    table.commit(Vec::new(), Removal::Files(vec![file.path])).await;
    table.assert_found(Depth::Footers, &[]).await;
    table.assert_found(Depth::Rows, &[(Problem::NotTheFold, "shop.orders")]).await;
}

async fn lost_positions_are_found(format: Format) {
    let table = Damaged::new(format, &[]).await;
    let positions = waterline_core::record::log_header(&table.subject.pair.changelog.head().await.unwrap()).unwrap().positions.unwrap();
    table.remove(&positions).await;
    table.assert_found(Depth::Footers, &[(Problem::UnreadablePositions, &positions)]).await;
}

#[tokio::test]
async fn a_damaged_deletion_vector_is_found() {
    for (table, folder, ending) in [(Damaged::iceberg("3").await, "data", ".puffin"), (Damaged::delta().await, "_waterline", ".bin")] {
        let file = table.files().await.into_iter().find(|file| file.deleted_rows > Some(0)).unwrap();
        table
            .alter(folder, ending, |bytes| {
                // Inside of the bitmap, behind the magic numbers and the length.
                bytes[20] ^= 0xff;
            })
            .await;
        assert!(table.found(Depth::Footers).await.contains(&(Problem::UnreadableDelete, file.path)));
    }
}

/// In Delta, whatever cannot be read of the log hides all that comes after it.
#[tokio::test]
async fn a_log_of_delta_that_cannot_be_read_is_found() {
    let table = Damaged::delta().await;
    let is_whole = |name: &str| name.ends_with(".checkpoint.parquet");
    let newest = table.log().await.into_iter().rfind(|file| is_whole(file)).unwrap();
    let bytes = table.read(&newest).await;
    table.write(&newest, vec![7; bytes.len()]).await;
    table.assert_found(Depth::Footers, &[(Problem::UnreadableMetadata, "shop.orders")]).await;
}

/// A commit whose file is gone, with a checkpoint behind it: the newest rows are there, and what came in between is not.
#[tokio::test]
async fn a_gap_in_the_log_of_delta_is_found() {
    let table = Damaged::delta().await;
    let commit = |version: i64| format!("{WAREHOUSE}/shop/orders/_delta_log/{version:020}.json");
    table.remove(&commit(3)).await;
    table.assert_found(Depth::Footers, &[(Problem::BrokenChain, "snapshot 4")]).await;
    table.remove(&commit(5)).await;
    let found = table.found(Depth::Rows).await;
    assert!(found.contains(&(Problem::BrokenChain, "snapshot 6".into())), "{found:?}");
}

/// The manifests of deletes name another data file, which is not there.
#[tokio::test]
async fn a_dangling_delete_is_found() {
    for version in ["2", "3"] {
        let table = Damaged::iceberg(version).await;
        let file = table.files().await.into_iter().find(|file| file.deleted_rows > Some(0)).unwrap();
        let other = file.path.replace(".parquet", ".parquex");
        table
            .alter("metadata", ".avro", |bytes| {
                let lists_deletes = bytes.windows(8).any(|part| part == b"-deletes");
                let places: Vec<usize> = bytes
                    .windows(file.path.len())
                    .enumerate()
                    .filter(|(_, part)| *part == file.path.as_bytes())
                    .map(|(at, _)| at)
                    .collect();
                for at in places.into_iter().filter(|_| lists_deletes) {
                    bytes[at..at + other.len()].copy_from_slice(other.as_bytes());
                }
            })
            .await;
        let found = table.found(Depth::Rows).await;
        let dangling: Vec<&String> =
            found.iter().filter(|(problem, _)| *problem == Problem::DanglingDelete).map(|(_, place)| place).collect();
        assert!(matches!(dangling[..], [path] if path.contains("-deletes")), "{found:?}");
        assert!(found.iter().any(|(problem, _)| *problem == Problem::NotTheFold), "deleted rows are back: {found:?}");
    }
}
