use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;

use super::*;
use crate::format::{Operation, Ref, RefKind};
use crate::record::RECORD;
use crate::rollbacks::Rollback;
use crate::sequence::Domain;

/// A table by its snapshots, each the child of the one before unless it is beside the main branch. Commit times are in
/// milliseconds, moments in microseconds.
#[derive(Default)]
struct Table {
    history: Vec<VersionInfo>,
    refs: BTreeMap<String, Ref>,
    properties: BTreeMap<String, String>,
    head: Option<VersionId>,
}

impl Table {
    fn snapshot(&mut self, committed_at_ms: i64, operation: Operation, summary: Option<(&str, String)>) -> VersionId {
        let version = VersionId(100 + self.history.len() as i64);
        let summary = summary.into_iter().map(|(key, json)| (key.to_owned(), json)).collect();
        self.history.push(VersionInfo { version, parent: self.head, committed_at_ms, operation, summary });
        version
    }

    fn main(&mut self, committed_at_ms: i64, operation: Operation, summary: Option<(&str, String)>) -> VersionId {
        let version = self.snapshot(committed_at_ms, operation, summary);
        self.head = Some(version);
        version
    }

    fn record(&mut self, committed_at_ms: i64, record: &Record) -> VersionId {
        self.main(committed_at_ms, Operation::Append, Some((RECORD, record.to_json().unwrap())))
    }

    /// A dump, and its tag.
    fn baseline(&mut self, committed_at_ms: i64, baseline: &Baseline) -> VersionId {
        let version = self.record(committed_at_ms, &Record { baseline: baseline.clone(), ..Record::initial() });
        self.tag(baseline.anchor.as_deref().unwrap(), version);
        version
    }

    fn merge(&mut self, committed_at_ms: i64, baseline: &Baseline, folded: i64, event_time_max_us: i64) -> VersionId {
        self.record(committed_at_ms, &merged(baseline, folded, event_time_max_us))
    }

    fn tag(&mut self, tag: &str, version: VersionId) {
        self.refs.insert(tag.to_owned(), Ref { version, kind: RefKind::Tag });
    }

    fn log(&mut self, committed_at_ms: i64, header: &LogHeader) {
        let json = header.to_json().unwrap();
        self.properties.insert(LOG.to_owned(), json.clone());
        self.main(committed_at_ms, Operation::Append, Some((LOG, json)));
    }

    fn state(&self) -> TableState {
        TableState {
            version: self.head,
            location: "memory://lake/shop/orders".into(),
            own_folder: String::new(),
            metadata_location: None,
            schema: Arc::new(Schema::empty()),
            keys: Vec::new(),
            partition_by: Vec::new(),
            properties: self.properties.clone(),
            history: Arc::new(self.history.clone()),
            refs: self.refs.clone(),
            rules: Arc::default(),
            inner: Arc::new(()),
        }
    }
}

fn dump(at_us: i64) -> Baseline {
    Baseline { at_us: Some(at_us), anchor: Some(format!("{ANCHOR}baseline-{at_us}")), ..Baseline::EMPTY }
}

fn merged(baseline: &Baseline, folded: i64, event_time_max_us: i64) -> Record {
    Record {
        kind: Kind::Merge,
        baseline: baseline.clone(),
        folded: BatchOrdinal(folded),
        event_time_max_us: Some(event_time_max_us),
        has_changes: true,
        ..Record::initial()
    }
}

fn header(batch: i64, watermark_us: i64) -> LogHeader {
    LogHeader { batch: BatchOrdinal(batch), watermark_us: Some(watermark_us), since_us: Some(5), ..LogHeader::default() }
}

/// A changelog whose commit `n` is batch `n`, made at `10 * n` milliseconds and complete until `100 * n` microseconds.
fn log(batches: i64) -> TableState {
    let mut log = Table::default();
    (1..=batches).for_each(|batch| log.log(10 * batch, &header(batch, 100 * batch)));
    log.state()
}

fn base_at(mirror: &Table, log: &TableState, at_us: i64) -> Option<VersionId> {
    plan(&mirror.state(), log, &Cut::at(at_us)).unwrap().base.version
}

fn known_by(at_us: i64, known_by_ms: i64) -> Cut {
    Cut { known_by_ms: Some(known_by_ms), ..Cut::at(at_us) }
}

