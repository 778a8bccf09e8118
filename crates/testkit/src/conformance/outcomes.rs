//! Rule 20: what became of a commit is found out, and it lands once at most.

use waterline_core::error::Result;
use waterline_core::format::{COMMIT_ID, Commit, CommitOutcome, TableState};

use super::lake::{Lake, committed, conflict, outcome};
use super::sample::samples;
use super::{Lost, Subject};

pub(super) async fn a_commit_is_found_by_its_id(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let commit = lake.append_of(&base, &samples(3..5)).await?;
    let state = lake.submit(&base, &commit).await?;
    assert_eq!(state.current().and_then(|info| info.summary.get(COMMIT_ID)), Some(&commit.commit_id));
    for _ in 0..2 {
        committed(lake.table.settle(&base, &commit).await?);
        expect_once(&lake, &commit).await?;
        lake.expect_rows(&lake.head().await?, samples(0..5)).await?;
    }
    Ok(())
}

pub(super) async fn a_landed_commit_without_an_answer_is_found(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let Some(commit) = unanswered(&lake, &base, Lost::AfterItLanded).await? else { return Ok(()) };
    let state = committed(lake.table.settle(&base, &commit).await?);
    lake.expect_rows(&state, samples((0..3).chain(100..103))).await?;
    expect_once(&lake, &commit).await
}

pub(super) async fn a_lost_commit_is_submitted_again(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let Some(commit) = unanswered(&lake, &base, Lost::BeforeItLanded).await? else { return Ok(()) };
    let state = committed(lake.table.settle(&base, &commit).await?);
    lake.expect_rows(&state, samples((0..3).chain(100..103))).await?;
    expect_once(&lake, &commit).await?;
    committed(lake.table.settle(&base, &commit).await?);
    expect_once(&lake, &commit).await
}

pub(super) async fn a_lost_commit_gives_way_to_another(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let Some(commit) = unanswered(&lake, &base, Lost::BeforeItLanded).await? else { return Ok(()) };
    let other = lake.append(3..6).await?;
    let newest = conflict(lake.table.settle(&base, &commit).await?);
    assert_eq!(newest.version, other.version);
    lake.expect_rows(&newest, samples(0..6)).await?;
    assert_eq!(landings(&lake.head().await?, &commit), 0);
    Ok(())
}

pub(super) async fn a_landed_commit_is_found_below_others(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..3).await?;
    let Some(commit) = unanswered(&lake, &base, Lost::AfterItLanded).await? else { return Ok(()) };
    lake.append(3..6).await?;
    lake.delete(&[4]).await?;
    committed(lake.table.settle(&base, &commit).await?);
    expect_once(&lake, &commit).await?;
    lake.expect_rows(&lake.head().await?, samples([0, 1, 2, 100, 101, 102, 3, 5])).await
}

/// A commit of three rows whose answer is lost. `None` when the subject cannot lose one, or finds out by itself what
/// became of it.
async fn unanswered(lake: &Lake<'_>, base: &TableState, lost: Lost) -> Result<Option<Commit>> {
    let Some(lose_answer) = &lake.subject.lose_answer else { return Ok(None) };
    let commit = lake.append_of(base, &samples(100..103)).await?;
    lose_answer(lost);
    match (lake.table.commit(base, &commit).await, lost) {
        (Ok(CommitOutcome::Unknown(_)), _) => Ok(Some(commit)),
        // Known to have failed.
        (Err(_), Lost::BeforeItLanded) => Ok(Some(commit)),
        (Ok(CommitOutcome::Committed(_)), _) => {
            expect_once(lake, &commit).await?;
            Ok(None)
        }
        (Ok(other), lost) => panic!("the answer was lost {lost:?}, yet there is {}", outcome(&other)),
        (Err(error), lost) => panic!("the answer was lost {lost:?}, yet it is said to have failed: {error}"),
    }
}

pub(super) fn landings(state: &TableState, commit: &Commit) -> usize {
    state.history.iter().filter(|info| info.summary.get(COMMIT_ID) == Some(&commit.commit_id)).count()
}

pub(super) async fn expect_once(lake: &Lake<'_>, commit: &Commit) -> Result<()> {
    assert_eq!(landings(&lake.head().await?, commit), 1, "the commit is in the history once");
    Ok(())
}
