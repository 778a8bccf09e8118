//! Rules 18 to 20: what a commit checks, and how an unknown outcome ends.

use waterline_core::format::TableState;
use waterline_core::record::{log_header, record_of};
use waterline_engine::lake::Limits;
use waterline_engine::log::{Logged, log};
use waterline_engine::merge::catch_up;
use waterline_testkit::faults::{Fault, Operation, Rule};
use waterline_testkit::histories::{History, Start};

use super::*;
use crate::fold::{Subject, run};

async fn empty() -> Subject {
    Subject::new(&History::from_steps(Start::Empty, &[], &[]), &[]).await
}

fn creates(ids: std::ops::Range<i64>) -> Vec<Event> {
    ids.map(|id| event(Op::Create, (u64::try_from(id).unwrap() * 10, u64::try_from(id).unwrap() * 10 + 1), id, &[("note", "a")])).collect()
}

/// Log ordinals up to which each snapshot folds, oldest first.
fn folded(state: &TableState) -> Vec<i64> {
    let last = record_of(state).unwrap().map(|record| record.folded.0);
    assert_eq!(state.history.len(), state.lineage().count(), "one line of snapshots");
    last.into_iter().collect()
}

#[test]
fn rule_18_a_merge_that_loses_folds_anew_from_what_its_parent_holds() {
    run(async {
        let mut subject = empty().await;
        for batch in creates(1..6).chunks(1) {
            let _ = subject.log(batch).await;
        }
        let limits = Limits { batch_rows: 2, ..Limits::default() };
        let one = catch_up(&subject.lake, &subject.pair, None, &limits);
        let other = catch_up(&subject.lake, &subject.pair, None, &limits);
        let (one, other) = tokio::join!(one, other);
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.inserted + other.inserted, 5, "each event is folded by one of them");
        let head = subject.pair.mirror.head().await.unwrap();
        assert_eq!(head.history.len() as u64, one.commits + other.commits);
        assert_eq!(folded(&head), [5]);
        subject.check().await;
    });
}

#[test]
fn rule_18_a_merge_folds_exactly_what_lies_beyond_its_parent() {
    run(async {
        let mut subject = empty().await;
        let first = subject.log(&creates(1..3)).await;
        let second = subject.log(&creates(3..5)).await;
        // The second batch is at hand, but the mirror lacks the first one too.
        let counts = catch_up(&subject.lake, &subject.pair, Some(&second), &Limits::default()).await.unwrap();
        assert_eq!(counts.inserted, 4);
        subject.check().await;
        // One that is folded already is not folded again.
        let counts = catch_up(&subject.lake, &subject.pair, Some(&first), &Limits::default()).await.unwrap();
        assert_eq!((counts.inserted, counts.updated, counts.commits), (0, 0, 0));
        subject.check().await;
    });
}

#[test]
fn rule_19_a_log_commit_whose_positions_moved_is_planned_anew() {
    run(async {
        let subject = empty().await;
        let (mine, theirs) = (subject.entry(&creates(1..3)).await, subject.entry(&creates(1..2)).await);
        assert!(matches!(log(&subject.lake, &subject.pair.changelog, &theirs).await.unwrap(), Logged::Committed(_)));
        assert!(matches!(log(&subject.lake, &subject.pair.changelog, &mine).await.unwrap(), Logged::Moved));
        let header = log_header(&subject.pair.changelog.head().await.unwrap()).unwrap();
        assert_eq!((header.batch.0, header.counts.events), (1, 1));
    });
}

/// Both read the same positions, and only one of them commits, however they interleave.
#[test]
fn rule_19_positions_are_checked_on_each_attempt() {
    run(async {
        let subject = empty().await;
        let entries = (subject.entry(&creates(1..3)).await, subject.entry(&creates(1..3)).await);
        let changelog = &subject.pair.changelog;
        let (one, other) = tokio::join!(log(&subject.lake, changelog, &entries.0), log(&subject.lake, changelog, &entries.1));
        let committed = [one.unwrap(), other.unwrap()].iter().filter(|logged| matches!(logged, Logged::Committed(_))).count();
        assert_eq!(committed, 1);
        let header = log_header(&changelog.head().await.unwrap()).unwrap();
        assert_eq!((header.batch.0, header.counts.events), (1, 2));
    });
}

/// However often the answer to a commit is lost, the commit is there once.
#[test]
fn rule_20_an_unknown_outcome_is_settled() {
    for fault in [Fault::Before, Fault::After] {
        for skip in 0..2 {
            run(async {
                let mut subject = empty().await;
                subject.world.faults.add(Rule::new(Operation::Swap, fault).after(skip).once());
                let logged = subject.log(&creates(1..4)).await;
                assert_eq!(logged.events.len(), 3);
                catch_up(&subject.lake, &subject.pair, Some(&logged), &Limits::default()).await.unwrap();
                subject.check().await;
                let log_head = subject.pair.changelog.head().await.unwrap();
                let mirror_head = subject.pair.mirror.head().await.unwrap();
                assert_eq!((log_head.history.len(), mirror_head.history.len()), (1, 1), "{fault:?} {skip}");
                assert_eq!(log_header(&log_head).unwrap().counts.events, 3);
            });
        }
    }
}