#[track_caller]
fn refused(mirror: &Table, log: &TableState, cut: &Cut) -> String {
    let error = plan(&mirror.state(), log, cut).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAnswerable);
    error.to_string()
}

fn run(batch: i64, at_us: i64, begins_log: bool) -> SnapshotRun {
    let (domain, position) = (Domain("pg".into()), format!("{at_us:016x}"));
    SnapshotRun { domain, position, at_us, reads: 2, batch: BatchOrdinal(batch), begins_log }
}

/// A changelog of nine batches, complete until 900.
fn log_with_runs(runs: &[SnapshotRun], change: impl Fn(&mut LogHeader)) -> TableState {
    let mut log = Table::default();
    for batch in 1..=9 {
        let known = runs.iter().filter(|run| run.batch.0 <= batch).cloned().collect();
        let mut header = LogHeader { runs: known, ..header(batch, 100 * batch) };
        change(&mut header);
        log.log(10 * batch, &header);
    }
    log.state()
}

fn epoch_at(mirror: &Table, log: &TableState, cut: &Cut) -> (Option<i64>, Option<VersionId>) {
    let plan = plan(&mirror.state(), log, cut).unwrap();
    (plan.baseline.baseline.at_us, plan.baseline.version)
}

#[test]
fn runs_that_no_merge_took_are_epochs_of_events_alone() {
    let (first, second) = (run(2, 100, false), run(5, 200, false));
    let log = log_with_runs(&[first.clone(), second.clone()], |_| ());
    let mut mirror = Table::default();
    for (at_us, expected) in [(5, None), (99, None), (100, Some(100)), (199, Some(100)), (200, Some(200))] {
        assert_eq!(epoch_at(&mirror, &log, &Cut::at(at_us)), (expected, None), "{at_us}");
    }
    // What had been logged by then.
    assert_eq!(epoch_at(&mirror, &log, &known_by(200, 49)), (Some(100), None));
    // The anchor of a merge that took the run serves instead.
    let taken = mirror.baseline(1, &Baseline::of_run(&second, BatchOrdinal(5), Some(format!("{ANCHOR}baseline-200"))));
    assert_eq!(epoch_at(&mirror, &log, &Cut::at(300)), (Some(200), Some(taken)));
    assert_eq!(epoch_at(&mirror, &log, &Cut::at(199)), (Some(100), None));
}

#[test]
fn before_a_run_that_begins_the_log_nothing_is_known() {
    let log = log_with_runs(&[run(2, 100, true), run(5, 200, false)], |_| ());
    assert!(refused(&Table::default(), &log, &Cut::at(99)).contains("answerable from 1970-01-01T00:00:00.000100Z"));
}

#[test]
fn runs_that_were_taken_back_or_trimmed_do_not_count() {
    let runs = [run(2, 100, true), run(5, 200, false)];
    let (to, to_ms) = (VersionId(1), 1);
    let rollback = Rollback { lineage: 2, above: BatchOrdinal(3), upto: BatchOrdinal(6), to, to_ms };
    let rolled_back = log_with_runs(&runs, |header| {
        if header.batch.0 > 6 {
            header.rollbacks.push(rollback.clone())
        }
    });
    assert_eq!(epoch_at(&Table::default(), &rolled_back, &Cut::at(300)), (Some(100), None));
    assert_eq!(epoch_at(&Table::default(), &rolled_back, &known_by(300, 60)), (Some(200), None));

    let trim = Trim { until_us: 150, settled: BatchOrdinal(4), settled_ms: 40 };
    let trimmed = log_with_runs(&runs, |header| header.trimmed = Some(trim));
    let mut mirror = Table::default();
    let kept = mirror.baseline(1, &trim.baseline());
    assert_eq!(epoch_at(&mirror, &trimmed, &Cut::at(199)), (Some(150), Some(kept)));
    assert!(refused(&mirror, &trimmed, &Cut::at(149)).contains("answerable from 1970-01-01T00:00:00.000150Z"));
}

