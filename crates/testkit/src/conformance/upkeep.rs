//! Forgetting versions, the files that are needed, and going back.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use waterline_core::error::{ErrorKind, Result};
use waterline_core::format::{Commit, CommitOutcome, Expiry, Operation, Removal, TableState, Target, VersionId};

use super::Subject;
use super::lake::{Lake, committed, conflict};
use super::sample::samples;

fn version(state: &TableState) -> VersionId {
    state.version.expect("a commit is a version")
}

fn expiry<'a>(states: impl IntoIterator<Item = &'a TableState>) -> Expiry {
    Expiry { versions: states.into_iter().map(version).collect(), ..Expiry::default() }
}

fn versions(state: &TableState) -> HashSet<VersionId> {
    state.history.iter().map(|info| info.version).collect()
}

/// Appends, deletes and a replaced file, one version each.
async fn lived(lake: &Lake<'_>) -> Result<Vec<TableState>> {
    let mut states = vec![lake.append(0..4).await?, lake.append(4..8).await?, lake.delete(&[1, 5]).await?];
    let head = lake.head().await?;
    let first = lake.files(&head).await?.swap_remove(0).path;
    let commit = Commit { remove: Removal::Files(vec![first]), ..lake.append_of(&head, &samples(20..22)).await? };
    states.push(lake.submit(&head, &commit).await?);
    // What the last but one added is in no other.
    let head = lake.head().await?;
    let remove = Removal::Files(commit.add.into_iter().map(|file| file.path).collect());
    let commit = Commit { remove, ..lake.append_of(&head, &samples(8..9)).await? };
    states.push(lake.submit(&head, &commit).await?);
    Ok(states)
}

pub(super) async fn expired_versions_are_gone(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let states = lived(&lake).await?;
    let head = lake.head().await?;
    let (kept, rows) = (version(&states[2]), lake.rows(&states[2]).await?);
    let now = lake.rows(&head).await?;
    let properties = BTreeMap::from([("waterline.expired".to_owned(), "{}".to_owned())]);
    let expiry = Expiry { properties, ..expiry([&states[0], &states[1], &states[3]]) };
    let after = committed(lake.table.expire(&head, &expiry).await?);
    for after in [after, lake.head().await?] {
        assert_eq!(after.version, head.version);
        assert_eq!(after.history.iter().map(|info| info.version).collect::<Vec<_>>(), [kept, version(&head)]);
        assert_eq!(after.properties.get("waterline.expired").map(String::as_str), Some("{}"));
        lake.expect_rows(&after, now.clone()).await?;
        lake.expect_rows(&lake.table.at(&after, kept).await?, rows.clone()).await?;
        let gone = lake.table.at(&after, version(&states[0])).await.expect_err("the version has expired");
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
    let next = lake.append(30..31).await?;
    assert_eq!(lake.rows(&next).await?.len(), now.len() + 1);
    Ok(())
}

pub(super) async fn a_named_version_does_not_expire(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let states = lived(&lake).await?;
    let head = committed(lake.table.set_tag(&lake.head().await?, "kept", states[1].version).await?);
    for named in [&states[1], &head] {
        lake.table.expire(&head, &expiry([&states[0], named])).await.expect_err("the version is named");
        assert_eq!(lake.head().await?.history, head.history);
    }
    Ok(())
}

pub(super) async fn a_stale_expiry_changes_nothing(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let states = lived(&lake).await?;
    let stale = lake.head().await?;
    let head = lake.append(40..41).await?;
    let newest = conflict(lake.table.expire(&stale, &expiry([&states[0]])).await?);
    assert_eq!((newest.version, &newest.history), (head.version, &head.history));
    assert_eq!(lake.head().await?.history, head.history);
    Ok(())
}

pub(super) async fn reachable_files_are_enough(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let states = lived(&lake).await?;
    let head = committed(lake.table.set_tag(&lake.head().await?, "kept", states[2].version).await?);
    let (tagged, now) = (lake.rows(&states[2]).await?, lake.rows(&head).await?);
    let needed = lake.table.reachable(&head, &HashSet::from([version(&states[2]), version(&head)])).await?;
    let all = lake.table.reachable(&head, &versions(&head)).await?;
    assert!(needed.keys().all(|file| all.contains_key(file)));
    assert!(needed.len() < all.len(), "the versions between need files of their own");
    let after = committed(lake.table.expire(&head, &expiry([&states[0], &states[1], &states[3]])).await?);
    let needed: HashSet<String> = lake.table.reachable(&after, &versions(&after)).await?.into_keys().collect();
    delete_all_but(&lake, &after, &needed).await?;
    lake.expect_rows(&lake.head().await?, now.clone()).await?;
    lake.expect_rows(&lake.table.at(&lake.head().await?, version(&states[2])).await?, tagged).await?;
    let next = lake.append(50..51).await?;
    assert_eq!(lake.rows(&next).await?.len(), now.len() + 1);
    Ok(())
}

/// Deletes every file below the table that is not among these.
async fn delete_all_but(lake: &Lake<'_>, state: &TableState, needed: &HashSet<String>) -> Result<()> {
    let (store, root) = lake.env().stores.resolve(&state.location)?;
    let mut kept = HashSet::new();
    for file in needed {
        kept.insert(lake.env().stores.resolve(file)?.1);
    }
    let listed: Vec<_> = store.list(Some(&root)).map_ok(|object| object.location).try_collect().await.expect("files can be listed");
    let is_garbage = |path: &object_store::path::Path| !kept.contains(path);
    for path in listed.into_iter().filter(is_garbage) {
        store.delete(&path).await.expect("a file can be deleted");
    }
    Ok(())
}

pub(super) async fn a_version_that_is_not_there_is_not_reached(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.append(0..2).await?;
    let error = lake.table.reachable(&head, &HashSet::from([VersionId(i64::MAX)])).await.expect_err("no version has this id");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn a_rollback_goes_on_from_an_older_version(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let states = lived(&lake).await?;
    let (head, to) = (lake.head().await?, version(&states[2]));
    let commit = Commit { target: Target::Rollback { to }, ..lake.commit(Operation::Overwrite) };
    let rolled_back = lake.submit(&head, &commit).await?;
    lake.expect_rows(&rolled_back, samples([0, 2, 3, 4, 6, 7])).await?;
    assert_eq!(rolled_back.current().and_then(|info| info.parent), Some(to));
    assert_eq!(
        rolled_back.lineage().map(|info| info.version).skip(1).collect::<Vec<_>>(),
        states[..3].iter().rev().map(version).collect::<Vec<_>>()
    );
    lake.expect_rows(&lake.table.at(&rolled_back, version(&head)).await?, lake.rows(&head).await?).await?;
    // What the branch had after it can be forgotten.
    let after = committed(lake.table.expire(&rolled_back, &expiry([&states[3], &head])).await?);
    assert_eq!(after.history.len(), 4);
    let next = lake.append(60..61).await?;
    lake.expect_rows(&next, samples([0, 2, 3, 4, 6, 7, 60])).await?;
    match lake.table.commit(&head, &Commit { target: Target::Rollback { to }, ..lake.commit(Operation::Overwrite) }).await? {
        CommitOutcome::Conflict(newest) => assert_eq!(newest.version, next.version),
        other => panic!("a stale rollback is {other:?}"),
    }
    Ok(())
}
