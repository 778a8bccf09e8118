//! Each rule of DESIGN.md that an as-of read rests on, as one small history.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::context::SessionContext;
use futures::TryStreamExt;
use roaring::RoaringTreemap;
use waterline_core::as_of::{Beyond, Cut, Plan};
use waterline_core::changes::Detail;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{
    Catalog, Commit, CommitOutcome, DataFile, Expiry, FilePruner, Operation, Removal, StoredFiles, TableDefinition, TableFormat,
    TableState, VersionId,
};
use waterline_core::moments::DumpMoment;
use waterline_core::record::{BatchOrdinal, Kind, log_header};
use waterline_core::table::TableName;
use waterline_engine::as_of::AsOf;
use waterline_engine::changes::{Changes, Span};
use waterline_engine::ingest::Mode;
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::load::adopt_table;
use waterline_engine::merge::{Pair, catch_up};
use waterline_engine::read::{ReadAt, SessionOptions, query, session};
use waterline_engine::tables::{TableSettings, open_or_create_pair};
use waterline_engine::tags::{self, TagFiles, TagRequest};
use waterline_testkit::batch::sorted_rows;
use waterline_testkit::cell::{Cell, Row, row};
use waterline_testkit::columns::to_rows;
use waterline_testkit::files::{read_rows, write_file};

use crate::event_time::{SECOND_US, Shop, mysql, postgres};
use crate::rules::{Table, create, event, row as row_of, run_of_reads, seconds, truncate, update};
use crate::shell::{Shell, json_of};

pub(crate) fn at(second: u64) -> Cut {
    Cut::at(seconds(second))
}

/// Reads on past the watermark.
pub(crate) fn as_logged(second: u64) -> Cut {
    Cut { beyond: Beyond::AsLogged, ..at(second) }
}

pub(crate) fn moment(second: u64) -> DumpMoment {
    DumpMoment { at_us: seconds(second), until_us: None }
}

fn open_session(lake: &Lake, cut: Cut) -> SessionContext {
    session(lake.catalog.clone(), &lake.env, ReadAt::AsOf(cut), &SessionOptions::default()).unwrap()
}

fn text(rows: &[Row], columns: &[&str]) -> Vec<String> {
    let text = |cell: Option<&Cell>| match cell {
        Some(Cell::Int(number)) => number.to_string(),
        Some(Cell::Text(text)) => text.clone(),
        _ => "-".into(),
    };
    let mut lines: Vec<String> =
        rows.iter().map(|row| columns.iter().map(|column| text(row.get(*column))).collect::<Vec<_>>().join(" ")).collect();
    lines.sort();
    lines
}

/// Rows as `id a b`, in order.
pub(crate) async fn rows_at(table: &Table, cut: Cut) -> Vec<String> {
    let session = open_session(&table.lake, cut);
    let batches = query(&session, "select * from shop.t").await.unwrap().collect().await.unwrap();
    text(&sorted_rows(&batches), &["id", "a", "b"])
}

async fn plan_at(table: &Table, cut: Cut) -> Result<Plan> {
    AsOf::open(&table.lake, &Table::name(), &cut, &Limits::default()).await.map(|read| read.plan().clone())
}

pub(crate) async fn refused(table: &Table, cut: Cut) -> String {
    refusal(plan_at(table, cut).await.unwrap_err())
}

fn refusal(error: Error) -> String {
    assert_eq!(error.kind(), ErrorKind::NotAnswerable, "{error}");
    error.to_string()
}