#[test]
fn a_baseline_holds_until_the_next_one() {
    let mut mirror = Table::default();
    let first = mirror.baseline(1, &dump(100));
    let second = mirror.baseline(2, &dump(200));
    let log = log(5);
    for (at_us, expected) in [(100, first), (199, first), (200, second), (500, second)] {
        let plan = plan(&mirror.state(), &log, &Cut::at(at_us)).unwrap();
        assert_eq!((plan.baseline.version, plan.base.version), (Some(expected), Some(expected)), "{at_us}");
    }
    assert!(refused(&mirror, &log, &Cut::at(99)).contains("answerable from 1970-01-01T00:00:00.000100Z"));
}

#[test]
fn of_epochs_in_any_order_of_loading_the_newest_by_time_holds() {
    let mut mirror = Table::default();
    let newer = mirror.baseline(1, &dump(200));
    let older = mirror.baseline(2, &dump(100));
    assert_eq!((base_at(&mirror, &log(5), 150), base_at(&mirror, &log(5), 250)), (Some(older), Some(newer)));
}

#[test]
fn an_interval_answers_from_its_end_on_and_folds_from_its_begin() {
    let mut mirror = Table::default();
    let within = Baseline { until_us: Some(150), ..dump(100) };
    mirror.baseline(1, &within);
    assert!(refused(&mirror, &log(5), &Cut::at(149)).contains("answerable from 1970-01-01T00:00:00.000150Z"));
    assert_eq!(plan(&mirror.state(), &log(5), &Cut::at(150)).unwrap().baseline.baseline, within);
    // Its own moment is not complete by itself: events of the interval may still arrive.
    assert!(refused(&mirror, &log(0), &Cut::at(150)).contains("--allow-incomplete"));
}

#[test]
fn a_table_without_a_dump_was_empty_since_the_source_is_known() {
    let mut mirror = Table::default();
    let empty = plan(&mirror.state(), &log(1), &Cut::at(5)).unwrap();
    assert_eq!((&empty.baseline.baseline, empty.base.version, empty.base.record), (&Baseline::EMPTY, None, Record::initial()));
    assert!(refused(&mirror, &log(1), &Cut::at(4)).contains("answerable from 1970-01-01T00:00:00.000005Z"));
    assert!(refused(&mirror, &log(0), &Cut::at(5)).contains("no moment"));

    // Also before its first dump, when events were folded onto nothing.
    mirror.merge(1, &Baseline::EMPTY, 1, 50);
    let merged = mirror.merge(2, &Baseline::EMPTY, 2, 60);
    let dumped = mirror.baseline(3, &dump(200));
    assert_eq!((base_at(&mirror, &log(5), 60), base_at(&mirror, &log(5), 200)), (Some(merged), Some(dumped)));
    assert_eq!(base_at(&mirror, &log(5), 49), None);
    // But not when the dump came first.
    let mut dumped_first = Table::default();
    dumped_first.baseline(3, &dump(200));
    refused(&dumped_first, &log(5), &Cut::at(199));
}

#[test]
fn the_newest_snapshot_of_the_epoch_that_holds_nothing_newer_is_the_base() {
    let mut mirror = Table::default();
    let baseline = mirror.baseline(1, &dump(100));
    let early = mirror.merge(2, &dump(100), 1, 150);
    // Event time max is cumulative: a batch of older events does not lower it.
    let late = mirror.merge(3, &dump(100), 2, 180);
    let older_events = mirror.merge(4, &dump(100), 3, 180);
    let log = log(5);
    for (at_us, expected) in [(149, baseline), (150, early), (179, early), (180, older_events), (500, older_events)] {
        assert_eq!(base_at(&mirror, &log, at_us), Some(expected), "{at_us}");
    }
    assert_ne!(late, older_events);
    let plan = plan(&mirror.state(), &log, &Cut::at(160)).unwrap();
    assert_eq!((plan.base.record.folded, plan.upto), (BatchOrdinal(1), BatchOrdinal(5)));
    let onto_baseline = plan.from_baseline();
    assert_eq!((onto_baseline.base.version, onto_baseline.base.record.folded), (Some(baseline), BatchOrdinal(0)));
    assert_eq!((onto_baseline.baseline, onto_baseline.upto), (plan.baseline, plan.upto));
}

