//! When versions were made and what they did, by logs of other writers.

use serde_json::{Value as Json, json};
use waterline_core::format::{Commit, Operation, Target, VersionId};

use super::{ROOT, Table, add, committed, id_and_name, metadata, plain_protocol, protocol};

fn info(timestamp: Option<i64>, more: &Json) -> Json {
    let mut info = more.clone();
    if let Some(timestamp) = timestamp {
        info["timestamp"] = timestamp.into();
    }
    json!({"commitInfo": info})
}

fn file(number: u32, data_change: bool) -> Json {
    let mut action = add(&format!("part-{number}.parquet"), &json!({"numRecords": 3}), &json!({}));
    action["add"]["dataChange"] = data_change.into();
    action
}

fn gone(number: u32, data_change: bool) -> Json {
    json!({"remove": {"path": format!("part-{number}.parquet"), "dataChange": data_change, "deletionTimestamp": 1}})
}

#[tokio::test]
async fn operations_are_told_from_what_happened_to_the_files() {
    let table = Table::of(&[
        &[plain_protocol(), metadata(&id_and_name(), &[], &json!({})), info(Some(1_000), &json!({"operation": "CREATE TABLE"}))],
        &[info(Some(2_000), &json!({"operation": "WRITE"})), file(1, true)],
        &[info(Some(3_000), &json!({"operation": "OPTIMIZE", "operationMetrics": {"numAdded": 1}})), gone(1, false), file(2, false)],
        &[info(Some(4_000), &json!({"operation": "SET TBLPROPERTIES"})), metadata(&id_and_name(), &[], &json!({"owner": "b"}))],
        &[info(Some(5_000), &json!({"operation": "MERGE"})), gone(2, true), file(3, true)],
        &[info(Some(6_000), &json!({"operation": "DELETE"})), gone(3, true)],
    ])
    .await;
    let head = table.head().await;
    let found: Vec<_> = head.history.iter().map(|info| (info.version.0, info.parent.map(|parent| parent.0), info.operation)).collect();
    assert_eq!(
        found,
        [
            (1, None, Operation::Append),
            (2, Some(1), Operation::Replace),
            (4, Some(2), Operation::Overwrite),
            (5, Some(4), Operation::Delete)
        ]
    );
    assert_eq!(head.history[1].summary["operation"], "OPTIMIZE");
    assert_eq!(head.history[1].summary["operationMetrics"], r#"{"numAdded":1}"#);
    assert_eq!(head.properties["owner"], "b");
    let before = table.format.at(&head, VersionId(2)).await.unwrap();
    assert_eq!(before.properties["owner"], "b", "properties are those of the newest metadata");
    let files = table.format.data_files(&before, &waterline_core::format::KeepAll).await.unwrap();
    assert_eq!(files.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect::<Vec<_>>(), ["part-2.parquet"]);
}

/// Clocks of writers differ, and the time in the commit goes before what else it says.
#[tokio::test]
async fn commit_times_only_grow() {
    let table = Table::of(&[
        &[plain_protocol(), metadata(&id_and_name(), &[], &json!({})), info(Some(9_000), &json!({}))],
        &[info(Some(5_000), &json!({})), file(1, true)],
        &[info(Some(20_000), &json!({})), file(2, true)],
        &[info(Some(1), &json!({"inCommitTimestamp": 30_000})), file(3, true)],
        &[info(Some(30_000), &json!({})), file(4, true)],
    ])
    .await;
    let times: Vec<i64> = table.head().await.history.iter().map(|info| info.committed_at_ms).collect();
    assert_eq!(times, [9_001, 20_000, 30_000, 30_001]);
}

/// A log that says nothing of itself has the times of its files, which is all that is known.
#[tokio::test]
async fn a_commit_without_info_counts_as_made_when_its_file_was_written() {
    let table = Table::of(&[&[plain_protocol(), metadata(&id_and_name(), &[], &json!({}))], &[file(1, true)], &[file(2, true)]]).await;
    let history = table.head().await.history;
    assert!(history[0].committed_at_ms > 1_600_000_000_000 && history[1].committed_at_ms > history[0].committed_at_ms, "{history:?}");
    assert!(history.iter().all(|info| info.operation == Operation::Append));
}

/// Above those of every earlier commit, whatever clocks say, in commits and in the tables of snapshots aside.
#[tokio::test]
async fn commits_say_when_they_were_made_where_the_table_asks_for_it() {
    let later = 4_000_000_000_000_i64;
    let configuration = json!({"delta.enableInCommitTimestamps": "true"});
    let table = Table::of(&[&[
        info(Some(1), &json!({"inCommitTimestamp": later})),
        protocol(&[], &["inCommitTimestamp"]),
        metadata(&id_and_name(), &[], &configuration),
    ]])
    .await;
    table.append(0..3).await;
    let head = table.head().await;
    let aside = Commit { target: Target::Aside { parent: head.version }, tags: vec!["t".into()], ..table.commit(Operation::Append) };
    let aside = committed(table.format.commit(&head, &aside).await.unwrap());
    let folder = aside.metadata_location.unwrap();
    for (file, at_ms) in [
        (format!("{ROOT}/_delta_log/{:020}.json", 1), later + 1),
        (format!("{ROOT}/_delta_log/{:020}.json", 2), later + 2),
        (format!("{folder}/_delta_log/{:020}.json", 0), later + 2),
    ] {
        let bytes = waterline_env::files::Files::new(table.world.stores.clone()).read(&file).await.unwrap();
        let first: Json = serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert_eq!(first["commitInfo"]["inCommitTimestamp"], at_ms, "{file}");
    }
    assert_eq!(table.opened_anew().await.head().await.history.last().unwrap().committed_at_ms, later + 2);
}
