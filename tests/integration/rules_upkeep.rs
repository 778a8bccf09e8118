//! The rules of DESIGN.md on retention and rollback, each as small histories.

use waterline_core::as_of::Cut;
use waterline_core::error::ErrorKind;
use waterline_core::record::Kind;
use waterline_engine::ingest::Mode;
use waterline_engine::maintain::Action;
use waterline_engine::maintain::rollback::{Events, Goal, RollbackRequest, RolledBack, roll_back};
use waterline_testkit::faults::Phase;

use crate::rules::{Table, create, delete, update};
use crate::rules_as_of::{as_logged, moment, rows_at};
use crate::upkeep::until_crash;

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

async fn spoiled() -> Spoiled {
    let mut table = Table::new();
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

#[tokio::test]
async fn rule_22_a_rollback_voids_what_came_after_its_snapshot() {
    let Spoiled { mut table, good_ms, bad_ms } = spoiled().await;
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

#[tokio::test]
async fn rule_22_replay_reads_the_events_of_the_void_batches_again() {
    let Spoiled { mut table, good_ms, .. } = spoiled().await;
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

#[tokio::test]
async fn rule_22_a_dump_that_came_after_the_snapshot_is_taken_back() {
    let mut table = Table::new();
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

#[tokio::test]
async fn rule_22_a_rollback_that_dies_is_ended_by_the_next_merge_or_was_none() {
    let undisturbed = spoiled().await;
    let first = undisturbed.table.world.faults.step_count();
    taken_back(&undisturbed.table, Goal::CommittedBy(undisturbed.good_ms), Events::Dropped).await.unwrap();
    let steps = undisturbed.table.world.faults.step_count() - first;
    let (mut ended, mut was_none) = (0, 0);
    for step in (0..steps).step_by(2) {
        let Spoiled { table, good_ms, .. } = spoiled().await;
        let faults = table.world.faults.clone();
        faults.set_crash(faults.step_count() + step, Phase::After);
        let request = RollbackRequest { goal: Goal::CommittedBy(good_ms), events: Events::Dropped, action: Action::Do };
        until_crash(&table.world, roll_back(&table.lake, &Table::name(), &request)).await;
        faults.restart();
        let table = Table::over(&table.world);
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
