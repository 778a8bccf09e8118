//! A compaction is not seen: every moment reads as before, whatever is merged beside it.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use datafusion::object_store::ObjectStoreExt;
use proptest::prelude::{ProptestConfig, proptest};
use serde_json::{Value, json};
use waterline_core::format::{Catalog, DataFile, KeepAll, Operation, TableState};
use waterline_core::maintain::compact::{Due, Place};
use waterline_core::record::{Kind, Record, record_of};
use waterline_engine::lake::Limits;
use waterline_engine::maintain::compact::{Planned, Report, Request, StrategyChoice, execute, plan};
use waterline_engine::merge::catch_up;
use waterline_testkit::arrivals::Disorder;
use waterline_testkit::cell::Cell;
use waterline_testkit::faults::Operation as Step;
use waterline_testkit::files::{physical_rows, read_rows};
use waterline_testkit::histories::{Feature, History, Start, histories};
use waterline_testkit::memory::MemoryCatalog;
use waterline_testkit::world::World;

use crate::as_of::{cases, courses, in_delta, in_iceberg, in_memory};
use crate::fold::{ALL, PLAIN, Subject};
use crate::formats::{Format, in_both_formats};
use crate::rules::{Table, create, delete, update};
use crate::rules_as_of::moment;

const V2: &[(&str, &str)] = &[("format-version", "2")];
const V3: &[(&str, &str)] = &[("format-version", "3")];

/// Takes whatever can be taken, in one commit for each file group.
pub(crate) fn eager(choice: StrategyChoice) -> Request {
    Request { choice, min_input_files: 2, delete_ratio_threshold: 0.01, commit_bytes: 1, lanes: NonZeroUsize::new(2), ..Request::default() }
}

fn by_note() -> StrategyChoice {
    StrategyChoice::Sort("note desc, id".parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(8), ..ProptestConfig::default() })]

    #[test]
    fn every_moment_reads_as_before_in_memory(history in histories(Start::DumpInside, ALL, 24), course in courses(Disorder::Late), compacted: u64) {
        in_memory(&history, &course.compacted(compacted, eager(StrategyChoice::Binpack), &[]));
    }

    #[test]
    fn every_moment_reads_as_before_when_sorted(history in histories(Start::Dump, ALL, 24), course in courses(Disorder::Shuffled), compacted: u64) {
        in_memory(&history, &course.compacted(compacted, eager(by_note()), &[]));
    }

    #[test]
    fn every_moment_reads_as_before_in_iceberg_v2(history in histories(Start::Empty, ALL, 20), course in courses(Disorder::Late), compacted: u64) {
        in_iceberg(&history, &course.compacted(compacted, eager(StrategyChoice::Binpack), V2));
    }

    #[test]
    fn every_moment_reads_as_before_in_iceberg_v3(history in histories(Start::DumpInside, PLAIN, 20), course in courses(Disorder::Late), compacted: u64) {
        in_iceberg(&history, &course.compacted(compacted, eager(StrategyChoice::Binpack), V3));
    }

    #[test]
    fn every_moment_reads_as_before_in_delta(history in histories(Start::DumpInside, ALL, 20), course in courses(Disorder::Late), compacted: u64) {
        in_delta(&history, &course.compacted(compacted, eager(StrategyChoice::Binpack), &[]));
    }
}

in_both_formats!(files_with_deleted_rows_become_one, rule_13_a_compaction_has_the_record_of_its_actual_parent);

/// A table of a history that was merged batch by batch, five events in each, but for the last batches.
struct Merged {
    world: World,
    subject: Subject,
    batches: Vec<Vec<waterline_testkit::oracle::Event>>,
}

impl Merged {
    async fn new(seed: u64, catalog: impl Fn(&World) -> Arc<dyn Catalog>, properties: &[(&str, &str)], unmerged: usize) -> Self {
        let history = History::seeded(seed, 40, Start::Dump, &[Feature::KeyChange, Feature::Unset]);
        let world = World::in_memory(7);
        world.clock.tick_us(1_000);
        let mut subject = Subject::of(&history, &world, catalog(&world), properties).await;
        let mut batches: Vec<_> = history.events.chunks(5).map(<[_]>::to_vec).collect();
        let last = batches.split_off(batches.len() - unmerged);
        for batch in batches {
            subject.log(&batch).await;
            catch_up(&subject.lake, &subject.pair, None, &Limits::default()).await.unwrap();
        }
        Self { world, subject, batches: last }
    }

