//! However events arrive, the mirror is the fold of what is logged: `mirror_is_fold` and `keys_unique` of DESIGN.md.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use waterline_core::format::{Catalog, Commit, Operation, Removal, Target};
use waterline_core::positions::SourcePositions;
use waterline_core::record::{RECORD, Record, log_header, newest_lineage};
use waterline_core::table::TableName;
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::log::{LogEntry, Logged, Progress, log};
use waterline_engine::merge::{Pair, catch_up};
use waterline_engine::tables::{TableSettings, open_or_create_pair};
use waterline_testkit::arrivals::{Arrival, Disorder, arrivals};
use waterline_testkit::batch::{assert_same_rows, change_batch};
use waterline_testkit::files::{read_rows, write_file};
use waterline_testkit::histories::{Feature, History, Start, histories, table_schema};
use waterline_testkit::memory::MemoryCatalog;
use waterline_testkit::oracle::{Baseline, Event, Mark, State, fold};
use waterline_testkit::world::World;

/// A table of a history in a lake whose files are in memory.
pub(crate) struct Subject {
    pub(crate) lake: Lake,
    pub(crate) pair: Pair,
    history: History,
    /// What was logged, by batch.
    pub(crate) batches: Vec<Vec<Event>>,
    /// Up to when the source says that it is complete.
    pub(crate) complete_until_us: Option<i64>,
}

impl Subject {
    pub(crate) async fn new(history: &History, properties: &[(&str, &str)]) -> Self {
        let world = World::in_memory(7);
        let catalog = Arc::new(MemoryCatalog::new("memory://lake/warehouse", world.faults.clone()));
        Self::of(history, &world, catalog, properties).await
    }

    pub(crate) async fn of(history: &History, world: &World, catalog: Arc<dyn Catalog>, properties: &[(&str, &str)]) -> Self {
        let lake = Lake::new(catalog, world.env.clone());
        let table: TableName = "shop.orders".parse().unwrap();
        let settings = TableSettings {
            properties: properties.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..TableSettings::default()
        };
        let pair = open_or_create_pair(&lake, &table, &table_schema(), &settings).await.unwrap();
        let subject = Self { lake, pair, history: history.clone(), batches: Vec::new(), complete_until_us: None };
        subject.load(&history.baseline, "waterline/baseline-test").await;
        subject
    }

    /// Commits a dump as the table's baseline.
    pub(crate) async fn load(&self, baseline: &Baseline, anchor: &str) {
        let Some(at_us) = baseline.at_us else { return };
        let base = self.pair.mirror.head().await.unwrap();
        let rows: Vec<_> = baseline.state.rows.values().cloned().collect();
        let add = if rows.is_empty() { Vec::new() } else { vec![write_file(&self.lake.env, &base, &rows, Vec::new()).await.unwrap()] };
        let anchor = anchor.to_owned();
        let record = Record {
            lineage: newest_lineage(&base).unwrap(),
            baseline: waterline_core::record::Baseline {
                at_us: Some(at_us),
                until_us: baseline.until_us,
                anchor: Some(anchor.clone()),
                run: None,
            },
            ..Record::initial()
        };
        let commit = Commit {
            commit_id: anchor.clone(),
            target: Target::Main,
            operation: if base.version.is_some() { Operation::Overwrite } else { Operation::Append },
            add,
            delete_rows: BTreeMap::new(),
            remove: if base.version.is_some() { Removal::All } else { Removal::Nothing },
            summary: BTreeMap::from([(RECORD.to_owned(), record.to_json().unwrap())]),
            properties: BTreeMap::from([(RECORD.to_owned(), record.to_json().unwrap())]),
            tags: vec![anchor],
            now_ms: self.lake.env.clock.now_ms(),
        };
        let outcome = self.pair.mirror.commit(&base, &commit).await.unwrap();
        assert!(matches!(outcome, waterline_core::format::CommitOutcome::Committed(_)));
    }

    /// Logs a batch, cut where a run of reads ends, as ingest cuts it.
    pub(crate) async fn log(&mut self, events: &[Event]) -> Vec<waterline_engine::log::LoggedBatch> {
        let mut logged = Vec::new();
        for part in events.split_inclusive(|event| matches!(event.mark, Mark::Last | Mark::Only)) {
            logged.push(self.log_part(part).await);
        }
        logged
    }

