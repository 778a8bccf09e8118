//! Each rule of DESIGN.md that a merge rests on, as one small history that lands as files and is read by jobs.

use std::collections::BTreeSet;

use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::{ChangeFormat, DecodeSettings};
use waterline_core::dump::{CsvOptions, DumpFormat};
use waterline_core::error::Error;
use waterline_core::format::{Commit, CommitOutcome, Operation, TableState};
use waterline_core::moments::DumpMoment;
use waterline_core::record::{LogCounts, LogHeader, Record, log_header, record_of};
use waterline_core::table::TableName;
use waterline_engine::ingest::{IngestOptions, Mode, OnError, RunReport, SchemaSource, Source, TableReport, TableSelection, ingest};
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::load::{Existing, LoadRequest, load};
use waterline_engine::log::read_positions;
use waterline_engine::progress::Silent;
use waterline_engine::quarantine::Quarantine;
use waterline_engine::tables::TableSettings;
use waterline_testkit::cell::Cell;
use waterline_testkit::faults::{Fault, Operation as Step, Rule};
use waterline_testkit::files::read_rows;
use waterline_testkit::world::World;

use crate::formats::Format;

const LANDING: &str = "memory://landing/";

/// One table of a source, in a lake in memory.
pub(crate) struct Table {
    pub(crate) world: World,
    pub(crate) lake: Lake,
    format: Format,
    key: &'static str,
    landed: u32,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::of(Format::asked_for())
    }

    pub(crate) fn of(format: Format) -> Self {
        let world = World::in_memory(3);
        Self { lake: lake(format, &world), world, format, key: "PRIMARY KEY (id)", landed: 0 }
    }

    pub(crate) fn without_key() -> Self {
        Self::with_key("UNIQUE (a)")
    }

    fn with_key(key: &'static str) -> Self {
        Self { key, ..Self::new() }
    }

    /// The table as a program sees it that is started anew.
    pub(crate) fn anew(&self) -> Self {
        Self { lake: lake(self.format, &self.world), world: self.world.clone(), ..*self }
    }

    pub(crate) async fn land(&mut self, lines: &[String]) {
        self.landed += 1;
        let (store, path) = self.world.stores.resolve(&format!("{LANDING}{:03}.jsonl", self.landed)).unwrap();
        store.put_opts(&path, (lines.join("\n") + "\n").into(), Default::default()).await.unwrap();
    }

    fn schema(&self) -> SchemaSource {
        let ddl = format!("CREATE TABLE shop.t (id bigint, a text, b text, {});", self.key);
        SchemaSource { ddl: Some(parse_ddl(&ddl, SqlDialect::Postgres).unwrap()), ..SchemaSource::default() }
    }

    pub(crate) fn name() -> TableName {
        "shop.t".parse().unwrap()
    }

    pub(crate) async fn job(&self, mode: Mode, complete_until_us: Option<i64>) -> Result<RunReport, Error> {
        self.job_with(IngestOptions { complete_until_us, ..IngestOptions::new(mode) }).await
    }

    async fn job_with(&self, options: IngestOptions) -> Result<RunReport, Error> {
        let source = Source {
            name: "shop".into(),
            paths: vec![LANDING.into()],
            decode: DecodeSettings::new(ChangeFormat::DebeziumJson),
            schema: self.schema(),
            lateness_us: 0,
            tables: TableSelection::One(Self::name()),
            table_settings: Default::default(),
            default_settings: TableSettings::default(),
        };
        ingest(&self.lake, &source, &options, &Silent).await
    }

    /// Reads and merges what was landed.
    pub(crate) async fn run(&self) -> TableReport {
        let mut report = self.job(Mode::Merge, None).await.unwrap();
        let table = report.tables.remove(0);
        table.result.unwrap();
        table.report
    }

    /// Lands the lines as one file, reads and merges them.
    pub(crate) async fn take(&mut self, lines: &[String]) -> TableReport {
        self.land(lines).await;
        self.run().await
    }

    /// The same, with bad records put aside.
    async fn take_good(&mut self, lines: &[String]) -> TableReport {
        self.land(lines).await;
        let options = IngestOptions { on_error: OnError::Quarantine, ..IngestOptions::new(Mode::Merge) };
        let table = self.job_with(options).await.unwrap().tables.remove(0);
        table.result.unwrap();
        table.report
    }

    async fn failure(&mut self, lines: &[String]) -> Error {
        self.land(lines).await;
        let mut report = self.job(Mode::Merge, None).await.unwrap();
        report.tables.remove(0).result.unwrap_err()
    }

    pub(crate) async fn load(&self, csv: &str, at: DumpMoment) {
        let (store, path) = self.world.stores.resolve("memory://dump/t.csv").unwrap();
        store.put_opts(&path, csv.to_owned().into(), Default::default()).await.unwrap();
        let request = LoadRequest {
            table: Self::name(),
            paths: vec!["memory://dump/t.csv".into()],
            format: DumpFormat::Csv(CsvOptions::default()),
            at,
            schema: self.schema(),
            settings: TableSettings::default(),
            existing: Existing::Refuse,
            limits: Limits::default(),
        };
        load(&self.lake, &request, &Silent).await.unwrap();
    }

    pub(crate) async fn mirror(&self) -> TableState {
        self.lake.table(&Self::name()).await.unwrap().head().await.unwrap()
    }

    pub(crate) async fn record(&self) -> Record {
        record_of(&self.mirror().await).unwrap().unwrap()
    }

    pub(crate) async fn log_header(&self) -> LogHeader {
        log_header(&self.lake.table(&Self::name().changelog()).await.unwrap().head().await.unwrap()).unwrap()
    }

    /// Rows as `id a b`, in order, null as `-`.
    pub(crate) async fn rows(&self) -> Vec<String> {
        self.rows_of(&Self::name(), &["id", "a", "b"]).await
    }

    async fn rows_of(&self, table: &TableName, columns: &[&str]) -> Vec<String> {
        let format = self.lake.table(table).await.unwrap();
        let text = |cell: Option<&Cell>| match cell {
            Some(Cell::Int(number)) => number.to_string(),
            Some(Cell::Text(text)) => text.clone(),
            _ => "-".into(),
        };
        let rows = read_rows(&self.lake.env, format.as_ref(), &format.head().await.unwrap()).await.unwrap();
        let mut rows: Vec<String> =
            rows.iter().map(|row| columns.iter().map(|column| text(row.get(*column))).collect::<Vec<_>>().join(" ")).collect();
        rows.sort();
        rows
    }
}

