//! Snapshots beside the main branch, which only a tag names.

use std::collections::BTreeMap;

use futures::future::join_all;
use waterline_core::error::Result;
use waterline_core::format::{Commit, CommitOutcome, Operation, Ref, RefKind, Removal, TableState, Target, VersionId};

use super::lake::{Lake, committed, conflict, outcome};
use super::outcomes::{expect_once, landings};
use super::sample::samples;
use super::{Lost, Subject};

/// `commit` beside the main branch, on top of `parent`.
fn aside(parent: Option<&TableState>, tag: &str, commit: Commit) -> Commit {
    Commit { target: Target::Aside { parent: parent.and_then(|parent| parent.version) }, tags: vec![tag.into()], ..commit }
}

fn version(state: &TableState) -> VersionId {
    state.version.expect("a commit is a version")
}

/// What the tag names holds these rows.
async fn expect_tagged(lake: &Lake<'_>, tag: &str, ids: impl IntoIterator<Item = i64>) -> Result<()> {
    let head = lake.head().await?;
    let named = head.refs.get(tag).unwrap_or_else(|| panic!("there is no tag {tag}"));
    assert_eq!(named.kind, RefKind::Tag);
    lake.expect_rows(&lake.table.at(&head, named.version).await?, samples(ids)).await
}

/// All of the main branch is as it was in `before`, and in the history besides there are `others`.
async fn expect_main(lake: &Lake<'_>, before: &TableState, others: &[VersionId]) -> Result<()> {
    let head = lake.head().await?;
    assert_eq!((head.version, &head.schema, &head.properties), (before.version, &before.schema, &before.properties));
    assert_eq!(head.lineage().collect::<Vec<_>>(), before.lineage().collect::<Vec<_>>());
    assert_eq!(head.refs.get("main"), before.refs.get("main"));
    let besides: Vec<VersionId> = head.history.iter().map(|info| info.version).filter(|version| before.info(*version).is_none()).collect();
    assert_eq!(besides, others);
    Ok(())
}

pub(super) async fn an_older_version_is_gone_on_from(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..5).await?;
    let older = lake.delete(&[4]).await?;
    lake.append(5..9).await?;
    let head = lake.delete(&[1, 6]).await?;
    let summary = BTreeMap::from([("waterline.tag".into(), "kept".into())]);
    let add = vec![lake.file(&head, &samples(100..103)).await?];
    let commit = Commit { add, summary, operation: Operation::Overwrite, ..lake.delete_of(&older, &[0, 3]).await? };
    let state = lake.submit(&head, &aside(Some(&older), "then", commit.clone())).await?;
    assert_ne!(state.version, head.version);
    let info = state.current().expect("the state is the commit's");
    assert_eq!((info.parent, info.operation), (older.version, Operation::Overwrite));
    assert_eq!(info.summary.get("waterline.tag").map(String::as_str), Some("kept"));
    assert_eq!(state.refs.get("then").copied(), Some(Ref { version: info.version, kind: RefKind::Tag }));
    lake.expect_rows(&state, samples([1, 2, 100, 101, 102])).await?;
    expect_tagged(&lake, "then", [1, 2, 100, 101, 102]).await?;
    expect_main(&lake, &head, &[info.version]).await?;
    lake.expect_rows(&lake.head().await?, samples([0, 2, 3, 5, 7, 8])).await?;
    lake.expect_rows(&lake.table.at(&state, version(&older)).await?, samples(0..4)).await?;
    // The main branch goes on from where it was.
    let next = lake.append(9..11).await?;
    assert_eq!(next.current().and_then(|info| info.parent), head.version);
    lake.expect_rows(&next, samples([0, 2, 3, 5, 7, 8, 9, 10])).await?;
    expect_tagged(&lake, "then", [1, 2, 100, 101, 102]).await
}

