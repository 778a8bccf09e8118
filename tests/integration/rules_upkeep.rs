//! The rules of DESIGN.md on retention and rollback, each as small histories.

use datafusion::object_store::ObjectStoreExt;
use waterline_core::as_of::Cut;
use waterline_core::error::ErrorKind;
use waterline_core::format::KeepAll;
use waterline_core::maintain::retention::{Keep, Retention};
use waterline_core::record::{Kind, newest_lineage};
use waterline_engine::ingest::Mode;
use waterline_engine::lake::Limits;
use waterline_engine::maintain::Action;
use waterline_engine::maintain::rollback::{Events, Goal, RollbackRequest, RolledBack, roll_back};
use waterline_engine::maintain::trim::{TrimRequest, Trimmed, trim};
use waterline_engine::merge::catch_up;
use waterline_testkit::cell::Cell;
use waterline_testkit::faults::Phase;
use waterline_testkit::files::read_rows;
use waterline_testkit::histories::{History, Start};

use crate::fold::Subject;
use crate::formats::{Format, in_both_formats};
use crate::rules::{Table, create, delete, seconds, update};
use crate::rules_as_of::{as_logged, at, moment, refused, rows_at};
use crate::upkeep::until_crash;

in_both_formats!(
    rule_22_a_rollback_voids_what_came_after_its_snapshot,
    rule_22_replay_reads_the_events_of_the_void_batches_again,
    rule_22_a_rollback_to_files_that_are_gone_changes_nothing,
    rule_22_a_dump_that_came_after_the_snapshot_is_taken_back,
    rule_22_a_rollback_that_dies_is_ended_by_the_next_merge_or_was_none,
    rule_21_a_trim_keeps_what_the_policy_says,
    rule_21_the_cut_is_clean_or_moves_to_where_it_is,
    rule_21_nothing_is_trimmed_above_the_watermark,
    rule_22_what_a_trim_kept_outlives_a_rollback_to_before_it,
    rule_22_a_trim_onto_a_dump_is_not_taken_back_with_the_dump,
    rule_21_a_trim_that_dies_anywhere_is_ended_by_the_next_merge_or_was_none,
);

async fn taken_back(table: &Table, goal: Goal, events: Events) -> Option<RolledBack> {
    roll_back(&table.lake, &Table::name(), &RollbackRequest { goal, events, action: Action::Do }).await.unwrap()
}

/// Three merges onto a dump, of which the last two are bad, and a batch that is only logged.
struct Spoiled {
    table: Table,
    /// Commit times after the good merge and after the bad ones.
    good_ms: i64,
    bad_ms: i64,
}

async fn spoiled(format: Format) -> Spoiled {
    let mut table = Table::of(format);
    table.world.clock.tick_us(1_000);
    table.load("id,a,b\n1,dumped,x\n2,dumped,x\n", moment(10)).await;
    table.take(&[update(11, 1, "good", "x")]).await;
    let good_ms = table.mirror().await.current().unwrap().committed_at_ms;
    table.take(&[update(12, 1, "bad", "x"), create(13, 3, "bad", "x")]).await;
    table.take(&[delete(14, 2)]).await;
    table.land(&[create(15, 4, "bad", "x")]).await;
    table.job(Mode::Log, None).await.unwrap();
    let bad_ms = table.lake.env.clock.now_ms();
    Spoiled { table, good_ms, bad_ms }
}

const GOOD: [&str; 2] = ["1 good x", "2 dumped x"];
const BAD: [&str; 3] = ["1 bad x", "3 bad x", "4 bad x"];