    /// How many reads the run has that the last event ends, when all of them are logged.
    fn ended_run(&self) -> Option<u64> {
        let logged = self.batches.concat();
        let last = logged.last().filter(|event| matches!(event.mark, Mark::Last | Mark::Only))?;
        let of_run = |event: &&Event| {
            event.mark != Mark::None && (event.sequence.commit, event.sequence.position) == (last.sequence.commit, last.sequence.position)
        };
        let run: Vec<&Event> = self.history.events.iter().filter(of_run).collect();
        run.iter().all(|event| logged.contains(event)).then_some(run.len() as u64)
    }

    async fn log_part(&mut self, events: &[Event]) -> waterline_engine::log::LoggedBatch {
        self.batches.push(events.to_vec());
        let planned_on = log_header(&self.pair.changelog.head().await.unwrap()).unwrap();
        let entry = LogEntry {
            events: change_batch(&table_schema(), events, 0, 0),
            planned_on,
            positions: SourcePositions::default(),
            progress: Progress {
                since_us: self.since_us(),
                complete_until_us: self.complete_until_us,
                watermark_us: self.complete_until_us,
                ..Progress::default()
            },
            quarantined: 0,
            torn: 0,
            ended_run: self.ended_run(),
        };
        match log(&self.lake, &self.pair.changelog, &entry).await.unwrap() {
            Logged::Committed(batch) => *batch,
            Logged::Moved => panic!("nobody else logs"),
        }
    }

    /// The earliest time that the source sent.
    pub(crate) fn since_us(&self) -> Option<i64> {
        self.history.events.iter().map(|event| event.event_time_us).min()
    }

    fn expected(&self) -> State {
        fold(&self.history.baseline, &self.batches.concat(), None).unwrap()
    }

    pub(crate) async fn check(&self) {
        let head = self.pair.mirror.head().await.unwrap();
        let found =
            if head.version.is_none() { Vec::new() } else { read_rows(&self.lake.env, self.pair.mirror.as_ref(), &head).await.unwrap() };
        assert_same_rows(&self.expected().contents(), &found);
    }
}

/// Merges after each batch, from memory.
async fn merged_batch_by_batch(history: &History, arrival: &Arrival, properties: &[(&str, &str)]) {
    let mut subject = Subject::new(history, properties).await;
    for batch in arrival.batches(&history.events) {
        for logged in subject.log(&batch).await {
            catch_up(&subject.lake, &subject.pair, Some(&logged), &Limits::default()).await.unwrap();
        }
        subject.check().await;
    }
}

/// Logs everything, then merges from the changelog.
async fn merged_in_the_end(history: &History, arrival: &Arrival) {
    let mut subject = Subject::new(history, &[]).await;
    for batch in arrival.batches(&history.events) {
        let _ = subject.log(&batch).await;
    }
    let limits = Limits { batch_rows: 5, ..Limits::default() };
    catch_up(&subject.lake, &subject.pair, None, &limits).await.unwrap();
    subject.check().await;
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

pub(crate) const PLAIN: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie];
pub(crate) const ALL: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate, Feature::Read];

pub(crate) const RUNS: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate, Feature::Run];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn events_in_order(history in histories(Start::Empty, ALL, 24), arrival in arrivals(Disorder::InOrder)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn events_late_and_repeated(history in histories(Start::Empty, PLAIN, 24), arrival in arrivals(Disorder::Late)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn events_shuffled_with_truncates(history in histories(Start::Run, ALL, 24), arrival in arrivals(Disorder::Shuffled)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn events_onto_a_dump(history in histories(Start::DumpInside, ALL, 24), arrival in arrivals(Disorder::Late)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn events_onto_a_dump_of_unknown_moment(history in histories(Start::DumpWithin, PLAIN, 24), arrival in arrivals(Disorder::Late)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn events_of_two_domains(history in histories(Start::Empty, &[Feature::TwoDomains, Feature::Unset], 24), arrival in arrivals(Disorder::Late)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn copy_on_write(history in histories(Start::Dump, ALL, 24), arrival in arrivals(Disorder::Late)) {
        run(merged_batch_by_batch(&history, &arrival, &[("write.merge.mode", "copy-on-write")]));
    }

    #[test]
    fn complete_runs_of_reads(history in histories(Start::Run, RUNS, 24), arrival in arrivals(Disorder::InOrder)) {
        run(merged_batch_by_batch(&history, &arrival, &[]));
    }

    #[test]
    fn a_lagging_mirror_and_runs_of_reads(history in histories(Start::Run, RUNS, 24), arrival in arrivals(Disorder::InOrder)) {
        run(merged_in_the_end(&history, &arrival));
    }

    #[test]
    fn a_mirror_that_lags(history in histories(Start::Dump, ALL, 24), arrival in arrivals(Disorder::Late)) {
        run(merged_in_the_end(&history, &arrival));
    }
}