#[test]
fn a_snapshot_beside_the_main_branch_or_of_another_epoch_is_no_base() {
    let mut mirror = Table::default();
    let first = mirror.baseline(1, &dump(100));
    mirror.merge(2, &dump(100), 1, 150);
    let moment = merged(&dump(100), 2, 160).to_json().unwrap();
    let moment = mirror.snapshot(3, Operation::Append, Some((RECORD, moment)));
    mirror.tag("backtest", moment);
    mirror.tag(&format!("{ANCHOR}backtest"), moment);
    let second = mirror.baseline(4, &dump(140));
    assert_eq!((base_at(&mirror, &log(5), 139), base_at(&mirror, &log(5), 165)), (Some(first), Some(second)));
}

#[test]
fn a_compaction_of_another_writer_is_a_base_with_the_record_of_its_parent() {
    let mut mirror = Table::default();
    mirror.baseline(1, &dump(100));
    let merged = mirror.merge(15, &dump(100), 1, 150);
    mirror.main(21, Operation::Replace, None);
    let compacted = mirror.main(22, Operation::Replace, None);
    let base = |mirror: &Table, cut: &Cut| plan(&mirror.state(), &log(5), cut).unwrap().base;
    assert_eq!(base(&mirror, &Cut::at(150)).version, Some(compacted));
    assert_eq!(base(&mirror, &Cut::at(150)).record.folded, BatchOrdinal(1));
    // What had not been committed then is no base.
    assert_eq!(base(&mirror, &known_by(150, 20)).version, Some(merged));
    assert_eq!(base(&mirror, &known_by(150, 22)).version, Some(compacted));

    // Any other commit has no record, and those below it still are bases.
    mirror.main(31, Operation::Overwrite, None);
    mirror.main(32, Operation::Replace, None);
    assert_eq!(base(&mirror, &Cut::at(150)).version, Some(compacted));
}

#[test]
fn a_table_of_another_writer_without_a_time_answers_from_its_first_dump_on() {
    let mut mirror = Table::default();
    let adopted = Baseline { anchor: Some(format!("{ANCHOR}adopted-7")), ..Baseline::EMPTY };
    mirror.baseline(1, &adopted);
    mirror.merge(2, &adopted, 1, 50);
    assert!(refused(&mirror, &log(5), &Cut::at(60)).contains("no moment"));
    let dumped = mirror.baseline(3, &dump(200));
    assert!(refused(&mirror, &log(5), &Cut::at(199)).contains("answerable from 1970-01-01T00:00:00.000200Z"));
    assert_eq!(base_at(&mirror, &log(5), 200), Some(dumped));
}

#[test]
fn known_by_limits_batches_bases_and_the_watermark() {
    let mut mirror = Table::default();
    let baseline = mirror.baseline(5, &dump(100));
    let one = mirror.merge(15, &dump(100), 1, 110);
    let two = mirror.merge(25, &dump(100), 2, 120);
    let log = log(3);
    let at = |cut: &Cut| plan(&mirror.state(), &log, cut).map(|plan| (plan.upto.0, plan.base.version.unwrap()));
    let as_logged = |by| Cut { beyond: Beyond::AsLogged, ..known_by(200, by) };
    assert_eq!(at(&Cut::at(200)).unwrap(), (3, two));
    // Between a batch's commit and its merge.
    for (by_ms, expected) in [(9, (0, baseline)), (14, (1, baseline)), (19, (1, one)), (20, (2, one)), (30, (3, two))] {
        assert_eq!(at(&as_logged(by_ms)).unwrap(), expected, "{by_ms}");
    }
    assert!(refused(&mirror, &log, &known_by(200, 19)).contains("complete until 1970-01-01T00:00:00.000100Z"));
    assert_eq!(at(&known_by(200, 20)).unwrap(), (2, one));
    // Before its dump was there, the table was one without any.
    assert!(refused(&mirror, &log, &known_by(100, 4)).contains("no moment"));
}

/// A snapshot may be older by its clock than the batches that it folds.
#[test]
fn known_by_takes_no_base_with_batches_that_were_not_known() {
    let mut mirror = Table::default();
    let baseline = mirror.baseline(5, &dump(100));
    mirror.merge(6, &dump(100), 3, 110);
    let plan = plan(&mirror.state(), &log(3), &Cut { beyond: Beyond::AsLogged, ..known_by(200, 15) }).unwrap();
    assert_eq!((plan.upto.0, plan.base.version), (1, Some(baseline)));
}