pub(super) async fn a_snapshot_stands_alone(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let empty = lake.head().await?;
    let commit = lake.append_of(&empty, &samples(100..103)).await?;
    let first = lake.submit(&empty, &aside(None, "older", commit)).await?;
    expect_main(&lake, &empty, &[version(&first)]).await?;
    assert!(lake.head().await?.current().is_none(), "the main branch has no commit yet");
    let head = lake.append(0..4).await?;
    assert_eq!(head.current().map(|info| info.parent), Some(None));
    let commit = lake.append_of(&head, &samples(200..202)).await?;
    let second = lake.submit(&head, &aside(None, "old", commit)).await?;
    assert_eq!(second.current().map(|info| info.parent), Some(None));
    assert_eq!(second.lineage().count(), 1);
    lake.expect_rows(&second, samples(200..202)).await?;
    expect_main(&lake, &head, &[version(&second)]).await?;
    lake.expect_rows(&lake.head().await?, samples(0..4)).await?;
    expect_tagged(&lake, "older", 100..103).await?;
    expect_tagged(&lake, "old", 200..202).await
}

pub(super) async fn files_of_the_parent_leave(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let first = lake.append(0..3).await?;
    let older = lake.append(3..6).await?;
    let gone = lake.files(&first).await?.into_iter().map(|file| file.path).collect();
    let head = lake.submit(&older, &Commit { remove: Removal::All, ..lake.commit(Operation::Delete) }).await?;
    let some = Commit { remove: Removal::Files(gone), ..lake.commit(Operation::Delete) };
    let state = lake.submit(&head, &aside(Some(&older), "some", some)).await?;
    lake.expect_rows(&state, samples(3..6)).await?;
    let all = Commit { remove: Removal::All, ..lake.append_of(&state, &samples(7..8)).await? };
    let state = lake.submit(&state, &aside(Some(&older), "all", all)).await?;
    assert_eq!(lake.files(&state).await?.len(), 1);
    lake.expect_rows(&state, samples(7..8)).await?;
    expect_tagged(&lake, "some", 3..6).await?;
    assert_eq!(lake.head().await?.version, head.version);
    lake.expect_rows(&lake.head().await?, Vec::new()).await
}

/// A snapshot aside on top of another that is aside, and a state aside as the one that the commit was planned on.
pub(super) async fn they_build_on_each_other(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.append(0..4).await?;
    let first = lake.submit(&head, &aside(Some(&head), "first", lake.delete_of(&head, &[1]).await?)).await?;
    let second = lake.submit(&first, &aside(Some(&first), "second", lake.delete_of(&first, &[3]).await?)).await?;
    let newest: Vec<VersionId> = second.lineage().map(|info| info.version).collect();
    assert_eq!(newest, [version(&second), version(&first), version(&head)]);
    lake.expect_rows(&second, samples([0, 2])).await?;
    expect_tagged(&lake, "first", [0, 2, 3]).await?;
    expect_main(&lake, &head, &[version(&first), version(&second)]).await?;
    // It is no base of the main branch.
    let stray = lake.append_of(&second, &samples(50..51)).await?;
    assert_eq!(conflict(lake.table.commit(&second, &stray).await?).version, head.version);
    Ok(())
}

pub(super) async fn the_main_branch_moves_meanwhile(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let older = lake.append(0..4).await?;
    let base = lake.append(4..6).await?;
    let add = vec![lake.file(&base, &samples(100..102)).await?];
    let commit = aside(Some(&older), "then", Commit { add, ..lake.delete_of(&older, &[2]).await? });
    let winner = lake.append(6..8).await?;
    let newest = conflict(lake.table.commit(&base, &commit).await?);
    assert_eq!((newest.version, newest.refs.get("then")), (winner.version, None));
    assert_eq!(newest.history, winner.history);
    // The parent is what it was, so the very same commit does.
    let state = lake.submit(&newest, &commit).await?;
    assert_eq!(state.current().and_then(|info| info.parent), older.version);
    expect_tagged(&lake, "then", [0, 1, 3, 100, 101]).await?;
    expect_main(&lake, &winner, &[version(&state)]).await?;
    // The other way round, a commit to the main branch was planned before the one aside.
    let stale = lake.append_of(&winner, &samples(8..10)).await?;
    let newest = conflict(lake.table.commit(&winner, &stale).await?);
    assert_eq!(newest.version, winner.version);
    let next = lake.submit(&newest, &Commit { commit_id: "retried".into(), ..stale }).await?;
    assert_eq!(next.current().and_then(|info| info.parent), winner.version);
    lake.expect_rows(&next, samples(0..10)).await
}