    async fn of(format: Format, properties: &[(&str, &str)], unmerged: usize) -> Self {
        Self::new(3, |world| format.catalog("memory://lake/warehouse", &world.env), properties, unmerged).await
    }

    async fn iceberg(properties: &[(&str, &str)], unmerged: usize) -> Self {
        Self::of(Format::Iceberg, properties, unmerged).await
    }

    async fn in_memory(unmerged: usize) -> Self {
        Self::new(3, |world| Arc::new(MemoryCatalog::new("memory://lake/warehouse", world.faults.clone())), &[], unmerged).await
    }

    /// Logs and merges one more batch.
    async fn merge(&mut self) {
        let batch = self.batches.remove(0);
        self.subject.log(&batch).await;
        catch_up(&self.subject.lake, &self.subject.pair, None, &Limits::default()).await.unwrap();
    }

    /// The plan for the mirror, then for the changelog.
    async fn plan(&self, request: &Request) -> [Planned; 2] {
        let planned = plan(&self.subject.lake, self.subject.pair.mirror.name(), request).await.unwrap();
        planned.try_into().unwrap_or_else(|_| panic!("a table has a mirror and a changelog"))
    }

    async fn compact(&self, request: &Request) -> [Report; 2] {
        let [mirror, changelog] = self.plan(request).await;
        [execute(&self.subject.lake, mirror, request).await.unwrap(), execute(&self.subject.lake, changelog, request).await.unwrap()]
    }

    /// Changes the newest metadata of the mirror as another writer would.
    async fn edit(&self, change: impl FnOnce(&mut Value)) {
        let url = self.head().await.metadata_location.unwrap();
        let (store, path) = self.subject.lake.env.stores.resolve(&url).unwrap();
        let mut metadata: Value = serde_json::from_slice(&store.get(&path).await.unwrap().bytes().await.unwrap()).unwrap();
        change(&mut metadata);
        let (folder, name) = url.rsplit_once('/').unwrap();
        let version: u64 = name.trim_start_matches('v').split('.').next().unwrap().parse().unwrap();
        let (store, path) = self.subject.lake.env.stores.resolve(&format!("{folder}/v{}.metadata.json", version + 1)).unwrap();
        store.put(&path, serde_json::to_vec(&metadata).unwrap().into()).await.unwrap();
    }

    async fn head(&self) -> TableState {
        self.subject.pair.mirror.head().await.unwrap()
    }

    async fn files(&self, state: &TableState) -> Vec<DataFile> {
        self.subject.pair.mirror.data_files(state, &KeepAll).await.unwrap()
    }

    async fn record(&self) -> Record {
        record_of(&self.head().await).unwrap().unwrap()
    }
}

async fn one_file_is_left(table: Merged) {
    let before = table.head().await;
    let files = table.files(&before).await;
    assert!(files.len() > 2 && files.iter().any(|file| file.deleted_rows > Some(0)));
    let [mirror, changelog] = table.compact(&eager(StrategyChoice::Binpack)).await;
    table.subject.check().await;
    let after = table.head().await;
    let [file] = &table.files(&after).await[..] else { panic!("all rows fit into one file") };
    assert_eq!(file.deleted_rows, Some(0));
    assert_eq!((mirror.before.files, mirror.after.files, mirror.commits), (files.len() as u64, 1, 1));
    assert_eq!(mirror.before.rows, files.iter().map(|file| file.record_count).sum::<u64>());
    assert_eq!((mirror.after.rows, mirror.after.bytes), (file.record_count, file.size_bytes));
    assert_eq!(mirror.before.rows - mirror.after.rows, files.iter().map(|file| file.deleted_rows.unwrap()).sum::<u64>());
    assert!(changelog.before.files > changelog.after.files && changelog.before.rows == changelog.after.rows);
    let info = after.current().unwrap();
    assert_eq!((info.operation, info.parent), (Operation::Replace, before.version));

    // There is nothing to do a second time.
    for planned in table.plan(&eager(StrategyChoice::Binpack)).await {
        assert!(!planned.is_due(), "{planned:?}");
        assert_eq!(execute(&table.subject.lake, planned, &eager(StrategyChoice::Binpack)).await.unwrap().commits, 0);
    }
    let past = table.subject.pair.mirror.at(&after, before.version.unwrap()).await.unwrap();
    assert_eq!(
        read_rows(&table.subject.lake.env, table.subject.pair.mirror.as_ref(), &past).await.unwrap(),
        read_rows(&table.subject.lake.env, table.subject.pair.mirror.as_ref(), &after).await.unwrap()
    );
}