#[tokio::test]
async fn rule_10_a_baseline_opens_an_epoch_and_its_residual_is_every_event_of_it() {
    let mut table = Table::new();
    table.load("id,a,b\n1,dumped,x\n", moment(10)).await;
    table.take(&[update(15, 1, "fifteen", "x")]).await;
    // Logged before the second dump is there, and newer than it.
    table.land(&[create(30, 3, "thirty", "x")]).await;
    table.job(Mode::Log, None).await.unwrap();
    table.load("id,a,b\n1,fifteen,x\n", moment(20)).await;
    table.take(&[update(25, 1, "twenty-five", "x")]).await;
    // Of the first epoch, and logged last: the second dump says what became of it.
    table.take(&[create(12, 2, "late", "x")]).await;
    for (second, expected) in [
        (10, vec!["1 dumped x"]),
        (12, vec!["1 dumped x", "2 late x"]),
        (15, vec!["1 fifteen x", "2 late x"]),
        (19, vec!["1 fifteen x", "2 late x"]),
        (20, vec!["1 fifteen x"]),
        (25, vec!["1 twenty-five x"]),
        (30, vec!["1 twenty-five x", "3 thirty x"]),
    ] {
        assert_eq!(rows_at(&table, as_logged(second)).await, expected, "{second}");
    }
    assert!(refused(&table, as_logged(9)).await.contains("answerable from 2023-11-14T22:13:30.000000Z"));
}