async fn rule_22_a_rollback_voids_what_came_after_its_snapshot(format: Format) {
    let Spoiled { mut table, good_ms, bad_ms } = spoiled(format).await;
    assert_eq!(rows_at(&table, as_logged(20)).await, BAD);
    let plan = RollbackRequest { goal: Goal::CommittedBy(good_ms), events: Events::Dropped, action: Action::Plan };
    let planned = roll_back(&table.lake, &Table::name(), &plan).await.unwrap().unwrap();
    assert_eq!((planned.rollback.above.0, planned.rollback.upto.0, planned.rollback.lineage, planned.events), (1, 4, 2, 4));
    assert_eq!(rows_at(&table, as_logged(20)).await, BAD, "a plan changes nothing");

    let done = taken_back(&table, Goal::CommittedBy(good_ms), Events::Dropped).await.unwrap();
    assert_eq!(done.rollback, planned.rollback);
    let record = table.record().await;
    assert_eq!((record.kind, record.lineage, record.folded.0), (Kind::Rollback, 2, 1));
    assert_eq!(table.rows().await, GOOD);
    for second in [11, 12, 14, 20] {
        assert_eq!(rows_at(&table, as_logged(second)).await, GOOD, "{second}");
    }
    // What was known before the rollback is what it was.
    assert_eq!(rows_at(&table, Cut { known_by_ms: Some(bad_ms), ..as_logged(20) }).await, BAD);
    assert_eq!(rows_at(&table, Cut { known_by_ms: Some(good_ms), ..as_logged(20) }).await, GOOD);
    assert!(taken_back(&table, Goal::Snapshot(table.mirror().await.version.unwrap()), Events::Dropped).await.is_none());

    // The source is not read again, and goes on. An event that it delivers once more counts.
    let read = table.run().await;
    assert_eq!((read.rows_read, read.events_logged), (0, 0));
    assert_eq!(table.rows().await, GOOD);
    let again = table.take(&[delete(14, 2), create(30, 5, "on", "x")]).await;
    assert_eq!((again.events_logged, again.repeated), (2, 0));
    assert_eq!(table.rows().await, ["1 good x", "5 on x"]);
    assert_eq!(rows_at(&table, as_logged(13)).await, GOOD);
    // A late event folds with the history that counts.
    table.take(&[update(9, 1, "before the dump", "x"), create(12, 6, "late", "x")]).await;
    assert_eq!(table.rows().await, ["1 good x", "5 on x", "6 late x"]);
    assert_eq!(rows_at(&table, as_logged(14)).await, ["1 good x", "6 late x"]);
}

async fn rule_22_replay_reads_the_events_of_the_void_batches_again(format: Format) {
    let Spoiled { mut table, good_ms, .. } = spoiled(format).await;
    taken_back(&table, Goal::CommittedBy(good_ms), Events::Replayed).await.unwrap();
    assert_eq!(table.rows().await, GOOD);
    let read = table.run().await;
    assert_eq!((read.events_logged, read.repeated), (4, 0));
    assert_eq!(table.rows().await, BAD);
    for (second, rows) in [(11, vec!["1 good x", "2 dumped x"]), (13, vec!["1 bad x", "2 dumped x", "3 bad x"]), (15, BAD.to_vec())] {
        assert_eq!(rows_at(&table, as_logged(second)).await, rows, "{second}");
    }
    // Back again, to the same snapshot and to the one of the first rollback.
    taken_back(&table, Goal::CommittedBy(good_ms), Events::Dropped).await.unwrap();
    assert_eq!(table.record().await.lineage, 3);
    assert_eq!(
        (table.rows().await, rows_at(&table, as_logged(15)).await),
        (GOOD.map(String::from).to_vec(), GOOD.map(String::from).to_vec())
    );
    table.take(&[create(40, 7, "on", "x")]).await;
    assert_eq!(table.rows().await, ["1 good x", "2 dumped x", "7 on x"]);
}

/// A clean-up of another writer took them.
async fn rule_22_a_rollback_to_files_that_are_gone_changes_nothing(format: Format) {
    let Spoiled { table, good_ms, .. } = spoiled(format).await;
    let (mirror, before) = (table.lake.table(&Table::name()).await.unwrap(), table.mirror().await);
    let good = before.lineage().find(|info| info.committed_at_ms <= good_ms).unwrap().version;
    let file = mirror.data_files(&mirror.at(&before, good).await.unwrap(), &KeepAll).await.unwrap().remove(0).path;
    let (store, path) = table.world.stores.resolve(&file).unwrap();
    store.delete(&path).await.unwrap();
    let request = RollbackRequest { goal: Goal::Snapshot(good), events: Events::Dropped, action: Action::Do };
    let error = roll_back(&table.lake, &Table::name(), &request).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(&file), "{error}");
    assert_eq!((table.mirror().await.version, table.log_header().await.batch.0), (before.version, 4));
}