#[tokio::test]
async fn many_small_files_become_one() {
    one_file_is_left(Merged::in_memory(0).await).await;
    one_file_is_left(Merged::iceberg(V2, 0).await).await;
    one_file_is_left(Merged::iceberg(V3, 0).await).await;
}

/// The merge wins: what it deleted in the old files is deleted in the new ones.
async fn deletes_are_carried_over(mut table: Merged) {
    let request = eager(StrategyChoice::Binpack);
    let [planned, _] = table.plan(&request).await;
    while !table.batches.is_empty() {
        table.merge().await;
    }
    let merged = table.record().await;
    let report = execute(&table.subject.lake, planned, &request).await.unwrap();
    assert!(report.carried_deletes > 0 && report.given_up.is_empty(), "{report:?}");
    table.subject.check().await;
    assert_eq!(table.record().await, Record { kind: Kind::Compaction, ..merged });
}

#[tokio::test]
async fn deletes_of_a_merge_that_won_are_carried_over() {
    deletes_are_carried_over(Merged::in_memory(3).await).await;
    deletes_are_carried_over(Merged::iceberg(V2, 3).await).await;
    deletes_are_carried_over(Merged::iceberg(V3, 3).await).await;
}

/// Of files that hold many rows, so that none leaves because all of its rows are deleted. Of two compactions beside a merge one
/// carries over what it deleted, and the other gives way.
async fn files_with_deleted_rows_become_one(format: Format) {
    let mut table = Table::of(format);
    let dumped: String = (1..10).map(|id| format!("{id},dumped,x\n")).collect();
    table.load(&format!("id,a,b\n{dumped}"), moment(10)).await;
    table.take(&[update(11, 1, "one", "x"), create(12, 20, "new", "x"), create(13, 21, "new", "x")]).await;
    let request = eager(StrategyChoice::Binpack);
    let planned = async || plan(&table.lake, &Table::name(), &request).await.unwrap().remove(0);
    let (first, second) = (planned().await, planned().await);
    assert_eq!(first.plan.groups.iter().map(|group| group.files.len()).collect::<Vec<_>>(), [2]);
    table.take(&[update(14, 2, "two", "x"), delete(15, 20)]).await;
    let expected = table.rows().await;

    let report = execute(&table.lake, first, &request).await.unwrap();
    assert_eq!((report.commits, report.carried_deletes, report.given_up), (1, 2, Vec::new()));
    assert_eq!((report.before.rows, report.after.rows), (12, 11));
    assert_eq!(table.rows().await, expected);
    let report = execute(&table.lake, second, &request).await.unwrap();
    assert_eq!((report.commits, report.given_up.len()), (0, 1));

    let before = table.mirror().await;
    let third = plan(&table.lake, &Table::name(), &request).await.unwrap().remove(0);
    let after = execute(&table.lake, third, &request).await.unwrap().after;
    assert_eq!((after.files, after.rows), (1, 10));
    assert_eq!(table.rows().await, expected);
    assert!(!plan(&table.lake, &Table::name(), &request).await.unwrap()[0].is_due());
    let info = table.mirror().await.current().cloned().unwrap();
    assert_eq!((info.operation, info.parent), (Operation::Replace, before.version));
    crate::check::assert_sound(&table.lake, &Table::name()).await;
}