pub(super) async fn racing_commits_all_land(subject: &Subject) -> Result<()> {
    const WRITERS: i64 = 6;
    let lake = Lake::create(subject).await?;
    let older = lake.append(0..WRITERS).await?;
    let head = lake.append(50..52).await?;
    let (lake, older) = (&lake, &older);
    let mut commits = Vec::new();
    for writer in 0..WRITERS {
        commits.push(aside(Some(older), &format!("tag {writer}"), lake.delete_of(older, &[writer]).await?));
    }
    let on_main =
        (0..WRITERS).map(|writer| async move { land(lake, async |base| lake.append_of(base, &samples([100 + writer])).await).await });
    let beside = commits.iter().map(|commit| async move { land(lake, async |_| Ok(commit.clone())).await });
    let (on_main, beside) = futures::join!(join_all(on_main), join_all(beside));
    on_main.into_iter().chain(beside).collect::<Result<Vec<_>>>()?;
    let newest = lake.head().await?;
    assert_eq!(newest.lineage().count() as i64, 2 + WRITERS);
    assert_eq!(newest.history.len() as i64, 2 + 2 * WRITERS);
    assert!(newest.lineage().any(|info| Some(info.version) == head.version));
    lake.expect_rows(&newest, samples((0..WRITERS).chain(50..52).chain(100..100 + WRITERS))).await?;
    for writer in 0..WRITERS {
        expect_tagged(lake, &format!("tag {writer}"), (0..WRITERS).filter(|id| *id != writer)).await?;
    }
    Ok(())
}

/// Makes the commit that is planned on each newer state, until it is made.
async fn land(lake: &Lake<'_>, plan: impl AsyncFn(&TableState) -> Result<Commit>) -> Result<()> {
    let mut base = lake.head().await?;
    loop {
        match lake.table.commit(&base, &plan(&base).await?).await? {
            CommitOutcome::Committed(_) => return Ok(()),
            CommitOutcome::Conflict(newest) => base = newest,
            other => panic!("no answer was lost: {}", outcome(&other)),
        }
    }
}

pub(super) async fn a_tag_is_replaced_and_removed(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.append(0..4).await?;
    let first = lake.submit(&head, &aside(Some(&head), "then", lake.delete_of(&head, &[0]).await?)).await?;
    let second = lake.submit(&first, &aside(Some(&head), "then", lake.delete_of(&head, &[1]).await?)).await?;
    assert_eq!(second.refs.get("then").map(|named| named.version), second.version);
    expect_tagged(&lake, "then", [0, 2, 3]).await?;
    lake.expect_rows(&lake.table.at(&second, version(&first)).await?, samples(1..4)).await?;
    // One who did not see the tag move finds out.
    let stale = aside(Some(&head), "then", lake.delete_of(&head, &[2]).await?);
    let newest = conflict(lake.table.commit(&first, &stale).await?);
    assert_eq!(newest.refs.get("then").map(|named| named.version), second.version);
    let untagged = committed(lake.table.set_tag(&newest, "then", None).await?);
    assert!(!untagged.refs.contains_key("then"));
    expect_main(&lake, &head, &[version(&first), version(&second)]).await?;
    lake.expect_rows(&lake.table.at(&untagged, version(&second)).await?, samples([0, 2, 3])).await
}

