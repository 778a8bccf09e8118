//! Two writers on one base.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use futures::future::join_all;
use waterline_core::error::Result;
use waterline_core::format::{Commit, CommitOutcome, Operation, TableState};

use super::Subject;
use super::lake::{Lake, committed, conflict, outcome};
use super::sample::samples;

pub(super) async fn a_stale_commit_leaves_nothing(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..5).await?;
    let winner = lake.append(5..8).await?;
    let mut stale = lake.delete_of(&base, &[0, 1]).await?;
    stale.add = vec![lake.file(&base, &samples(100..103)).await?];
    stale.properties = BTreeMap::from([("stale".into(), "yes".into())]);
    stale.tags = vec!["stale".into()];
    let newest = conflict(lake.table.commit(&base, &stale).await?);
    for state in [newest, lake.head().await?] {
        assert_eq!(state.version, winner.version);
        assert_eq!(state.history, winner.history);
        assert!(!state.properties.contains_key("stale") && !state.refs.contains_key("stale"));
        lake.expect_rows(&state, samples(0..8)).await?;
    }
    // On the newest state the same change works, under an id of its own.
    let retried = Commit { commit_id: "retried".into(), ..stale };
    let state = lake.submit(&winner, &retried).await?;
    lake.expect_rows(&state, samples((2..8).chain(100..103))).await
}

pub(super) async fn an_empty_table_has_one_first_commit(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let empty = lake.head().await?;
    let first = lake.append(0..3).await?;
    let second = lake.append_of(&empty, &samples(3..6)).await?;
    let newest = conflict(lake.table.commit(&empty, &second).await?);
    assert_eq!(newest.version, first.version);
    lake.expect_rows(&newest, samples(0..3)).await
}

/// A state of the past was read from the newest metadata, and yet nothing can be put on top of it.
pub(super) async fn a_past_state_is_no_base(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let past = lake.append(0..3).await?;
    let head = lake.append(3..6).await?;
    let past = lake.table.at(&head, past.version.expect("a commit is a version")).await?;
    let commit = Commit { add: vec![lake.file(&past, &samples(6..9)).await?], ..lake.delete_of(&past, &[0]).await? };
    let newest = conflict(lake.table.commit(&past, &commit).await?);
    assert_eq!(newest.version, head.version);
    lake.expect_rows(&newest, samples(0..6)).await
}

pub(super) async fn a_commit_before_a_schema_change_is_stale(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let grown = base.schema.fields().iter().cloned().chain([Arc::new(Field::new("more", DataType::Utf8, true))]);
    committed(lake.table.evolve(&base, &Arc::new(Schema::new(grown.collect::<Vec<_>>()))).await?);
    let stale = lake.append_of(&base, &samples(3..6)).await?;
    let newest = conflict(lake.table.commit(&base, &stale).await?);
    assert!(newest.schema.field_with_name("more").is_ok());
    lake.expect_rows(&newest, samples(0..3)).await
}

const WRITERS: i64 = 8;

pub(super) async fn of_racing_commits_one_wins(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let mut commits = Vec::new();
    for writer in 0..WRITERS {
        commits.push(lake.append_of(&base, &samples([100 + writer])).await?);
    }
    let outcomes = join_all(commits.iter().map(|commit| lake.table.commit(&base, commit))).await;
    let mut winners = Vec::new();
    for (writer, result) in (0..).zip(outcomes) {
        match result? {
            CommitOutcome::Committed(_) => winners.push(100 + writer),
            CommitOutcome::Conflict(_) => {}
            other => panic!("no answer was lost: {}", outcome(&other)),
        }
    }
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    lake.expect_rows(&lake.head().await?, samples((0..3).chain(winners))).await
}

pub(super) async fn racing_appends_all_land(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let lake = &lake;
    let writers = (0..WRITERS).map(|writer| async move {
        until_committed(lake, async |base| lake.append_of(base, &samples([2 * writer, 2 * writer + 1])).await).await
    });
    join_all(writers).await.into_iter().collect::<Result<Vec<_>>>()?;
    let head = lake.head().await?;
    assert_eq!(head.history.len() as i64, WRITERS);
    lake.expect_rows(&head, samples(0..2 * WRITERS)).await
}

pub(super) async fn racing_deletes_all_land(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..3 * WRITERS).await?;
    let lake = &lake;
    let writers = (0..WRITERS).map(|writer| async move {
        until_committed(lake, async |base| {
            let delete = lake.delete_of(base, &[3 * writer]).await?;
            Ok(Commit { add: vec![lake.file(base, &samples([1_000 + writer])).await?], operation: Operation::Overwrite, ..delete })
        })
        .await
    });
    join_all(writers).await.into_iter().collect::<Result<Vec<_>>>()?;
    let left = (0..3 * WRITERS).filter(|id| id % 3 != 0).chain((0..WRITERS).map(|writer| 1_000 + writer));
    lake.expect_rows(&lake.head().await?, samples(left)).await
}

/// Plans anew on each newer state until the commit is made.
async fn until_committed(lake: &Lake<'_>, plan: impl AsyncFn(&TableState) -> Result<Commit>) -> Result<TableState> {
    let mut base = lake.head().await?;
    loop {
        match lake.table.commit(&base, &plan(&base).await?).await? {
            CommitOutcome::Committed(state) => return Ok(state),
            CommitOutcome::Conflict(newest) => base = newest,
            other => panic!("no answer was lost: {}", outcome(&other)),
        }
    }
}