/// Rows that were put into another order cannot be told any more: the group is sorted again, and no row comes back.
#[tokio::test]
async fn a_sorted_group_that_lost_to_a_merge_is_sorted_again() {
    let mut table = Merged::in_memory(1).await;
    let [planned, _] = table.plan(&eager(by_note())).await;
    table.batches[0].truncate(1);
    table.merge().await;
    let report = execute(&table.subject.lake, planned, &eager(by_note())).await.unwrap();
    assert_eq!((report.commits, report.given_up.len(), report.after.files), (1, 0, 1));
    table.subject.check().await;
    let notes = stored(&table, "note").await;
    assert!(notes.iter().any(|notes| notes.len() > 2 && notes.is_sorted_by(|a, b| a >= b)), "{notes:?}");
}

/// A merge has written its rows when a compaction commits. Returns whether the merge read the changelog again after that.
async fn a_merge_loses_to_a_compaction(properties: &[(&str, &str)]) -> bool {
    let mut table = Merged::iceberg(properties, 1).await;
    let batch = table.batches.remove(0);
    table.subject.log(&batch).await;
    let faults = table.world.faults.clone();
    let steps_of = |operation: Step, folder: &str, from: usize| {
        faults.steps()[from..].iter().filter(|step| step.operation == operation && step.path.contains(folder)).count()
    };
    let begin = faults.steps().len();
    faults.set_turns(1);
    let (lake, limits) = (table.subject.lake.clone(), Limits::default());
    let mut merge = pin!(catch_up(&lake, &table.subject.pair, None, &limits));
    poll_fn(|context| match merge.as_mut().poll(context) {
        Poll::Ready(done) => panic!("the merge won: {done:?}"),
        Poll::Pending if steps_of(Step::Put, "/orders/data/", begin) > 0 => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
    assert!(steps_of(Step::Get, "/orders__changelog/data/", begin) > 0);
    let [report, _] = table.compact(&eager(StrategyChoice::Binpack)).await;
    assert_eq!((report.commits, report.given_up), (1, Vec::new()));
    let compacted = faults.steps().len();
    let counts = merge.await.unwrap();
    let reads = steps_of(Step::Get, "/orders__changelog/data/", compacted);
    assert!(counts.commits == 1 && counts.updated + counts.deleted > 0, "{counts:?}");
    table.subject.check().await;
    assert_eq!(table.record().await.kind, Kind::Merge);
    crate::check::assert_sound(&table.subject.lake, table.subject.pair.mirror.name()).await;
    reads > 0
}

#[test]
fn rule_18_a_merge_that_lost_to_a_compaction_locates_again_and_no_more() {
    let run = |properties| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(a_merge_loses_to_a_compaction(properties))
    };
    assert!(!run(V2));
    assert!(!run(V3));
    // Files that the merge wrote anew are gone.
    assert!(run(&[("format-version", "2"), ("write.merge.mode", "copy-on-write")]));
}

/// Of two compactions of the same files, one gives way.
#[tokio::test]
async fn files_are_replaced_once() {
    let table = Merged::iceberg(V2, 0).await;
    let request = eager(StrategyChoice::Binpack);
    let ([first, _], [second, _]) = (table.plan(&request).await, table.plan(&request).await);
    assert_eq!(execute(&table.subject.lake, first, &request).await.unwrap().commits, 1);
    let report = execute(&table.subject.lake, second, &request).await.unwrap();
    assert_eq!((report.commits, report.given_up.len()), (0, 1));
    table.subject.check().await;
}

/// The record is that of the snapshot below, and not of the one that the compaction was planned on.
async fn rule_13_a_compaction_has_the_record_of_its_actual_parent(format: Format) {
    let mut table = Merged::of(format, &[], 1).await;
    let request = eager(StrategyChoice::Binpack);
    let [planned, _] = table.plan(&request).await;
    let on_plan = table.record().await;
    table.merge().await;
    let merged = table.record().await;
    assert!(merged.folded > on_plan.folded);
    assert_eq!(execute(&table.subject.lake, planned, &request).await.unwrap().commits, 1);
    let head = table.head().await;
    let own: Record = serde_json::from_str(&head.current().unwrap().summary[waterline_core::record::RECORD]).unwrap();
    assert_eq!(own, Record { kind: Kind::Compaction, ..merged });
}

/// The values of a column as they lie in the files.
async fn stored(table: &Merged, column: &str) -> Vec<Vec<Option<Cell>>> {
    let state = table.head().await;
    let mut values = Vec::new();
    for file in table.files(&state).await {
        let rows = physical_rows(&table.subject.lake.env, &state, &file.path).await.unwrap();
        values.push(rows.into_iter().map(|row| row.get(column).cloned()).collect());
    }
    values
}

/// Batches that the mirror lacks stay as they were logged: a merge takes them file by file.
#[tokio::test]
async fn the_changelog_is_compacted_as_far_as_it_is_merged() {
    let mut table = Merged::in_memory(2).await;
    for batch in std::mem::take(&mut table.batches) {
        table.subject.log(&batch).await;
    }
    let log = &table.subject.pair.changelog;
    let paths = async || {
        let files = log.data_files(&log.head().await.unwrap(), &KeepAll).await.unwrap();
        files.into_iter().map(|file| file.path).collect::<std::collections::HashSet<_>>()
    };
    let before = paths().await;
    let [_, report] = table.compact(&eager(StrategyChoice::Binpack)).await;
    assert_eq!((report.before.files, report.after.files), (before.len() as u64 - 2, 1));
    assert_eq!(paths().await.intersection(&before).count(), 2);
    catch_up(&table.subject.lake, &table.subject.pair, None, &Limits::default()).await.unwrap();
    table.subject.check().await;
}

#[tokio::test]
async fn rows_are_sorted_within_little_memory() {
    let table = Merged::in_memory(0).await;
    let request = Request { memory_bytes: 2 << 20, ..eager(by_note()) };
    table.compact(&request).await;
    table.subject.check().await;
    let [notes] = &stored(&table, "note").await[..] else { panic!("one file") };
    // Descending, nulls last.
    assert!(notes.is_sorted_by(|a, b| a >= b) && notes.len() > 2, "{notes:?}");
    let [planned, _] = table.plan(&request).await;
    assert!(planned.plan.groups.is_empty(), "{:?}", planned.plan);
}

/// Another writer changes the partition spec: files of the old one move to the new one, row by row.
#[tokio::test]
async fn files_of_an_older_partition_spec_move() {
    let mut table = Merged::iceberg(V2, 2).await;
    table
        .edit(|metadata| {
            let id = metadata["schemas"][0]["fields"].as_array().unwrap().iter().find(|field| field["name"] == "id").unwrap()["id"].clone();
            let field = json!({ "source-id": id, "field-id": 1000, "name": "id_bucket", "transform": "bucket[3]" });
            metadata["partition-specs"].as_array_mut().unwrap().push(json!({ "spec-id": 1, "fields": [field] }));
            metadata["default-spec-id"] = json!(1);
            metadata["last-partition-id"] = json!(1000);
        })
        .await;
    let request = eager(StrategyChoice::Binpack);
    let [planned, _] = table.plan(&request).await;
    assert!(planned.plan.groups.iter().all(|group| (group.why, &group.place) == (Due::OlderSpec, &Place::EachRow)), "{:?}", planned.plan);
    // Rows went into several partitions, so where they are now cannot be told by their order.
    table.merge().await;
    let report = execute(&table.subject.lake, planned, &request).await.unwrap();
    assert_eq!(report.given_up, []);
    table.subject.check().await;

    table.compact(&request).await;
    table.subject.check().await;
    let files = table.files(&table.head().await).await;
    assert!(files.len() > 1 && files.iter().all(|file| file.summary.partition.len() == 1), "{files:?}");
    table.merge().await;
    table.subject.check().await;
    crate::check::assert_sound(&table.subject.lake, table.subject.pair.mirror.name()).await;
}
