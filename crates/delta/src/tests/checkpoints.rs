//! A table is the same with checkpoints and without, and after its log was cleaned up behind one.

use std::collections::BTreeMap;

use roaring::RoaringTreemap;
use waterline_core::format::{Commit, CommitOutcome, KeepAll, Operation, Ref, TableState, VersionId};

use super::{Table, committed, put, rows};
use crate::checkpoint;
use crate::state::DeltaState;

/// Everything that the seam shows of a state, but the history.
#[derive(Debug, PartialEq)]
struct Seen {
    version: Option<VersionId>,
    schema: arrow::datatypes::SchemaRef,
    properties: BTreeMap<String, String>,
    refs: BTreeMap<String, Ref>,
    files: BTreeMap<String, (u64, String, RoaringTreemap)>,
}

async fn seen(table: &Table, state: &TableState) -> Seen {
    let mut files = BTreeMap::new();
    for file in table.format.data_files(state, &KeepAll).await.unwrap() {
        let deleted = table.format.deleted_rows(&file).await.unwrap();
        files.insert(file.path.clone(), (file.record_count, format!("{:?}", file.summary), deleted));
    }
    Seen { version: state.version, schema: state.schema.clone(), properties: state.properties.clone(), refs: state.refs.clone(), files }
}

/// A table with files, deletes, a schema that grew, properties, tags and 23 versions of its log.
async fn busy() -> Table {
    let table = Table::ours().await;
    for id in 0..18 {
        table.append(id * 10..id * 10 + 3).await;
    }
    table.delete_firsts().await;
    let head = table.head().await;
    let mut fields = head.schema.fields().to_vec();
    fields.push(std::sync::Arc::new(arrow::datatypes::Field::new("local", waterline_core::schema::timestamp_local(), true)));
    let head = committed(table.format.evolve(&head, &std::sync::Arc::new(arrow::datatypes::Schema::new(fields))).await.unwrap());
    let properties = BTreeMap::from([("waterline.record".to_owned(), r#"{"a":1}"#.to_owned())]);
    let commit = Commit { properties, tags: vec!["waterline/baseline-1".into()], ..table.commit(Operation::Append) };
    committed(table.format.commit(&head, &commit).await.unwrap());
    table.append([500]).await;
    table.delete_firsts().await;
    table
}

fn is_checkpoint(name: &str) -> bool {
    name.contains(".checkpoint.")
}

#[tokio::test]
async fn checkpoint_equals_replay() {
    let table = busy().await;
    let checkpoints: Vec<String> = table.log().await.into_iter().filter(|name| is_checkpoint(name)).collect();
    assert_eq!(checkpoints, ["00000000000000000010.checkpoint.parquet", "00000000000000000020.checkpoint.parquet"]);
    let by_checkpoint = table.opened_anew().await;
    let (state, kept) = (by_checkpoint.head().await, table.head().await);
    let expected = seen(&by_checkpoint, &state).await;
    assert_eq!(seen(&table, &kept).await, expected);
    let older = by_checkpoint.format.at(&state, VersionId(15)).await.unwrap();
    let older = seen(&by_checkpoint, &older).await;
    for checkpoint in checkpoints {
        table.remove(&format!("_delta_log/{checkpoint}")).await;
    }
    let replayed = table.opened_anew().await;
    let state = replayed.head().await;
    assert_eq!(seen(&replayed, &state).await, expected);
    assert_eq!(seen(&replayed, &replayed.format.at(&state, VersionId(15)).await.unwrap()).await, older);
    assert_eq!(state.history, kept.history);
}

/// What later jobs need outlives the commits that said it.
#[tokio::test]
async fn a_log_that_was_cleaned_up_keeps_properties_and_tags() {
    let table = busy().await;
    let (expected, before) = (seen(&table, &table.head().await).await, table.head().await);
    for version in 0..20 {
        table.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    table.remove("_delta_log/00000000000000000010.checkpoint.parquet").await;
    let cleaned = table.opened_anew().await;
    let state = cleaned.head().await;
    assert_eq!(seen(&cleaned, &state).await, expected);
    assert_eq!(state.history.last(), before.history.last());
    assert!(state.history[0].parent.is_some(), "there was something before");
    let error = cleaned.format.at(&state, VersionId(12)).await.expect_err("the version is gone");
    assert_eq!(error.kind(), waterline_core::error::ErrorKind::NotFound);
    let next = cleaned.append([900]).await;
    assert_eq!(next.current().and_then(|info| info.parent), before.version);
}

/// The slot that it would take is free again, and yet it is not the newest.
#[tokio::test]
async fn one_who_slept_through_a_clean_up_finds_that_the_table_moved() {
    let paused = Table::ours().await;
    let base = paused.append([0]).await;
    let awake = paused.opened_anew().await;
    for id in 1..12 {
        awake.append([id]).await;
    }
    for version in 0..10 {
        paused.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    let outcome = paused.format.commit(&base, &paused.commit(Operation::Append)).await.unwrap();
    let CommitOutcome::Conflict(newest) = outcome else { panic!("{outcome:?}") };
    assert_eq!(paused.rows(&newest).await, rows(0..12));
}

#[tokio::test]
async fn without_any_commit_the_newest_state_is_that_of_the_checkpoint() {
    let table = Table::ours().await;
    for id in 0..10 {
        table.append([id]).await;
    }
    let head = table.head().await;
    let properties = BTreeMap::from([("waterline.record".to_owned(), "{}".to_owned())]);
    let state = committed(table.format.commit(&head, &Commit { properties, ..table.commit(Operation::Append) }).await.unwrap());
    let inner = DeltaState::of(&state).unwrap();
    let (bytes, _) = checkpoint::write(&inner.snapshot, 0).unwrap();
    put(&table.world, "_delta_log/00000000000000000011.checkpoint.parquet", bytes).await;
    for version in 0..12 {
        table.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    let cleaned = table.opened_anew().await;
    let found = cleaned.head().await;
    assert_eq!((found.version, &found.properties), (state.version, &state.properties));
    assert_eq!(found.current().map(|info| &info.summary), state.current().map(|info| &info.summary));
    assert_eq!(cleaned.rows(&found).await, rows(0..10));
    let next = cleaned.append([10]).await;
    assert_eq!(cleaned.rows(&next).await, rows(0..11));
}

/// The same checkpoint in several parts, and as a version 2 checkpoint with a sidecar.
#[tokio::test]
async fn checkpoints_of_every_form_are_read() {
    let table = Table::ours().await;
    for id in 0..10 {
        table.append(id * 10..id * 10 + 3).await;
    }
    let state = table.delete_firsts().await;
    let expected = seen(&table, &state).await;
    let snapshot = DeltaState::of(&state).unwrap().snapshot.clone();
    let mut without_files = snapshot.as_ref().clone();
    let mut files_alone = snapshot.as_ref().clone();
    without_files.files.clear();
    files_alone.removed.clear();
    files_alone.transactions.clear();
    let part = |snapshot| checkpoint::write(snapshot, 0).unwrap().0;
    for version in 0..11 {
        table.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    table.remove("_delta_log/00000000000000000010.checkpoint.parquet").await;
    let log = |name: &str| format!("_delta_log/00000000000000000011.checkpoint.{name}");
    let (first, second) = (log("0000000001.0000000002.parquet"), log("0000000002.0000000002.parquet"));
    put(&table.world, &first, part(&without_files)).await;
    put(&table.world, &second, part(&files_alone)).await;
    let in_parts = table.opened_anew().await;
    assert_eq!(seen(&in_parts, &in_parts.head().await).await, expected);
    table.remove(&first).await;
    table.remove(&second).await;
    put(&table.world, "_delta_log/_sidecars/a.parquet", part(&files_alone)).await;
    let mut lines = crate::log::write_actions(&checkpoint::actions_of(&without_files, 0)).unwrap();
    lines.extend(
        b"{\"checkpointMetadata\":{\"version\":11}}\n{\"sidecar\":{\"path\":\"a.parquet\",\"sizeInBytes\":1,\"modificationTime\":1}}\n",
    );
    put(&table.world, &log("80a083e8-7026-4e79-81be-64bd76c43a11.json"), lines).await;
    let in_version_2 = table.opened_anew().await;
    assert_eq!(seen(&in_version_2, &in_version_2.head().await).await, expected);
}

/// Files that left stay in a checkpoint for readers of older versions, as long as the table says.
#[tokio::test]
async fn removed_files_leave_the_checkpoint_after_a_while() {
    let table = Table::ours().await;
    table.append(0..3).await;
    let head = table.head().await;
    let remove = waterline_core::format::Removal::All;
    let state = committed(table.format.commit(&head, &Commit { remove, ..table.commit(Operation::Delete) }).await.unwrap());
    let snapshot = DeltaState::of(&state).unwrap().snapshot.clone();
    let at_ms = state.current().unwrap().committed_at_ms;
    let removed = |now_ms| checkpoint::actions_of(&snapshot, now_ms).iter().filter(|action| action.remove.is_some()).count();
    let day_ms = 86_400_000;
    assert_eq!((removed(at_ms + 6 * day_ms), removed(at_ms + 8 * day_ms)), (1, 0));
}

/// A process that starts reads few files, however many commits there are, and sees the same history.
#[tokio::test]
async fn what_old_commits_did_is_kept_in_few_files() {
    let table = Table::ours().await;
    for id in 0..131 {
        table.append([id]).await;
    }
    let kept = table.head().await.history;
    let started = |table: &Table| (table.world.clone(), table.world.faults.step_count());
    let (world, before) = started(&table);
    let anew = table.opened_anew().await.head().await;
    assert_eq!((anew.history.len(), &anew.history), (131, &kept));
    let requests = world.faults.step_count() - before;
    assert!(requests < 45, "{requests} requests for 131 commits");

    // What is kept counts for the files that it was made of alone: this one was written anew, and says something else.
    let commit = format!("_delta_log/{:020}.json", 7);
    let files = waterline_env::files::Files::new(table.world.stores.clone());
    let text = String::from_utf8(files.read(&format!("{}/{commit}", super::ROOT)).await.unwrap().to_vec()).unwrap();
    let key = kept[6].summary.keys().find(|key| key.contains("added-records")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(3));
    put(&table.world, &commit, text.replace(&format!(r#""{key}":"1""#), &format!(r#""{key}":"77""#))).await;
    let changed = table.opened_anew().await.head().await.history;
    assert_eq!(changed[6].summary[key], "77");
    let others = |history: &[waterline_core::format::VersionInfo]| {
        history.iter().enumerate().filter(|(at, _)| *at != 6).map(|(_, info)| info.clone()).collect::<Vec<_>>()
    };
    assert_eq!(others(&changed), others(&kept));
}
