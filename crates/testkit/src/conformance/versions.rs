//! The history of a table, and what its versions say of themselves.

use std::collections::BTreeMap;

use waterline_core::error::{ErrorKind, Result};
use waterline_core::format::{Commit, DeleteState, Operation, Ref, RefKind, VersionId};

use super::Subject;
use super::lake::{Lake, committed};
use super::sample::samples;

pub(super) async fn a_commit_without_files_is_a_version(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let empty = lake.head().await?;
    let first = lake.submit(&empty, &lake.commit(Operation::Append)).await?;
    assert!(first.version.is_some());
    lake.expect_rows(&first, Vec::new()).await?;
    let full = lake.append(0..3).await?;
    let same = lake.submit(&full, &lake.commit(Operation::Append)).await?;
    assert_ne!(same.version, full.version);
    assert_eq!(same.current().and_then(|info| info.parent), full.version);
    assert_eq!(same.history.len(), 3);
    lake.expect_rows(&same, samples(0..3)).await
}

pub(super) async fn summaries_are_kept(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let texts = [
        ("waterline.record", r#"{"kind":"merge","a":[1,"é\n"]}"#),
        ("empty", ""),
        ("long", &"x".repeat(20_000)),
        ("line\nbreak", "\t\"\\"),
    ];
    let summary: BTreeMap<String, String> = texts.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let head = lake.head().await?;
    let state = lake.submit(&head, &Commit { summary: summary.clone(), ..lake.append_of(&head, &samples(0..2)).await? }).await?;
    lake.append(2..3).await?;
    let head = lake.head().await?;
    let info = state.version.and_then(|version| head.info(version)).expect("a version of the history");
    for (key, value) in summary {
        assert_eq!(info.summary.get(&key), Some(&value), "{key}");
    }
    assert_eq!(info.operation, Operation::Append);
    assert!(head.current().is_some_and(|info| !info.summary.contains_key("waterline.record")));
    Ok(())
}

pub(super) async fn properties_and_tags_come_with_the_commit(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let before = lake.append(0..2).await?;
    let properties = BTreeMap::from([("waterline.log".into(), r#"{"batch":7}"#.into()), ("owner".into(), "other".into())]);
    let tags = vec!["waterline/baseline-1".into(), "loaded".into()];
    let commit = Commit { properties, tags, ..lake.append_of(&before, &samples(2..4)).await? };
    let state = lake.submit(&before, &commit).await?;
    for state in [state.clone(), lake.head().await?] {
        assert_eq!(state.properties.get("waterline.log").map(String::as_str), Some(r#"{"batch":7}"#));
        assert_eq!(state.properties.get("owner").map(String::as_str), Some("other"));
        for tag in ["waterline/baseline-1", "loaded"] {
            assert_eq!(state.refs.get(tag).copied(), tag_of(state.version), "{tag}");
        }
    }
    let next = lake.append(4..5).await?;
    assert_eq!(next.refs.get("loaded").copied(), tag_of(state.version));
    assert_eq!(next.properties, state.properties);
    let tagged = lake.table.at(&next, next.refs["loaded"].version).await?;
    lake.expect_rows(&tagged, samples(0..4)).await
}

fn tag_of(version: Option<VersionId>) -> Option<Ref> {
    version.map(|version| Ref { version, kind: RefKind::Tag })
}

pub(super) async fn tags_move_without_a_version(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let first = lake.append(0..2).await?;
    let second = lake.append(2..4).await?;
    for (at, expected) in [(first.version, tag_of(first.version)), (second.version, tag_of(second.version)), (None, None)] {
        let head = lake.head().await?;
        let state = committed(lake.table.set_tag(&head, "as of/2025-11-12", at).await?);
        assert_eq!(state.refs.get("as of/2025-11-12").copied(), expected);
        assert_eq!(lake.head().await?.refs.get("as of/2025-11-12").copied(), expected);
        assert_eq!(state.version, second.version);
        assert_eq!(state.history, second.history);
        lake.expect_rows(&state, samples(0..4)).await?;
    }
    Ok(())
}

pub(super) async fn versions_form_a_chain(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let mut versions = Vec::new();
    for id in 0..6 {
        versions.push(lake.append([id]).await?.version.expect("a commit is a version"));
    }
    let head = lake.head().await?;
    assert_eq!(head.history.iter().map(|info| info.version).collect::<Vec<_>>(), versions);
    assert_eq!(head.history[0].parent, None);
    for pair in head.history.windows(2) {
        assert_eq!(pair[1].parent, Some(pair[0].version));
    }
    assert_eq!(head.lineage().map(|info| info.version).collect::<Vec<_>>(), versions.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(head.refs.get("main").map(|main| (main.version, main.kind)), Some((versions[5], RefKind::Branch)));
    Ok(())
}

pub(super) async fn an_older_version_shows_its_own_rows(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let states = [
        (lake.append(0..4).await?, samples(0..4)),
        (lake.append(4..6).await?, samples(0..6)),
        (lake.delete(&[1, 5]).await?, samples([0, 2, 3, 4])),
        (lake.delete(&[2]).await?, samples([0, 3, 4])),
    ];
    let head = lake.head().await?;
    for (state, rows) in states {
        let version = state.version.expect("a commit is a version");
        let then = lake.table.at(&head, version).await?;
        assert_eq!(then.version, Some(version));
        assert_eq!(then.properties, head.properties);
        lake.expect_rows(&then, rows.clone()).await?;
        lake.expect_rows(&state, rows).await?;
    }
    let first = lake.table.at(&head, head.history[0].version).await?;
    assert!(lake.files(&first).await?.iter().all(|file| file.deletes == DeleteState::None));
    Ok(())
}

pub(super) async fn an_unknown_version_is_not_found(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.append(0..2).await?;
    let error = lake.table.at(&head, VersionId(i64::MAX)).await.expect_err("no version has this id");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn commit_times_never_go_back(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let start_ms = lake.env().clock.now_ms();
    for (id, behind_ms) in (0..).zip([0, 0, 600_000, 30_000_000, -5_000, 1]) {
        let head = lake.head().await?;
        let commit = Commit { now_ms: start_ms - behind_ms, ..lake.append_of(&head, &samples([id])).await? };
        let state = lake.submit(&head, &commit).await?;
        let committed_at_ms = state.current().expect("a commit is a version").committed_at_ms;
        assert!(committed_at_ms >= commit.now_ms, "a commit is not older than its clock says");
    }
    let head = lake.head().await?;
    assert!(head.history.windows(2).all(|pair| pair[0].committed_at_ms < pair[1].committed_at_ms), "{:?}", head.history);
    assert_eq!(head.history[4].committed_at_ms, start_ms + 5_000);
    Ok(())
}