fn lake(format: Format, world: &World) -> Lake {
    Lake::new(format.catalog("memory://lake/warehouse", &world.env), world.env.clone())
}

/// An event whose transaction has the place `commit`, with a time in seconds that follows from the place of the event.
pub(crate) fn event(op: &str, commit: Option<u64>, at: u64, before: &str, after: &str) -> String {
    let commit = commit.map_or("null".into(), |commit| format!("\\\"{commit}\\\""));
    let snapshot = if op == "r" { "true" } else { "false" };
    format!(
        r#"{{"before":{before},"after":{after},"source":{{"connector":"postgresql","name":"pg","ts_us":{},"snapshot":"{snapshot}","sequence":"[{commit},\"{at}\"]","schema":"shop","table":"t","lsn":{at}}},"op":"{op}","ts_ms":1}}"#,
        seconds(at)
    )
}

pub(crate) fn seconds(at: u64) -> i64 {
    1_700_000_000_000_000 + at as i64 * 1_000_000
}

pub(crate) fn row(id: u64, a: &str, b: &str) -> String {
    format!(r#"{{"id":{id},"a":"{a}","b":"{b}"}}"#)
}

pub(crate) fn create(at: u64, id: u64, a: &str, b: &str) -> String {
    event("c", Some(at), at, "null", &row(id, a, b))
}

pub(crate) fn update(at: u64, id: u64, a: &str, b: &str) -> String {
    event("u", Some(at), at, "null", &row(id, a, b))
}

/// The event as one of another connector.
fn elsewhere(event: String) -> String {
    event.replace(r#""name":"pg""#, r#""name":"pg2""#)
}

/// Leaves `b` out, as an unchanged TOAST column.
fn update_a(at: u64, id: u64, a: &str) -> String {
    update(at, id, a, "__debezium_unavailable_value")
}

pub(crate) fn delete(at: u64, id: u64) -> String {
    event("d", Some(at), at, &format!(r#"{{"id":{id},"a":null,"b":null}}"#), "null")
}

pub(crate) fn truncate(at: u64) -> String {
    event("t", Some(at), at, "null", "null")
}

/// Reads of a complete snapshot at one place of the log.
pub(crate) fn run_of_reads(at: u64, rows: &[(u64, &str)]) -> Vec<String> {
    let last = rows.len() - 1;
    let mark = |number| {
        if number == last {
            "last_in_data_collection"
        } else if number == 0 {
            "first_in_data_collection"
        } else {
            "true"
        }
    };
    let read = |(number, (id, a)): (usize, &(u64, &str))| {
        event("r", None, at, "null", &row(*id, a, "x")).replace(r#""snapshot":"true""#, &format!(r#""snapshot":"{}""#, mark(number)))
    };
    rows.iter().enumerate().map(read).collect()
}

#[tokio::test]
async fn rule_01_postgres_orders_by_both_parts_of_the_sequence() {
    let mut table = Table::new();
    let early_commit_later_position = event("u", Some(10), 90, "null", &row(1, "early", "x"));
    let late_commit_earlier_position = event("u", Some(20), 80, "null", &row(1, "late", "x"));
    table.take(&[late_commit_earlier_position, early_commit_later_position]).await;
    assert_eq!(table.rows().await, ["1 late x"]);
    let read = event("r", None, 95, "null", &row(1, "read", "x"));
    table.take(&[read]).await;
    assert_eq!(table.rows().await, ["1 late x"]);
}

#[tokio::test]
async fn rule_02_an_event_counts_once_however_often_it_is_delivered() {
    let mut table = Table::without_key();
    let lines = [create(1, 1, "a", "x"), create(2, 2, "b", "x")];
    table.take(&lines).await;
    let again = table.take(&lines).await;
    assert_eq!((again.rows_read, again.repeated, again.events_logged), (2, 2, 0));
    assert_eq!(table.rows().await, ["1 a x", "2 b x"]);
    assert_eq!(table.rows_of(&Table::name().changelog(), &["id"]).await, ["1", "2"]);
}

#[tokio::test]
async fn rule_03_late_is_what_is_not_above_the_highest_folded_and_domains_do_not_mix() {
    let mut table = Table::new();
    table.take(&[create(5, 1, "five", "x")]).await;
    assert_eq!(table.take(&[create(4, 2, "four", "x"), create(6, 3, "six", "x")]).await.late, 1);
    assert_eq!(table.rows().await, ["1 five x", "2 four x", "3 six x"]);
    table.take(&[elsewhere(create(1, 9, "other", "x"))]).await;
    assert_eq!(table.take(&[elsewhere(create(2, 8, "other", "x")), update(7, 1, "seven", "x")]).await.late, 0);
    assert_eq!(table.rows().await, ["1 seven x", "2 four x", "3 six x", "8 other x", "9 other x"]);
}

#[tokio::test]
async fn rule_03_a_key_of_another_domain_is_refused_before_it_is_logged() {
    let moved = [delete(8, 1), event("c", Some(8), 8, "null", &row(2, "moved", "x"))].map(elsewhere).to_vec();
    let cases = [
        vec![elsewhere(update(7, 1, "other", "x"))],
        vec![elsewhere(create(7, 5, "first", "x")), create(8, 5, "second", "x")],
        vec![elsewhere(delete(7, 1))],
        moved,
    ];
    for lines in cases {
        let mut table = Table::new();
        table.take(&[create(5, 1, "five", "x"), create(6, 3, "six", "x")]).await;
        let before = table.log_header().await;
        let error = table.failure(&lines).await.to_string();
        assert!(error.contains("two domains") && error.contains("002.jsonl") && error.contains("record "), "{error}");
        assert_eq!(table.log_header().await.counts.events, before.counts.events);
        assert_eq!(table.rows().await, ["1 five x", "3 six x"]);
        // The job goes on beside it when told to.
        let good = elsewhere(create(9, 9, "good", "x"));
        let report = table.take_good(&[update(10, 3, "ten", "x"), good]).await;
        assert!(report.quarantined > 0);
        assert!(table.rows().await.ends_with(&["9 good x".into()]), "{:?}", table.rows().await);
    }
}

#[tokio::test]
async fn rule_03_only_the_bad_records_of_a_batch_go_to_quarantine() {
    let mut table = Table::new();
    let lines = [
        create(1, 1, "pg", "x"),
        elsewhere(create(1, 2, "pg2", "x")),
        elsewhere(update(2, 1, "bad", "x")),
        update(2, 2, "bad", "x"),
        update(3, 1, "pg", "y"),
        elsewhere(update(3, 2, "pg2", "y")),
        truncate(4),
    ];
    assert_eq!(table.take_good(&lines).await.quarantined, 3);
    assert_eq!(table.rows().await, ["1 pg y", "2 pg2 y"]);
    assert_eq!(table.rows_of(&Table::name().changelog(), &["_op", "id", "_domain"]).await, ["c 1 pg", "c 2 pg2", "u 1 pg", "u 2 pg2"]);
    let records = Quarantine::of(&table.lake, &table.mirror().await).list().await.unwrap();
    assert_eq!(records.iter().map(|(_, bad)| bad.record).collect::<Vec<_>>(), [3, 4, 7]);
    assert_eq!(records[0].1.line().unwrap().trim_ascii_end(), lines[2].as_bytes());
}

#[tokio::test]
async fn rule_03_a_truncate_among_several_domains_is_refused_before_it_is_logged() {
    for key in ["PRIMARY KEY (id)", "UNIQUE (a)"] {
        let mut table = Table::with_key(key);
        table.take(&[create(5, 1, "five", "x"), elsewhere(create(6, 2, "six", "x"))]).await;
        let error = table.failure(&[truncate(7)]).await;
        assert!(error.to_string().contains("several domains"), "{error}");
        assert_eq!((table.rows().await.len(), table.log_header().await.counts.truncates), (2, 0));

        let mut table = Table::with_key(key);
        table.take(&[create(5, 1, "five", "x"), truncate(6), create(7, 1, "seven", "x")]).await;
        let error = table.failure(&[elsewhere(create(8, 2, "eight", "x"))]).await;
        assert!(error.to_string().contains("several domains"), "{error}");
        assert_eq!((table.rows().await, table.log_header().await.counts.events), (vec!["1 seven x".to_owned()], 3));
    }
}

#[tokio::test]
async fn rule_04_a_late_event_folds_the_history_of_its_key_onto_the_baseline() {
    let mut table = Table::new();
    table.load("id,a,b\n1,dumped,kept\n", DumpMoment { at_us: seconds(10), until_us: None }).await;
    table.take(&[update(30, 1, "thirty", "set")]).await;
    assert_eq!(table.rows().await, ["1 thirty set"]);
    // Late, and without `b`: what it leaves out is the baseline's, and what came after it wins.
    table.take(&[update_a(20, 1, "twenty")]).await;
    assert_eq!(table.rows().await, ["1 thirty set"]);
    table.take(&[delete(40, 1)]).await;
    table.take(&[update_a(35, 1, "thirty-five")]).await;
    assert_eq!(table.rows().await, [""; 0]);
}

#[tokio::test]
async fn rule_05_a_late_truncate_folds_all_keys_anew() {
    let mut table = Table::new();
    table.take(&[create(1, 1, "before", "x"), create(2, 2, "before", "x"), create(9, 3, "after", "x"), update(10, 2, "after", "y")]).await;
    table.take(&[truncate(5)]).await;
    assert_eq!(table.rows().await, ["2 after y", "3 after x"]);
    table.take(&[create(4, 4, "too early", "x")]).await;
    assert_eq!(table.rows().await, ["2 after y", "3 after x"]);
}

#[tokio::test]
async fn rule_06_a_key_change_takes_its_unset_columns_from_the_old_key() {
    let change = [delete(5, 1), event("c", Some(5), 5, "null", &row(2, "moved", "__debezium_unavailable_value"))];
    let mut together = Table::new();
    together.take(&[create(1, 1, "a", "long")]).await;
    together.take(&change).await;
    assert_eq!(together.rows().await, ["2 moved long"]);
    // A late change of the old key reaches the new one.
    together.take(&[update(3, 1, "a", "longer")]).await;
    assert_eq!(together.rows().await, ["2 moved longer"]);
}

#[tokio::test]
async fn rule_07_reads_rank_below_changes_and_a_complete_run_is_a_baseline() {
    let mut table = Table::new();
    table.take(&[update(5, 1, "changed", "x")]).await;
    table.take(&[event("r", None, 9, "null", &row(1, "read", "x")), event("r", None, 9, "null", &row(2, "read", "x"))]).await;
    assert_eq!(table.rows().await, ["1 changed x", "2 read x"]);
    table.take(&run_of_reads(20, &[(1, "run"), (3, "run")])).await;
    assert_eq!(table.rows().await, ["1 run x", "3 run x"]);
    assert_eq!(table.record().await.baseline.at_us, Some(seconds(20)));
    table.take(&[update(15, 1, "older than the run", "x"), update(25, 3, "newer", "x")]).await;
    assert_eq!(table.rows().await, ["1 run x", "3 newer x"]);
}

#[tokio::test]
async fn rule_07_a_run_that_only_repeats_complete_is_a_baseline_after_a_crash_too() {
    let mut table = Table::new();
    let run = run_of_reads(20, &[(1, "run"), (2, "run"), (3, "run")]);
    let stray = event("r", None, 9, "null", &row(5, "stray", "x"));
    table.take(&[stray, run[1].clone(), run[2].clone()]).await;
    table.take(&run[..1]).await;
    assert_eq!(table.rows().await, ["1 run x", "2 run x", "3 run x"]);

    let mut table = Table::new();
    let stray = event("r", None, 9, "null", &row(5, "stray", "x"));
    let unmarked: Vec<String> = run.iter().map(|line| line.replace("_in_data_collection", "ish")).collect();
    table.take(&[vec![stray], unmarked].concat()).await;
    assert_eq!(table.rows().await, ["1 run x", "2 run x", "3 run x", "5 stray x"]);
    table.land(&run).await;
    table.job(Mode::Log, None).await.unwrap();
    assert_eq!(table.log_header().await.counts, LogCounts { repeated: 3, ..table.log_header().await.counts });
    table.run().await;
    assert_eq!(table.rows().await, ["1 run x", "2 run x", "3 run x"]);
    assert_eq!(table.record().await.baseline.at_us, Some(seconds(20)));
}

#[tokio::test]
async fn rule_07_a_run_over_several_files_is_a_baseline_in_whichever_order_they_come() {
    let run = run_of_reads(20, &[(1, "run"), (2, "run"), (3, "run"), (4, "run")]);
    let expected = ["1 run x", "2 run x", "3 newer x", "4 run x"];
    let orders = [[0, 1, 2, 3], [0, 2, 1, 3], [3, 1, 0, 2], [0, 3, 1, 2], [1, 3, 2, 0]];
    for order in orders {
        // In one job, in a job for each file, and with changes before the last parts come.
        for (jobs, change_after) in [(false, 4), (true, 4), (true, 2), (true, 0)] {
            let mut table = Table::new();
            table.take(&[create(5, 3, "old", "x"), create(6, 9, "gone", "x")]).await;
            for (number, part) in order.into_iter().enumerate() {
                if number == change_after {
                    table.take(&[update(25, 3, "newer", "x")]).await;
                }
                table.land(&run[part..=part]).await;
                if jobs {
                    table.run().await;
                }
            }
            if change_after == 4 {
                table.land(&[update(25, 3, "newer", "x")]).await;
            }
            table.run().await;
            assert_eq!(table.rows().await, expected, "{order:?} {jobs} {change_after}");
            assert_eq!(table.record().await.baseline.at_us, Some(seconds(20)));
        }
    }
}

#[tokio::test]
async fn rule_07_a_run_of_one_row_is_a_baseline_and_one_with_a_bad_record_is_not() {
    let mut table = Table::new();
    table.take(&[create(5, 1, "old", "x"), create(6, 2, "gone", "x")]).await;
    table.take(&run_of_reads(20, &[(1, "run")])).await;
    assert_eq!(table.rows().await, ["1 run x"]);
    let mut run = run_of_reads(30, &[(1, "again"), (2, "again"), (3, "again")]);
    run[1] = run[1].replace(r#""id":2"#, r#""id":"two""#);
    table.take(&[create(25, 4, "new", "x")]).await;
    assert_eq!(table.take_good(&run).await.quarantined, 1);
    assert_eq!(table.record().await.baseline.at_us, Some(seconds(20)));
    assert_eq!(table.rows().await, ["1 again x", "3 again x", "4 new x"]);
}

#[tokio::test]
async fn rule_07_a_run_holds_the_rows_of_its_own_domain_only() {
    let mut table = Table::new();
    table.take(&run_of_reads(20, &[(1, "run"), (2, "run")])).await;
    let other: Vec<String> = run_of_reads(10, &[(3, "other"), (4, "other")]).into_iter().map(elsewhere).collect();
    table.take(&other).await;
    table.take(&[elsewhere(update(15, 3, "changed", "x"))]).await;
    assert_eq!(table.rows().await, ["1 run x", "2 run x", "3 changed x", "4 other x"]);
    let again: Vec<String> = run_of_reads(40, &[(4, "again")]).into_iter().map(elsewhere).collect();
    table.take(&again).await;
    assert_eq!(table.rows().await.len(), 4);
}

#[tokio::test]
async fn rule_08_unset_columns_without_a_row_are_null_until_the_row_arrives() {
    let mut table = Table::new();
    let report = table.take(&[update_a(5, 1, "new")]).await;
    assert_eq!((table.rows().await, report.merge.unresolved), (vec!["1 new -".to_owned()], 1));
    table.take(&[create(1, 1, "old", "arrived")]).await;
    assert_eq!(table.rows().await, ["1 new arrived"]);
}

#[tokio::test]
async fn rule_09_every_event_is_logged_and_only_newer_ones_fold_onto_the_baseline() {
    let mut table = Table::new();
    table.load("id,a,b\n1,dumped,x\n", DumpMoment { at_us: seconds(10), until_us: None }).await;
    table.take(&[create(9, 2, "in the dump or gone", "x"), create(10, 3, "at the moment", "x"), create(11, 4, "newer", "x")]).await;
    assert_eq!(table.rows().await, ["1 dumped x", "4 newer x"]);
    assert_eq!(table.rows_of(&Table::name().changelog(), &["id"]).await, ["2", "3", "4"]);
    let mut interval = Table::new();
    interval.load("id,a,b\n1,dumped,x\n", DumpMoment { at_us: seconds(10), until_us: Some(seconds(20)) }).await;
    interval.take(&[update(15, 1, "inside", "x")]).await;
    assert_eq!(interval.rows().await, ["1 inside x"]);
}

#[tokio::test]
async fn rule_09_a_key_change_of_the_interval_finds_its_row_under_the_new_key() {
    let moved = |at, old, new| [delete(at, old), event("c", Some(at), at, "null", &row(new, "moved", "__debezium_unavailable_value"))];
    // The dump was taken after the change, and holds the row as 3 already.
    let lines = moved(12, 1, 3);
    for batches in [vec![lines.to_vec()], lines.chunks(1).map(<[String]>::to_vec).collect()] {
        let mut table = Table::new();
        table.load("id,a,b\n3,dumped,kept\n", DumpMoment { at_us: seconds(10), until_us: Some(seconds(20)) }).await;
        for lines in &batches {
            table.take(lines).await;
        }
        assert_eq!(table.rows().await, ["3 moved kept"], "{} batches", batches.len());
    }
}

#[tokio::test]
async fn rule_17_the_watermark_is_the_sources_and_is_kept_without_events_too() {
    let mut table = Table::new();
    table.take(&[create(1, 1, "a", "x"), create(9, 2, "b", "x")]).await;
    let tick_us = 1_000_000;
    assert_eq!(table.log_header().await.watermark_us, Some(seconds(9) - tick_us));
    table.job(Mode::Merge, Some(seconds(50))).await.unwrap();
    let stated = table.log_header().await;
    assert_eq!((stated.watermark_us, stated.counts.events), (Some(seconds(50)), 2));
    let report = table.take(&[create(20, 3, "below", "x")]).await;
    assert_eq!((report.below_watermark, table.log_header().await.watermark_us), (1, Some(seconds(50))));
    assert_eq!(table.rows().await, ["1 a x", "2 b x", "3 below x"]);
}

#[tokio::test]
async fn rule_18_a_merge_folds_what_its_parent_lacks_whoever_commits_between() {
    let mut table = Table::new();
    table.take(&[create(1, 1, "a", "x")]).await;
    table.land(&[update(2, 1, "b", "x")]).await;
    table.job(Mode::Log, None).await.unwrap();
    table.land(&[create(3, 2, "c", "x")]).await;
    // The answer to the merge's first attempt is lost to a commit of another job, which keeps the rows.
    let format = table.lake.table(&Table::name()).await.unwrap();
    let base = table.mirror().await;
    let commit = Commit::new("another job", Operation::Replace, 0);
    let (job, other) = tokio::join!(table.job(Mode::Merge, None), format.commit(&base, &commit));
    job.unwrap().tables.remove(0).result.unwrap();
    assert!(!matches!(other.unwrap(), CommitOutcome::Unknown(_)));
    assert_eq!(table.rows().await, ["1 b x", "2 c x"]);
    assert_eq!(table.record().await.folded, table.log_header().await.last_with_events);
}

#[tokio::test]
async fn rule_19_the_positions_of_another_job_are_seen_at_each_attempt() {
    let mut table = Table::new();
    table.land(&(1..40).map(|at| create(at, at, "a", "x")).collect::<Vec<_>>()).await;
    let (first, second) = tokio::join!(table.job(Mode::Merge, None), table.job(Mode::Merge, None));
    let logged: u64 =
        [first.unwrap(), second.unwrap()].iter().flat_map(|report| &report.tables).map(|table| table.report.events_logged).sum();
    assert_eq!((logged, table.log_header().await.counts.repeated), (39, 0));
    assert_eq!(table.rows().await.len(), 39);
    let positions = read_positions(&table.lake, &table.log_header().await).await.unwrap();
    assert_eq!(positions.files.values().map(|file| file.records).collect::<Vec<_>>(), [39]);
}

#[tokio::test]
async fn rule_20_an_unknown_outcome_is_read_back_and_commits_once() {
    for fault in [Fault::Before, Fault::After] {
        let mut table = Table::new();
        table.take(&[create(1, 1, "a", "x")]).await;
        table.world.faults.add(Rule::new(Step::Create, fault).on_path("metadata.json").once());
        table.take(&[create(2, 2, "b", "x")]).await;
        assert_eq!(table.rows().await, ["1 a x", "2 b x"]);
        let ids: BTreeSet<i64> = table.mirror().await.history.iter().map(|info| info.version.0).collect();
        assert_eq!(ids.len(), 2, "one snapshot for each batch");
    }
}