async fn rule_22_a_dump_that_came_after_the_snapshot_is_taken_back(format: Format) {
    let mut table = Table::of(format);
    table.world.clock.tick_us(1_000);
    table.load("id,a,b\n1,dumped,x\n", moment(10)).await;
    table.take(&[update(11, 1, "good", "x")]).await;
    let good = table.mirror().await.version.unwrap();
    table.load("id,a,b\n1,wrong,x\n", moment(20)).await;
    table.take(&[create(21, 2, "onto it", "x")]).await;
    let wrong_ms = table.lake.env.clock.now_ms();
    assert_eq!(rows_at(&table, as_logged(20)).await, ["1 wrong x"]);
    taken_back(&table, Goal::Snapshot(good), Events::Replayed).await.unwrap();
    table.run().await;
    assert_eq!(table.rows().await, ["1 good x", "2 onto it x"]);
    assert_eq!(rows_at(&table, as_logged(20)).await, ["1 good x"]);
    assert_eq!(rows_at(&table, Cut { known_by_ms: Some(wrong_ms), ..as_logged(20) }).await, ["1 wrong x"]);
    // The right one can be loaded.
    table.load("id,a,b\n1,right,x\n", moment(22)).await;
    assert_eq!(table.rows().await, ["1 right x"]);

    let missing = RollbackRequest { goal: Goal::CommittedBy(0), events: Events::Dropped, action: Action::Do };
    let error = roll_back(&table.lake, &Table::name(), &missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

async fn rule_22_a_rollback_that_dies_is_ended_by_the_next_merge_or_was_none(format: Format) {
    let undisturbed = spoiled(format).await;
    let first = undisturbed.table.world.faults.step_count();
    taken_back(&undisturbed.table, Goal::CommittedBy(undisturbed.good_ms), Events::Dropped).await.unwrap();
    let steps = undisturbed.table.world.faults.step_count() - first;
    let (mut ended, mut was_none) = (0, 0);
    for step in (0..steps).step_by(2) {
        let Spoiled { table, good_ms, .. } = spoiled(format).await;
        let faults = table.world.faults.clone();
        faults.set_crash(faults.step_count() + step, Phase::After);
        let request = RollbackRequest { goal: Goal::CommittedBy(good_ms), events: Events::Dropped, action: Action::Do };
        until_crash(&table.world, roll_back(&table.lake, &Table::name(), &request)).await;
        faults.restart();
        let table = table.anew();
        let read = rows_at(&table, as_logged(20)).await;
        table.run().await;
        assert_eq!(table.rows().await, read, "step {step}");
        match read == GOOD {
            true => ended += 1,
            false => {
                assert_eq!(read, BAD);
                was_none += 1;
            }
        }
    }
    assert!(ended > 0 && was_none > 0, "{ended} {was_none}");
}

#[tokio::test]
async fn rule_22_a_merge_that_began_before_the_rollback_folds_no_void_batch() {
    let history = History::seeded(3, 12, Start::Empty, &[]);
    let mut subject = Subject::new(&history, &[]).await;
    let (good, bad) = history.events.split_at(6);
    let lake = subject.lake.clone();
    for batch in subject.log(good).await {
        catch_up(&lake, &subject.pair, Some(&batch), &Limits::default()).await.unwrap();
    }
    let logged = subject.log(bad).await.remove(0);
    let before = subject.pair.mirror.head().await.unwrap();
    let request = RollbackRequest { goal: Goal::Snapshot(before.version.unwrap()), events: Events::Dropped, action: Action::Do };
    roll_back(&lake, subject.pair.mirror.name(), &request).await.unwrap().unwrap();
    catch_up(&lake, &subject.pair, Some(&logged), &Limits::default()).await.unwrap();
    let head = subject.pair.mirror.head().await.unwrap();
    let rows = read_rows(&lake.env, subject.pair.mirror.as_ref(), &head).await.unwrap();
    assert_eq!(rows, read_rows(&lake.env, subject.pair.mirror.as_ref(), &before).await.unwrap());
    assert_eq!(newest_lineage(&head).unwrap(), 2);
}

const HOUR: u64 = 3_600;
/// From 2023-11-15T00:00:00Z to the second that the histories begin at.
const MIDNIGHT: u64 = 6_400;

/// A policy that keeps two days of events and then midnights for a while.
fn policy(keep_daily: Keep) -> Retention {
    let day_us = 24 * HOUR as i64 * 1_000_000;
    Retention { keep_within_us: 2 * day_us, keep_daily, keep_monthly: Keep::Never, timezone: "UTC".parse().unwrap() }
}

async fn trimmed(table: &Table, retention: Retention, action: Action) -> Trimmed {
    trim(&table.lake, &Table::name(), &TrimRequest { retention, limits: Limits::default(), action }).await.unwrap()
}

/// A row for each hour of six days, with one row that changes all the time, complete to the end.
async fn hourly(format: Format) -> Table {
    let mut table = Table::of(format);
    table.world.clock.set_us(seconds(6 * 24 * HOUR));
    table.world.clock.tick_us(1);
    table.load("id,a,b\n1,dumped,x\n", moment(0)).await;
    for day in 0..6 {
        let of_hour = |hour| [update(hour * HOUR, 1, &format!("hour {hour}"), "x"), create(hour * HOUR + 1, hour + 100, "new", "x")];
        table.take(&(day * 24..(day + 1) * 24).filter(|hour| *hour > 0).flat_map(of_hour).collect::<Vec<_>>()).await;
    }
    table.job(Mode::Merge, Some(seconds(6 * 24 * HOUR))).await.unwrap();
    table
}

/// Midnights of the history, in its seconds.
fn midnight(day: u64) -> u64 {
    MIDNIGHT + day * 24 * HOUR
}

async fn rule_21_a_trim_keeps_what_the_policy_says(format: Format) {
    let mut table = hourly(format).await;
    let moments = [midnight(0), midnight(1) - HOUR, midnight(3), midnight(3) + 5, midnight(4), 6 * 24 * HOUR];
    let mut before = Vec::new();
    for second in moments {
        before.push(rows_at(&table, at(second)).await);
    }
    let now = table.rows().await;
    let retention = policy(Keep::ForUs(4 * 24 * HOUR as i64 * 1_000_000));
    let plan = trimmed(&table, retention, Action::Plan).await;
    assert_eq!(plan.unanswerable, Some((seconds(0), seconds(midnight(3)))));
    assert_eq!(plan.kept, [2, 3].map(|day| seconds(midnight(day))));
    assert_eq!(rows_at(&table, at(midnight(1) - HOUR)).await, before[1], "a plan changes nothing");
    let done = trimmed(&table, retention, Action::Do).await;
    assert_eq!(done, plan);
    assert!(done.events > 100 && done.files > 0, "{done:?}");

    let log = rows_of_changelog(&table).await;
    assert!(log.iter().all(|time| *time > seconds(midnight(3))), "all older events are gone");
    assert_eq!(table.record().await.baseline.at_us, Some(seconds(midnight(3))));
    assert_eq!(table.rows().await, now);
    for (second, rows) in moments.into_iter().zip(&before) {
        match second {
            second if second >= midnight(3) => assert_eq!(rows_at(&table, at(second)).await, *rows, "{second}"),
            second => assert!(refused(&table, at(second)).await.contains("answerable from 2023-11-18T00:00:00"), "{second}"),
        }
    }
    let kept = rows_at(&table, at(midnight(2))).await;
    assert!(kept.contains(&"1 hour 49 x".to_owned()), "{kept:?}");
    refused(&table, at(midnight(2) + 1)).await;
    // What came before and is not known any more as it was known then is not answered.
    let by = table.mirror().await.history[2].committed_at_ms;
    refused(&table, Cut { known_by_ms: Some(by), ..at(midnight(4)) }).await;
    let known_now = table.lake.env.clock.now_ms() + 1_000;
    assert_eq!(rows_at(&table, Cut { known_by_ms: Some(known_now), ..at(midnight(4)) }).await, before[4]);
    // Nothing more is due, until it is: then the oldest midnight goes.
    assert!(trimmed(&table, retention, Action::Do).await.is_empty());
    table.world.clock.advance_us(24 * HOUR as i64 * 1_000_000);
    assert_eq!(trimmed(&table, retention, Action::Plan).await.dropped, [seconds(midnight(2))]);
    assert_eq!(trimmed(&table, retention, Action::Do).await.dropped, [seconds(midnight(2))]);
    refused(&table, at(midnight(2))).await;
    assert_eq!(rows_at(&table, at(midnight(4))).await, before[4]);

    // Later arrivals of the time before are counted, and never applied.
    let read = table.take(&[update(midnight(2), 1, "too late", "x"), update(midnight(4) + 7, 130, "late", "x")]).await;
    assert_eq!(read.events_logged, 1);
    assert_eq!(table.log_header().await.counts.too_late, 1);
    let late = rows_at(&table, as_logged(midnight(4) + 7)).await;
    assert!(late.contains(&"130 late x".to_owned()) && !late.iter().any(|row| row.contains("too late")), "{late:?}");
    assert_eq!(table.rows().await.len(), now.len());
    assert!(table.rows().await.contains(&"130 late x".to_owned()));
}

async fn rows_of_changelog(table: &Table) -> Vec<i64> {
    let changelog = table.lake.table(&Table::name().changelog()).await.unwrap();
    let rows = read_rows(&table.lake.env, changelog.as_ref(), &changelog.head().await.unwrap()).await.unwrap();
    let time = |row: &waterline_testkit::cell::Row| match row["_event_time"] {
        Cell::Int(time) => time,
        ref other => panic!("{other:?}"),
    };
    rows.iter().map(time).collect()
}

async fn rule_21_the_cut_is_clean_or_moves_to_where_it_is(format: Format) {
    let mut table = Table::of(format);
    table.world.clock.set_us(seconds(6 * 24 * HOUR));
    table.load("id,a,b\n1,dumped,x\n", moment(0)).await;
    // Of the time before the cut, and in the source's order after an event of the time after it.
    let straying = update(midnight(3) - 60, 1, "strays", "x")
        .replace(&format!("\\\"{}\\\"", midnight(3) - 60), &format!("\\\"{}\\\"", midnight(4) + 1));
    table.take(&[update(midnight(3) - 70, 1, "early", "x"), update(midnight(4), 1, "after", "x"), straying]).await;
    table.job(Mode::Merge, Some(seconds(6 * 24 * HOUR))).await.unwrap();
    assert_eq!(table.rows().await, ["1 strays x"]);
    let done = trimmed(&table, policy(Keep::Never), Action::Do).await;
    assert_eq!((done.unanswerable, done.events), (Some((seconds(0), seconds(midnight(3) - 60) - 1)), 1));
    assert_eq!(table.rows().await, ["1 strays x"]);
    for (second, row) in [(midnight(3) - 60, "1 strays x"), (midnight(4), "1 strays x")] {
        assert_eq!(rows_at(&table, at(second)).await, [row], "{second}");
    }
}

async fn rule_21_nothing_is_trimmed_above_the_watermark(format: Format) {
    let mut table = Table::of(format);
    table.world.clock.set_us(seconds(6 * 24 * HOUR));
    table.load("id,a,b\n1,dumped,x\n", moment(0)).await;
    table.take(&[update(10, 1, "ten", "x"), update(midnight(1), 1, "day", "x")]).await;
    table.job(Mode::Merge, Some(seconds(100))).await.unwrap();
    let before = table.log_header().await.watermark_us;
    let done = trimmed(&table, policy(Keep::Never), Action::Do).await;
    assert!(done.unanswerable.is_none_or(|(_, until)| Some(until) <= before), "{done:?} {before:?}");
    assert_eq!(table.rows().await, ["1 day x"]);
}

async fn rule_22_what_a_trim_kept_outlives_a_rollback_to_before_it(format: Format) {
    let mut table = short(format).await;
    let good = table.mirror().await.version.unwrap();
    let mut before = Vec::new();
    for second in [midnight(3), midnight(4), 6 * 24 * HOUR] {
        before.push((second, rows_at(&table, at(second)).await));
    }
    table.take(&[update(midnight(4) + 1, 2, "bad", "x")]).await;
    trimmed(&table, policy(Keep::Forever), Action::Do).await;
    taken_back(&table, Goal::Snapshot(good), Events::Dropped).await.unwrap();
    table.run().await;
    for (second, rows) in before {
        assert_eq!(rows_at(&table, at(second)).await, rows, "{second}");
    }
    assert_eq!(table.record().await.baseline.at_us, Some(seconds(midnight(3))));
    table.take(&[create(midnight(4) - 5, 50, "late", "x")]).await;
    assert_eq!(table.rows().await, ["1 after x", "2 two x", "50 late x"]);
}

async fn rule_22_a_trim_onto_a_dump_is_not_taken_back_with_the_dump(format: Format) {
    let mut table = Table::of(format);
    table.world.clock.set_us(seconds(6 * 24 * HOUR));
    table.load("id,a,b\n1,dumped,x\n", moment(0)).await;
    table.take(&[update(HOUR, 1, "early", "x")]).await;
    let before = table.mirror().await.version.unwrap();
    table.load("id,a,b\n1,other,x\n", moment(midnight(3) - 5)).await;
    table.take(&[create(midnight(4), 2, "after", "x")]).await;
    table.job(Mode::Merge, Some(seconds(6 * 24 * HOUR))).await.unwrap();
    trimmed(&table, policy(Keep::Forever), Action::Do).await;
    let rows = table.rows().await;
    let request = RollbackRequest { goal: Goal::Snapshot(before), events: Events::Dropped, action: Action::Do };
    let error = roll_back(&table.lake, &Table::name(), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAnswerable);
    assert!(error.to_string().contains("onto a dump"), "{error}");
    assert_eq!(table.rows().await, rows);
}

async fn rule_21_a_trim_that_dies_anywhere_is_ended_by_the_next_merge_or_was_none(format: Format) {
    let retention = policy(Keep::Forever);
    let undisturbed = short(format).await;
    let first = undisturbed.world.faults.step_count();
    trimmed(&undisturbed, retention, Action::Do).await;
    let steps = undisturbed.world.faults.step_count() - first;
    for step in (0..steps).step_by(5) {
        let table = short(format).await;
        let (now, kept) = (table.rows().await, rows_at(&table, at(midnight(4))).await);
        let faults = table.world.faults.clone();
        faults.set_crash(faults.step_count() + step, Phase::After);
        let request = TrimRequest { retention, limits: Limits::default(), action: Action::Do };
        until_crash(&table.world, trim(&table.lake, &Table::name(), &request)).await;
        faults.restart();
        let mut table = table.anew();
        assert_eq!(rows_at(&table, at(midnight(4))).await, kept, "step {step}");
        table.take(&[create(midnight(4) - 5, 50, "late", "x")]).await;
        assert_eq!(table.rows().await.len(), now.len() + 1, "step {step}");
        trimmed(&table, retention, Action::Do).await;
        assert_eq!(rows_at(&table, at(midnight(4))).await.len(), kept.len() + 1, "step {step}");
        assert_eq!(table.record().await.baseline.at_us, Some(seconds(midnight(3))), "step {step}");
    }
}

/// A few events around the cut.
async fn short(format: Format) -> Table {
    let mut table = Table::of(format);
    table.world.clock.set_us(seconds(6 * 24 * HOUR));
    table.load("id,a,b\n1,dumped,x\n", moment(0)).await;
    table.take(&[update(HOUR, 1, "early", "x"), create(midnight(2), 2, "two", "x"), update(midnight(4), 1, "after", "x")]).await;
    table.job(Mode::Merge, Some(seconds(6 * 24 * HOUR))).await.unwrap();
    table
}