pub(super) async fn a_new_snapshot_has_the_newest_schema(subject: &Subject) -> Result<()> {
    use arrow::datatypes::{DataType, Field, Schema};
    let lake = Lake::create(subject).await?;
    let older = lake.append(0..3).await?;
    let more = Field::new("more", DataType::Utf8, true);
    let fields: Vec<_> = older.schema.fields().iter().cloned().chain([more.into()]).collect();
    let head = committed(lake.table.evolve(&older, &Schema::new(fields).into()).await?);
    let rows: Vec<_> = samples(10..12)
        .into_iter()
        .map(|mut row| {
            row.insert("more".into(), "here".into());
            row
        })
        .collect();
    let add = vec![lake.file(&head, &rows).await?];
    let commit = Commit { add, ..lake.delete_of(&older, &[1]).await? };
    let state = lake.submit(&head, &aside(Some(&older), "then", commit)).await?;
    for state in [&state, &lake.table.at(&state, version(&state)).await?] {
        assert!(state.schema.field_with_name("more").is_ok());
        lake.expect_rows(state, samples([0, 2]).into_iter().chain(rows.clone()).collect()).await?;
    }
    assert!(lake.table.at(&state, version(&older)).await?.schema.field_with_name("more").is_err());
    Ok(())
}

/// Without a tag nobody finds it, and the properties are those of the main branch.
pub(super) async fn what_would_be_lost_is_refused(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.append(0..3).await?;
    let untagged = Commit { tags: Vec::new(), ..aside(Some(&head), "x", lake.commit(Operation::Append)) };
    let properties = BTreeMap::from([("waterline.record".into(), "{}".into())]);
    let with_properties = Commit { properties, ..aside(Some(&head), "x", lake.commit(Operation::Append)) };
    let mut orphan = aside(None, "x", lake.commit(Operation::Append));
    orphan.target = Target::Aside { parent: Some(VersionId(i64::MAX)) };
    let foreign =
        Commit { delete_rows: lake.delete_of(&head, &[1]).await?.delete_rows, ..aside(None, "x", lake.commit(Operation::Delete)) };
    for commit in [untagged, with_properties, orphan, foreign] {
        assert!(lake.table.commit(&head, &commit).await.is_err(), "{commit:?}");
    }
    expect_main(&lake, &head, &[]).await
}

pub(super) async fn a_lost_answer_is_settled(subject: &Subject) -> Result<()> {
    for lost in [Lost::BeforeItLanded, Lost::AfterItLanded] {
        let Some(lose_answer) = &subject.lose_answer else { return Ok(()) };
        let name = super::lake::name(&format!("shop.{lost:?}"));
        let lake = Lake { subject, table: subject.catalog.create(&name, &super::lake::definition(subject, &[])).await? };
        let older = lake.append(0..4).await?;
        let head = lake.append(4..6).await?;
        let commit = aside(Some(&older), "then", lake.delete_of(&older, &[2]).await?);
        lose_answer(lost);
        match (lake.table.commit(&head, &commit).await, lost) {
            (Ok(CommitOutcome::Unknown(_) | CommitOutcome::Committed(_)), _) | (Err(_), Lost::BeforeItLanded) => {}
            (other, lost) => panic!("the answer was lost {lost:?}, yet there is {other:?}"),
        }
        if lost == Lost::AfterItLanded {
            // Whoever commits on top hides nothing, for it is in nobody's lineage.
            lake.append(6..8).await?;
        }
        for _ in 0..2 {
            let state = committed(lake.table.settle(&head, &commit).await?);
            assert_eq!(state.current().and_then(|info| info.parent), older.version);
            lake.expect_rows(&state, samples([0, 1, 3])).await?;
            expect_once(&lake, &commit).await?;
        }
        // One that never landed gives way, and lands on what came instead.
        let newest = lake.head().await?;
        let second = aside(Some(&older), "also", lake.delete_of(&older, &[3]).await?);
        lose_answer(Lost::BeforeItLanded);
        if matches!(lake.table.commit(&newest, &second).await, Ok(CommitOutcome::Committed(_))) {
            continue;
        }
        lake.append(8..9).await?;
        let newest = conflict(lake.table.settle(&newest, &second).await?);
        assert_eq!(landings(&newest, &second), 0);
        lake.submit(&newest, &second).await?;
        expect_tagged(&lake, "also", 0..3).await?;
    }
    Ok(())
}