#[test]
fn known_by_a_time_whose_log_commits_are_gone_is_refused() {
    let mut log = Table::default();
    (1..=3).for_each(|batch| log.log(10 * batch, &header(batch, 100 * batch)));
    log.history.remove(0);
    let mut mirror = Table::default();
    mirror.baseline(1, &dump(50));
    assert!(refused(&mirror, &log.state(), &known_by(60, 19)).contains("oldest commit 1970-01-01T00:00:00.020000Z"));
    assert_eq!(plan(&mirror.state(), &log.state(), &known_by(60, 20)).unwrap().upto, BatchOrdinal(2));
}

#[test]
fn a_baseline_of_the_same_time_supersedes_and_what_was_folded_onto_the_old_one_is_no_base() {
    let mut mirror = Table::default();
    let old = mirror.baseline(5, &dump(100));
    let onto_old = mirror.merge(15, &dump(100), 1, 110);
    let new = mirror.baseline(25, &dump(100));
    assert_eq!(base_at(&mirror, &log(3), 120), Some(new));
    let onto_new = mirror.merge(35, &dump(100), 3, 130);
    assert_eq!((base_at(&mirror, &log(3), 120), base_at(&mirror, &log(3), 130)), (Some(new), Some(onto_new)));

    // Known then: the tag names the new one only, and the old one still was the baseline.
    let known_then = |at_us, by_ms| {
        let plan = plan(&mirror.state(), &log(3), &Cut { beyond: Beyond::AsLogged, ..known_by(at_us, by_ms) }).unwrap();
        (plan.baseline.version, plan.base.version)
    };
    assert_eq!(known_then(120, 20), (Some(old), Some(onto_old)));
    assert_eq!(known_then(105, 20), (Some(old), Some(old)));
    assert_eq!(known_then(120, 25), (Some(new), Some(new)));
}

#[test]
fn the_range_is_said_when_a_moment_lies_outside() {
    let mut mirror = Table::default();
    mirror.baseline(1, &dump(100));
    let log = log(2);
    let range = answerable_range(&mirror.state(), &log).unwrap();
    assert_eq!(range, Answerable { from_us: Some(100), until_us: Some(200) });
    let beyond = refused(&mirror, &log, &Cut::at(201));
    for part in
        ["as of 1970-01-01T00:00:00.000201Z", "answerable from 1970-01-01T00:00:00.000100Z", "complete until 1970-01-01T00:00:00.000200Z"]
    {
        assert!(beyond.contains(part), "{beyond}");
    }
    assert!(beyond.contains("--allow-incomplete"), "{beyond}");
    let before = refused(&mirror, &log, &Cut { beyond: Beyond::AsLogged, ..Cut::at(99) });
    assert!(before.contains("waterline load --at") && !before.contains("--allow-incomplete"), "{before}");
    let read_on = plan(&mirror.state(), &log, &Cut { beyond: Beyond::AsLogged, ..Cut::at(201) }).unwrap();
    assert_eq!((read_on.at_us, read_on.answerable), (201, range));
}

/// A dump is complete at its own moment, and says nothing of those between the watermark and it.
#[test]
fn a_dump_beyond_the_watermark_is_complete_at_its_own_moment_only() {
    let mut mirror = Table::default();
    mirror.baseline(1, &dump(100));
    let dumped = mirror.baseline(2, &dump(900));
    assert_eq!(base_at(&mirror, &log(2), 900), Some(dumped));
    assert_eq!(answerable_range(&mirror.state(), &log(2)).unwrap().until_us, Some(900));
    assert!(refused(&mirror, &log(2), &Cut::at(500)).contains("complete until 1970-01-01T00:00:00.000200Z"));
    assert!(refused(&mirror, &log(2), &Cut::at(901)).contains("complete until 1970-01-01T00:00:00.000900Z"));
}

#[test]
fn moments_are_written_to_the_microsecond() {
    assert_eq!(time_text(1_795_225_774_473_380), "2026-11-21T01:49:34.473380Z");
    assert_eq!(time_text(i64::MAX), format!("{} us", i64::MAX));
}