/// Runs lie around a transaction that gives the key away and creates it again.
#[tokio::test]
async fn rule_07_a_run_opens_an_epoch_merged_or_not() {
    let at_12 = |op: &str, place: u64, before: &str, after: &str| {
        event(op, Some(12), place, before, after).replace(&seconds(place).to_string(), &seconds(12).to_string())
    };
    let unset = row_of(3, "moved", "__debezium_unavailable_value");
    let transaction =
        [at_12("d", 12, &row_of(1, "", ""), "null"), at_12("c", 12, "null", &unset), at_12("c", 13, "null", &row_of(1, "again", "newer"))];
    let run = |second: u64, rows: &[(u64, &str)], b: &str| -> Vec<String> {
        run_of_reads(second, rows).iter().map(|line| line.replace(r#""b":"x""#, &format!(r#""b":"{b}""#))).collect()
    };
    for merges in ["never", "in the end", "always"] {
        let mut table = Table::new();
        let batches = [
            run(10, &[(1, "first"), (2, "first")], "old"),
            transaction.to_vec(),
            run(20, &[(1, "second"), (3, "second")], "run"),
            vec![update(25, 3, "updated", "y")],
        ];
        for lines in batches {
            table.land(&lines).await;
            table.job(if merges == "always" { Mode::Merge } else { Mode::Log }, None).await.unwrap();
        }
        if merges == "in the end" {
            table.run().await;
        }
        for (second, expected) in [
            (10, vec!["1 first old", "2 first old"]),
            (11, vec!["1 first old", "2 first old"]),
            (12, vec!["1 again newer", "2 first old", "3 moved old"]),
            (19, vec!["1 again newer", "2 first old", "3 moved old"]),
            (20, vec!["1 second run", "3 second run"]),
            (25, vec!["1 second run", "3 updated y"]),
        ] {
            assert_eq!(rows_at(&table, as_logged(second)).await, expected, "{second}, merged {merges}");
        }
        assert!(refused(&table, as_logged(9)).await.contains("answerable from 2023-11-14T22:13:30.000000Z"));
    }
}

/// A table as another writer left it: rows, and no record.
async fn foreign(table: &Table) {
    let definition = waterline_core::ddl::parse_ddl(
        "CREATE TABLE shop.t (id bigint, a text, b text, PRIMARY KEY (id));",
        waterline_core::ddl::SqlDialect::Postgres,
    );
    let schema = definition.unwrap().table(&Table::name()).unwrap().clone();
    let pair = open_or_create_pair(&table.lake, &Table::name(), &schema, &TableSettings::default()).await.unwrap();
    let base = pair.mirror.head().await.unwrap();
    let rows = [row([("id", 1.into()), ("a", "foreign".into()), ("b", "x".into())])];
    let add = vec![write_file(&table.lake.env, &base, &rows, Vec::new()).await.unwrap()];
    commit(&pair.mirror, &base, Commit { add, ..commit_of(Operation::Append, "foreign") }).await;
}

fn commit_of(operation: Operation, commit_id: &str) -> Commit {
    Commit::new(commit_id, operation, 0)
}

async fn commit(format: &Arc<dyn TableFormat>, base: &TableState, commit: Commit) -> TableState {
    match format.commit(base, &commit).await.unwrap() {
        CommitOutcome::Committed(state) => state,
        other => panic!("{other:?}"),
    }
}

/// Rewrites all rows into one file, as another writer's compaction does.
async fn compact(table: &Table, commit_id: &str) -> TableState {
    let format = table.lake.table(&Table::name()).await.unwrap();
    let base = format.head().await.unwrap();
    let rows = read_rows(&table.lake.env, format.as_ref(), &base).await.unwrap();
    let add = vec![write_file(&table.lake.env, &base, &rows, Vec::new()).await.unwrap()];
    commit(&format, &base, Commit { add, remove: Removal::All, ..commit_of(Operation::Replace, commit_id) }).await
}

#[tokio::test]
async fn rule_11_a_table_of_another_writer_needs_a_time() {
    let mut table = Table::new();
    foreign(&table).await;
    table.take(&[update(15, 1, "fifteen", "x"), create(16, 2, "sixteen", "x")]).await;
    assert_eq!(table.rows().await, ["1 fifteen x", "2 sixteen x"]);
    assert!(refused(&table, as_logged(16)).await.contains("no moment"));
    table.load("id,a,b\n1,fifteen,x\n2,sixteen,x\n", moment(20)).await;
    table.take(&[update(25, 2, "twenty-five", "x")]).await;
    assert!(refused(&table, as_logged(19)).await.contains("answerable from 2023-11-14T22:13:40.000000Z"));
    assert_eq!(rows_at(&table, as_logged(25)).await, ["1 fifteen x", "2 twenty-five x"]);

    let mut adopted = Table::new();
    foreign(&adopted).await;
    adopt_table(&adopted.lake, &Table::name(), seconds(10), &TableSettings::default(), &Limits::default()).await.unwrap();
    adopted.take(&[update(15, 1, "fifteen", "x")]).await;
    assert_eq!(rows_at(&adopted, at(10)).await, ["1 foreign x"]);
    assert_eq!(rows_at(&adopted, as_logged(15)).await, ["1 fifteen x"]);
    refused(&adopted, as_logged(9)).await;
}

#[tokio::test]
async fn rule_11_a_compaction_of_another_writer_inherits_and_any_other_commit_stops_merging() {
    let mut table = Table::new();
    table.take(&[create(10, 1, "ten", "x"), create(11, 2, "eleven", "x")]).await;
    table.take(&[update(20, 1, "twenty", "x")]).await;
    let compacted = compact(&table, "compaction").await;
    table.take(&[update(30, 1, "thirty", "x")]).await;
    let plan = plan_at(&table, at(25)).await.unwrap();
    assert_eq!((plan.base.version, plan.base.record.folded), (compacted.version, BatchOrdinal(2)));
    for (second, expected) in [(11, "1 ten x"), (20, "1 twenty x"), (30, "1 thirty x")] {
        assert_eq!(rows_at(&table, as_logged(second)).await, [expected, "2 eleven x"], "{second}");
    }
    // Rows that nobody logged are in no answer.
    let format = table.lake.table(&Table::name()).await.unwrap();
    let base = format.head().await.unwrap();
    commit(&format, &base, Commit { remove: Removal::All, ..commit_of(Operation::Delete, "delete") }).await;
    table.land(&[update(40, 1, "forty", "x")]).await;
    let mut report = table.job(Mode::Merge, None).await.unwrap();
    assert_eq!(report.tables.remove(0).result.unwrap_err().kind(), ErrorKind::NotAnswerable);
    assert_eq!(rows_at(&table, as_logged(40)).await, ["1 forty x", "2 eleven x"]);
}

#[tokio::test]
async fn rule_12_the_base_is_the_newest_snapshot_without_anything_newer() {
    let mut table = Table::new();
    let mut snapshots = Vec::new();
    for second in [10, 20, 30] {
        table.take(&[create(second, second, "in order", "x")]).await;
        snapshots.push(table.mirror().await.version);
    }
    // Late: its snapshot holds what is newer than it, too.
    table.take(&[create(5, 5, "late", "x")]).await;
    let late = table.mirror().await.version;
    let format = table.lake.table(&Table::name()).await.unwrap();
    let tagged = format.set_tag(&table.mirror().await, "waterline/moment", snapshots[1]).await.unwrap();
    assert!(matches!(tagged, CommitOutcome::Committed(_)));
    for (second, base) in [(9, None), (10, snapshots[0]), (19, snapshots[0]), (20, snapshots[1]), (29, snapshots[1]), (30, late)] {
        let plan = plan_at(&table, as_logged(second)).await.unwrap();
        assert_eq!((plan.base.version, plan.baseline.version), (base, None), "{second}");
        let expected: Vec<String> = [10, 20, 30].iter().filter(|at| **at <= second).map(|at| format!("{at} in order x")).collect();
        assert_eq!(rows_at(&table, as_logged(second)).await, [expected, vec!["5 late x".into()]].concat(), "{second}");
    }
}

#[tokio::test]
async fn rule_12_a_moment_that_is_tagged_is_never_a_base() {
    let mut table = Table::new();
    table.take(&[create(10, 1, "ten", "x")]).await;
    let first = table.mirror().await.version;
    table.take(&[update(20, 1, "twenty", "x"), update(30, 1, "thirty", "x")]).await;
    let request = TagRequest {
        name: "backtest".into(),
        tables: [Table::name()].into(),
        cut: at(20),
        files: TagFiles::Shared,
        limits: Limits::default(),
    };
    tags::create(&table.lake, &request).await.unwrap();
    let tag = table.mirror().await.refs["backtest"].version;
    assert_ne!(Some(tag), first);
    let plan = plan_at(&table, at(25)).await.unwrap();
    assert_eq!((plan.base.version, rows_at(&table, at(25)).await), (first, vec!["1 twenty x".to_owned()]));
}

/// A mirror to which another writer commits between the plan of a merge and its commit.
#[derive(Debug)]
struct Raced {
    inner: Arc<dyn TableFormat>,
    other: Other,
    is_over: AtomicBool,
}

#[derive(Debug)]
enum Other {
    Compaction { lake: Lake },
    Merge { lake: Lake, changelog: Arc<dyn TableFormat> },
}

impl Raced {
    async fn race(&self) {
        if self.is_over.swap(true, Ordering::SeqCst) {
            return;
        }
        let base = self.inner.head().await.unwrap();
        match &self.other {
            Other::Compaction { lake } => {
                let rows = read_rows(&lake.env, self.inner.as_ref(), &base).await.unwrap();
                let add = vec![write_file(&lake.env, &base, &rows, Vec::new()).await.unwrap()];
                commit(&self.inner, &base, Commit { add, remove: Removal::All, ..commit_of(Operation::Replace, "race") }).await;
            }
            Other::Merge { lake, changelog } => {
                let pair = Pair { mirror: self.inner.clone(), changelog: changelog.clone() };
                catch_up(lake, &pair, None, &Limits::default()).await.unwrap();
            }
        }
    }
}

#[async_trait]
impl TableFormat for Raced {
    fn name(&self) -> &TableName {
        self.inner.name()
    }

    async fn head(&self) -> Result<TableState> {
        self.inner.head().await
    }

    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState> {
        self.inner.at(base, version).await
    }

    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
        self.inner.data_files(state, prune).await
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap> {
        self.inner.deleted_rows(file).await
    }

    async fn evolve(&self, base: &TableState, schema: &SchemaRef) -> Result<CommitOutcome> {
        self.inner.evolve(base, schema).await
    }

    async fn commit(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        self.race().await;
        self.inner.commit(base, commit).await
    }

    async fn settle(&self, base: &TableState, commit: &Commit) -> Result<CommitOutcome> {
        self.inner.settle(base, commit).await
    }

    async fn set_tag(&self, base: &TableState, tag: &str, version: Option<VersionId>) -> Result<CommitOutcome> {
        self.inner.set_tag(base, tag, version).await
    }

    async fn expire(&self, base: &TableState, expiry: &Expiry) -> Result<CommitOutcome> {
        self.inner.expire(base, expiry).await
    }

    async fn reachable(&self, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        self.inner.reachable(state, versions).await
    }
}

#[tokio::test]
async fn rule_13_the_record_is_that_of_the_actual_parent() {
    for is_merge in [false, true] {
        let mut table = Table::new();
        table.take(&[create(10, 1, "ten", "x"), create(11, 2, "eleven", "x")]).await;
        for second in [30, 20] {
            table.land(&[update(second, 1, &format!("{second}"), "x")]).await;
            table.job(Mode::Log, None).await.unwrap();
        }
        let inner = table.lake.table(&Table::name()).await.unwrap();
        let changelog = table.lake.table(&Table::name().changelog()).await.unwrap();
        let lake = table.lake.clone();
        let other = if is_merge { Other::Merge { lake, changelog: changelog.clone() } } else { Other::Compaction { lake } };
        let raced = Pair { mirror: Arc::new(Raced { inner, other, is_over: AtomicBool::new(false) }), changelog };
        // The event of second 20 alone was planned on the snapshot that the other one replaced.
        catch_up(&table.lake, &raced, None, &Limits { batch_rows: 1, ..Limits::default() }).await.unwrap();

        let record = table.record().await;
        assert_eq!((record.kind, record.folded, record.event_time_max_us), (Kind::Merge, BatchOrdinal(3), Some(seconds(30))));
        assert_eq!(table.rows().await, ["1 30 x", "2 eleven x"]);
        for (second, expected) in [(11, "1 ten x"), (20, "1 20 x"), (29, "1 20 x"), (30, "1 30 x")] {
            assert_eq!(rows_at(&table, as_logged(second)).await, [expected, "2 eleven x"], "{second}");
        }
    }
}

#[tokio::test]
async fn rule_14_known_then_and_known_now() {
    let mut table = Table::new();
    table.world.clock.tick_us(1_000);
    table.take(&[create(10, 1, "ten", "x"), create(20, 2, "twenty", "x")]).await;
    let then_ms = table.lake.env.clock.now_ms();
    table.take(&[update(15, 1, "late", "x"), create(30, 3, "thirty", "x")]).await;
    let known_then = |cut: Cut| Cut { known_by_ms: Some(then_ms), ..cut };
    assert_eq!(rows_at(&table, at(16)).await, ["1 late x"]);
    assert_eq!(rows_at(&table, known_then(at(16))).await, ["1 ten x"]);
    // The watermark too: what was known then ended a second before 20.
    assert_eq!(rows_at(&table, at(20)).await, ["1 late x", "2 twenty x"]);
    assert!(refused(&table, known_then(at(20))).await.contains("complete until 2023-11-14T22:13:39.000000Z"));
    let plan = plan_at(&table, known_then(as_logged(40))).await.unwrap();
    assert_eq!((plan.upto, plan.base.record.folded), (BatchOrdinal(1), BatchOrdinal(1)));
    assert_eq!(rows_at(&table, known_then(as_logged(40))).await, ["1 ten x", "2 twenty x"]);
    refused(&table, Cut { known_by_ms: Some(0), ..as_logged(40) }).await;
}

#[tokio::test]
async fn rule_14_log_batches_count_on_from_their_parents() {
    let mut table = Table::new();
    table.land(&[create(10, 1, "ten", "x")]).await;
    table.job(Mode::Log, None).await.unwrap();
    table.land(&[create(20, 2, "twenty", "x")]).await;
    let (one, two) = tokio::join!(table.job(Mode::Log, None), table.job(Mode::Merge, None));
    one.unwrap().tables.into_iter().chain(two.unwrap().tables).for_each(|table| table.result.unwrap());
    let changelog = table.lake.table(&Table::name().changelog()).await.unwrap();
    let state = changelog.head().await.unwrap();
    let mut ordinals = Vec::new();
    for info in state.lineage() {
        let of_commit: waterline_core::record::LogHeader = serde_json::from_str(&info.summary["waterline.log"]).unwrap();
        ordinals.push(of_commit.batch.0);
    }
    let newest = log_header(&state).unwrap().batch.0;
    assert_eq!(ordinals, (1..=newest).rev().collect::<Vec<_>>());
    assert_eq!(rows_at(&table, as_logged(20)).await, ["1 ten x", "2 twenty x"]);
}

#[tokio::test]
async fn rule_15_a_query_over_many_tables_is_fixed_before_it_reads() {
    let shop = Shop::new("memory://landing/{table}/");
    for table in ["a", "b"] {
        shop.land(&format!("shop.{table}/0.jsonl"), &[postgres(table, 5), postgres(table, 9)]).await;
    }
    shop.run().await;
    let sql = "select a.id, b.id as other from shop.a full join shop.b on a.id = b.id";
    let cut = Cut::at(8 * SECOND_US);
    let session = open_session(&shop.lake, cut);
    let planned = query(&session, sql).await.unwrap();
    // Below the watermark, and so a change of the answer, for whoever asks from now on.
    for table in ["a", "b"] {
        shop.land(&format!("shop.{table}/1.jsonl"), &[postgres(table, 3)]).await;
    }
    shop.run().await;
    let found = |batches: Vec<_>| text(&sorted_rows(&batches), &["id", "other"]);
    assert_eq!(found(planned.collect().await.unwrap()), ["5 5"]);
    assert_eq!(found(query(&session, sql).await.unwrap().collect().await.unwrap()), ["5 5"]);
    let now = open_session(&shop.lake, cut);
    assert_eq!(found(query(&now, sql).await.unwrap().collect().await.unwrap()), ["3 3", "5 5"]);
}

/// A catalog that opens a table only while another one is being opened.
#[derive(Debug)]
struct Together {
    inner: Arc<dyn Catalog>,
    both: tokio::sync::Barrier,
}

#[async_trait]
impl Catalog for Together {
    async fn list(&self) -> Result<Vec<TableName>> {
        self.inner.list().await
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        self.both.wait().await;
        self.inner.open(name).await
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        self.inner.preview(name, definition)
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        self.inner.create(name, definition).await
    }
}

#[tokio::test]
async fn the_tables_of_a_query_are_opened_at_the_same_time() {
    let shop = Shop::new("memory://landing/{table}/");
    for table in ["a", "b"] {
        shop.land(&format!("shop.{table}/0.jsonl"), &[postgres(table, 5)]).await;
    }
    shop.run().await;
    let catalog = Arc::new(Together { inner: shop.lake.catalog.clone(), both: tokio::sync::Barrier::new(2) });
    let cut = Cut { beyond: Beyond::AsLogged, ..Cut::at(8 * SECOND_US) };
    let session = session(catalog, &shop.lake.env, ReadAt::AsOf(cut), &SessionOptions::default()).unwrap();
    let sql = "with c as (select * from shop.a) select c.id, b.id as other from c join shop.b on c.id = b.id";
    let rows = async { query(&session, sql).await.unwrap().collect().await.unwrap() };
    let rows = tokio::time::timeout(std::time::Duration::from_secs(60), rows).await.expect("one after the other");
    assert_eq!(text(&sorted_rows(&rows), &["id", "other"]), ["5 5"]);
}

#[tokio::test]
async fn rule_16_a_transaction_that_is_stamped_by_statements_is_visible_wholly() {
    let shop = Shop::new("memory://landing/my.{table}/");
    shop.land("my.shop.a/0.jsonl", &[mysql("a", r#""g:1""#, 10, 5), mysql("a", r#""g:2""#, 30, 20)]).await;
    shop.land("my.shop.b/0.jsonl", &[mysql("b", r#""g:1""#, 11, 7), mysql("b", r#""g:2""#, 31, 20)]).await;
    shop.run().await;
    for (second, expected) in [(5, vec![]), (6, vec![]), (7, vec!["10", "11"]), (8, vec!["10", "11"])] {
        let session = open_session(&shop.lake, Cut { beyond: Beyond::AsLogged, ..Cut::at(second * SECOND_US) });
        let sql = "select id from shop.a union all select id from shop.b";
        let rows = query(&session, sql).await;
        let found = match rows {
            Ok(rows) => text(&sorted_rows(&rows.collect().await.unwrap()), &["id"]),
            // Before the source's first event.
            Err(error) => {
                refusal(error);
                Vec::new()
            }
        };
        assert_eq!(found, expected, "{second}");
    }
}

#[tokio::test]
async fn rule_17_a_quiet_table_answers_as_far_as_its_source_does() {
    let shop = Shop::new("memory://landing/");
    shop.land("0.jsonl", &[postgres("b", 4), postgres("a", 5), postgres("a", 30)]).await;
    shop.run().await;
    let read = async |second: i64, beyond| {
        let session = open_session(&shop.lake, Cut { beyond, ..Cut::at(second * SECOND_US) });
        let rows = query(&session, "select id from shop.b").await?;
        Ok::<_, Error>(text(&sorted_rows(&rows.collect().await.unwrap()), &["id"]))
    };
    let told = refusal(read(3, Beyond::AsLogged).await.unwrap_err());
    assert!(told.contains("answerable from 1970-01-01T00:00:04.000000Z"), "{told}");
    assert_eq!(read(29, Beyond::Refuse).await.unwrap(), ["4"]);
    let beyond = refusal(read(30, Beyond::Refuse).await.unwrap_err());
    assert!(beyond.contains("complete until 1970-01-01T00:00:29.000000Z") && beyond.contains("--allow-incomplete"), "{beyond}");
    assert_eq!(read(30, Beyond::AsLogged).await.unwrap(), ["4"]);
}

/// Lines of `INSERT`s into a table without a key, and of a truncate, in the form that Debezium gives them.
fn keyless(op: &str, id: u64, place: u64) -> String {
    let after = if op == "c" { format!("{{\"id\":{id}}}") } else { "null".to_owned() };
    let at_ms = 1_763_000_000_000 + place * 1000;
    format!(
        "{{\"before\":null,\"after\":{after},\"source\":{{\"connector\":\"postgresql\",\"name\":\"pg\",\"ts_ms\":{at_ms},\"snapshot\":\"false\",\
         \"sequence\":\"[\\\"{place}\\\",\\\"{place}\\\"]\",\"schema\":\"shop\",\"table\":\"visits\",\"lsn\":{place}}},\"op\":\"{op}\"}}\n"
    )
}

#[test]
fn rule_5_a_truncate_takes_away_a_late_row_of_a_table_without_a_key() {
    let shell = Shell::new("");
    shell.write("ddl.sql", "create table shop.visits (id bigint);");
    let merge = |file: &str, lines: String, verb: &str| {
        shell.write(file, lines);
        shell.run(&[
            verb,
            "shop.visits",
            file,
            "--format",
            "debezium-json",
            "--ddl",
            "ddl.sql",
            "--complete-until",
            "2025-11-13T02:13:30Z",
        ]);
    };
    let ids = |options: &[&str]| {
        let read = ["query", "select id from shop.visits order by id", "--output", "json"];
        let rows = json_of(&shell.run(&[&read, options].concat()));
        rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    merge("1.jsonl", keyless("c", 1, 1) + &keyless("t", 0, 5) + &keyless("c", 2, 7), "merge");
    assert_eq!(ids(&[]), [2]);
    // One from before the truncate, and one from after it.
    merge("2.jsonl", keyless("c", 3, 3) + &keyless("c", 4, 6), "ingest");
    let at = |place: u64| format!("2025-11-13T02:13:{:02}Z", 20 + place);
    let moments = [(1, vec![1]), (3, vec![1, 3]), (5, vec![]), (6, vec![4]), (8, vec![2, 4])];
    for (place, expected) in &moments {
        assert_eq!(ids(&["--as-of", &at(*place)]), *expected, "{place}, not merged");
    }
    shell.run(&["merge", "shop.visits", "2.jsonl", "--format", "debezium-json", "--ddl", "ddl.sql"]);
    assert_eq!(ids(&[]), [2, 4]);
    for (place, expected) in &moments {
        assert_eq!(ids(&["--as-of", &at(*place)]), *expected, "{place}, merged");
    }
}

/// Shares of a few events each, which every truncate is of.
#[tokio::test]
async fn rows_without_a_key_are_read_in_shares() {
    let mut table = Table::without_key();
    let number = |second: u64| create(second, second % 3, "x", "y");
    table.take(&(1..=9).map(number).collect::<Vec<_>>()).await;
    table.land(&[vec![truncate(12)], (13..=15).chain(17..=20).map(number).collect()].concat()).await;
    table.job(Mode::Log, None).await.unwrap();
    // Below the truncate, and above it.
    table.land(&[number(11), create(16, 7, "x", "late")]).await;
    table.job(Mode::Log, None).await.unwrap();
    let few = Limits { batch_rows: 2, ..Limits::default() };
    for second in [1, 5, 9, 11, 12, 13, 17, 20] {
        let options = SessionOptions { limits: few, ..SessionOptions::default() };
        let session = session(table.lake.catalog.clone(), &table.lake.env, ReadAt::AsOf(as_logged(second)), &options).unwrap();
        let batches = query(&session, "select * from shop.t").await.unwrap().collect().await.unwrap();
        let live = (1..=9).chain([11]).filter(|_| second < 12).chain((13..=15).chain(17..=20)).filter(|at| *at <= second);
        let mut expected: Vec<String> = live.map(|at| format!("{} x y", at % 3)).collect();
        expected.extend((second >= 16).then(|| "7 x late".to_owned()));
        expected.sort();
        assert_eq!(text(&sorted_rows(&batches), &["id", "a", "b"]), expected, "{second}");
    }
    for (since, until) in [(1, 20), (5, 20), (5, 11), (12, 17)] {
        let span = Span { since_us: seconds(since), until_us: seconds(until), known_by_ms: None, beyond: Beyond::AsLogged };
        let session = open_session(&table.lake, as_logged(until));
        let mut told = Vec::new();
        for limits in [few, Limits::default()] {
            let changes = Changes::open(&table.lake, &Table::name(), &span, Detail::EveryEvent, &limits).await.unwrap();
            let feed = changes.stream(&session).await.unwrap();
            told.push(feed.try_collect::<Vec<_>>().await.unwrap().iter().flat_map(to_rows).collect::<Vec<_>>());
        }
        assert_eq!(told[0], told[1], "({since}, {until}]");
        let happened = (1..=20).filter(|at| *at != 10 && *at > since && *at <= until).count();
        assert_eq!(told[0].len(), happened, "({since}, {until}]");
    }
}
