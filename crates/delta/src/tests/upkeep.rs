//! Versions that are forgotten, the files that are needed, and going back.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use object_store::ObjectStoreExt;
use serde_json::{Value as Json, json};
use waterline_core::error::{ErrorKind, Result};
use waterline_core::format::{Commit, Expiry, KeepAll, Operation, Removal, StoredFiles, TableState, Target, VersionId};

use super::{ROOT, Table, add, committed, id_and_name, metadata, plain_protocol, protocol, put, rows};
use crate::checkpoint;
use crate::state::DeltaState;

const DAY_MS: i64 = 86_400_000;

impl Table {
    async fn expire(&self, versions: impl IntoIterator<Item = i64>) -> TableState {
        let expiry = Expiry { versions: versions.into_iter().map(VersionId).collect(), ..Expiry::default() };
        committed(self.format.expire(&self.head().await, &expiry).await.unwrap())
    }

    /// What the table needs with all of its versions, by names below its folder.
    async fn needs(&self) -> BTreeSet<String> {
        let head = self.head().await;
        let versions = head.history.iter().map(|info| info.version).collect();
        relative(self.format.reachable(&head, &versions).await.unwrap())
    }

    async fn try_needs(&self) -> Result<StoredFiles> {
        let head = self.format.head().await?;
        self.format.reachable(&head, &head.history.iter().map(|info| info.version).collect()).await
    }

    async fn rows_at(&self, version: i64) -> Vec<waterline_testkit::cell::Row> {
        let head = self.head().await;
        self.rows(&self.format.at(&head, VersionId(version)).await.unwrap()).await
    }

    /// Deletes what the table does not need, as an expiry or a vacuum does.
    async fn clean_up(&self) {
        let needed = self.needs().await;
        let (store, root) = self.world.stores.resolve(ROOT).unwrap();
        let listed: Vec<_> = futures::TryStreamExt::try_collect(store.list(Some(&root))).await.unwrap();
        for object in listed {
            let object: object_store::ObjectMeta = object;
            let name = object.location.as_ref().split_once("shop/orders/").unwrap().1;
            if !needed.contains(name) {
                store.delete(&object.location).await.unwrap();
            }
        }
    }

    async fn names(&self) -> Vec<i64> {
        self.head().await.history.iter().map(|info| info.version.0).collect()
    }
}

fn relative(files: StoredFiles) -> BTreeSet<String> {
    files.into_keys().map(|file| file.strip_prefix(&format!("{ROOT}/")).unwrap_or(&file).to_owned()).collect()
}

fn numbered(names: &BTreeSet<String>, ending: &str) -> Vec<i64> {
    let log = names.iter().filter_map(|name| name.strip_prefix("_delta_log/")?.strip_suffix(ending));
    log.filter_map(|digits| digits.parse().ok()).collect()
}

/// The log begins at a checkpoint of the oldest version from which on all are kept; one that is kept from before is a table of its own.
#[tokio::test]
async fn what_expires_leaves_a_shorter_log() {
    let table = Table::ours().await;
    for id in 0..14 {
        table.append([2 * id, 2 * id + 1]).await;
    }
    table.delete_firsts().await;
    let head = table.head().await;
    let _ = table.format.set_tag(&head, "kept", Some(VersionId(3))).await.unwrap();
    let parent = head.info(VersionId(12)).unwrap().parent;
    let before = table.head().await;
    let kept = (before.info(VersionId(3)).cloned(), before.info(VersionId(12)).cloned());
    assert_eq!(table.needs().await.len(), 14 + 1 + 17 + 2 + 1, "data files, deletion vectors, log, checkpoint and hint, ledger");
    table.expire((1..12).filter(|version| *version != 3)).await;
    assert_eq!(table.names().await, [3, 12, 13, 14, 15]);
    table.clean_up().await;

    let anew = table.opened_anew().await;
    let needs = anew.needs().await;
    assert_eq!(numbered(&needs, ".json"), [12, 13, 14, 15, 16, 17]);
    assert_eq!(numbered(&needs, ".checkpoint.parquet"), [12]);
    let hint: Json = serde_json::from_slice(&anew.read("_delta_log/_last_checkpoint").await).unwrap();
    assert_eq!(hint["version"], 12);
    assert_eq!(needs.iter().filter(|name| name.starts_with("_waterline/0")).count(), 1 + 2, "{needs:?}");
    let after = anew.head().await;
    assert_eq!((after.info(VersionId(3)).cloned(), after.info(VersionId(12)).cloned()), kept);
    assert_eq!(after.info(VersionId(12)).unwrap().parent, parent);
    assert_eq!((after.version, anew.rows(&after).await), (Some(VersionId(15)), rows((0..14).map(|id| 2 * id + 1))));
    assert_eq!((anew.rows_at(3).await, anew.rows_at(12).await), (rows(0..6), rows(0..24)));
    for gone in [0, 2, 4, 11] {
        let error = anew.format.at(&after, VersionId(gone)).await.expect_err("the version is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{gone}");
    }
    // Other readers know nothing of ledgers.
    let log = crate::log::Log { root: ROOT.into(), files: waterline_env::files::Files::new(table.world.stores.clone()) };
    let replayed = crate::replay::Replayed::read(&log).await.unwrap().unwrap();
    assert_eq!(replayed.snapshot.files.len(), after_files(&anew, &after).await);

    // It goes on, and what was kept goes too once nothing names it.
    anew.append([100]).await;
    let _ = anew.format.set_tag(&anew.head().await, "kept", None).await.unwrap();
    anew.expire([3, 12, 13, 14, 15]).await;
    anew.clean_up().await;
    let last = table.opened_anew().await;
    assert_eq!((last.names().await, last.rows_at(18).await), (vec![18], rows((0..14).map(|id| 2 * id + 1).chain([100]))));
    let needs = last.needs().await;
    assert_eq!((numbered(&needs, ".json"), numbered(&needs, ".checkpoint.parquet")), (vec![18, 19, 20], vec![18, 20]));
    assert!(!needs.iter().any(|name| name.contains("/_delta_log/")), "{needs:?}");
}

async fn after_files(table: &Table, state: &TableState) -> usize {
    table.format.data_files(state, &KeepAll).await.unwrap().len()
}

/// What old commits did is kept for as long as one of them is there.
#[tokio::test]
async fn kept_histories_go_with_their_commits() {
    let table = Table::ours().await;
    for _ in 0..60 {
        table.append([]).await;
    }
    let history = format!("_waterline/log-history/{:020}.json", 0);
    assert!(table.needs().await.contains(&history));
    table.expire(1..49).await;
    assert!(table.needs().await.contains(&history));
    table.expire([49]).await;
    assert!(!table.needs().await.contains(&history));
    table.clean_up().await;
    assert_eq!(table.opened_anew().await.names().await, (50..61).collect::<Vec<_>>());
}

/// What is left of a clean-up that did not come to its end, or another writer's, is not a version.
#[tokio::test]
async fn commits_below_the_first_checkpoint_lead_nowhere() {
    let table = Table::ours().await;
    for id in 0..12 {
        table.append([id]).await;
    }
    for version in [0, 1, 2, 5] {
        table.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    let cleaned = table.opened_anew().await;
    assert_eq!(cleaned.names().await, [10, 11, 12]);
    assert_eq!(cleaned.rows_at(10).await, rows(0..10));
    let needs = cleaned.needs().await;
    assert_eq!(numbered(&needs, ".json"), [3, 4, 6, 7, 8, 9, 10, 11, 12], "what others left in the log is theirs");
    cleaned.clean_up().await;
    assert_eq!(table.opened_anew().await.rows_at(12).await, rows(0..12));
}

#[tokio::test]
async fn a_gap_in_the_log_breaks_the_chain() {
    let table = Table::ours().await;
    for id in 0..12 {
        table.append([id]).await;
    }
    table.remove(&format!("_delta_log/{:020}.json", 6)).await;
    let broken = table.opened_anew().await;
    let head = broken.head().await;
    assert_eq!(head.info(VersionId(7)).unwrap().parent, Some(VersionId(6)));
    assert_eq!(head.lineage().map(|info| info.version.0).collect::<Vec<_>>(), [12, 11, 10, 9, 8, 7]);
    assert_eq!(broken.try_needs().await.unwrap_err().kind(), ErrorKind::NotFound, "what it held is not known");
}

/// Whatever of the metadata cannot be read, nothing is said of what is needed.
#[tokio::test]
async fn unreadable_metadata_is_no_list_of_files() {
    let table = Table::ours().await;
    for id in 0..12 {
        table.append([id]).await;
    }
    let head = table.head().await;
    let aside = Commit { target: Target::Aside { parent: head.version }, tags: vec!["aside".into()], ..table.commit(Operation::Append) };
    let _ = committed(table.format.commit(&head, &aside).await.unwrap());
    let needs = table.opened_anew().await.needs().await;
    let metadata = needs.iter().filter(|name| name.contains("_delta_log/0") || name.starts_with("_waterline/") && name.ends_with(".json"));
    let mut seen = 0;
    for name in metadata {
        let bytes = table.read(name).await;
        put(&table.world, name, bytes.slice(..bytes.len() / 2)).await;
        assert!(table.opened_anew().await.try_needs().await.is_err(), "{name}");
        put(&table.world, name, bytes).await;
        seen += 1;
    }
    assert_eq!(seen, 14 + 1 + 1 + 1, "commits, the checkpoint, the ledger and the log of the snapshot aside");
    assert_eq!(table.opened_anew().await.needs().await, needs);
}

#[tokio::test]
async fn a_tag_that_leads_nowhere_is_an_error() {
    let table = Table::ours().await;
    for id in 0..12 {
        table.append([id]).await;
    }
    let _ = table.format.set_tag(&table.head().await, "kept", Some(VersionId(2))).await.unwrap();
    for version in 0..10 {
        table.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    let error = table.opened_anew().await.try_needs().await.unwrap_err();
    assert!(error.to_string().contains("kept"), "{error}");
}

fn info_of(actions: &[Json]) -> &Json {
    actions.iter().find_map(|action| action.get("commitInfo")).unwrap()
}

/// Files come back with the deletion vectors that they had.
#[tokio::test]
async fn a_rollback_is_a_restore() {
    let table = Table::ours().await;
    table.append(0..4).await;
    table.delete_firsts().await;
    table.append(4..7).await;
    let head = table.head().await;
    let files = table.format.data_files(&head, &KeepAll).await.unwrap();
    let delete_rows = files.into_iter().map(|file| (file.path, [0, 1].into_iter().collect())).collect();
    let head = committed(table.format.commit(&head, &Commit { delete_rows, ..table.commit(Operation::Delete) }).await.unwrap());
    let remove = Removal::All;
    let head = committed(table.format.commit(&head, &Commit { remove, ..table.commit(Operation::Delete) }).await.unwrap());
    for (to, expected) in [(2, rows(1..4)), (4, rows([2, 3, 6])), (5, Vec::new()), (1, rows(0..4))] {
        let head = table.head().await;
        let commit = Commit { target: Target::Rollback { to: VersionId(to) }, ..table.commit(Operation::Replace) };
        let state = committed(table.format.commit(&head, &commit).await.unwrap());
        assert_eq!(table.rows(&table.opened_anew().await.head().await).await, expected, "{to}");
        assert_eq!(state.current().unwrap().parent, Some(VersionId(to)));
        let actions = table.actions(state.version.unwrap().0).await;
        assert_eq!(
            (&info_of(&actions)["operation"], &info_of(&actions)["operationParameters"]),
            (&json!("RESTORE"), &json!({"version": to}))
        );
        let files = actions.iter().filter_map(|action| action.get("add").or_else(|| action.get("remove")));
        assert!(files.clone().all(|file| file["dataChange"] == true));
        let info = state.current().unwrap();
        assert_eq!(
            info.summary["total-records"].parse::<u64>().unwrap() - info.summary["total-position-deletes"].parse::<u64>().unwrap(),
            expected.len() as u64
        );
    }
    assert_eq!(table.rows(&table.format.at(&table.head().await, head.version.unwrap()).await.unwrap()).await, Vec::new());
}

/// Every way in which a log names files.
#[tokio::test]
async fn files_are_named_as_they_lie_in_the_store() {
    let vector = |storage: &str, path: &str| json!({"storageType": storage, "pathOrInlineDv": path, "offset": 1, "sizeInBytes": 40, "cardinality": 6});
    let with = |path: &str, vector: Option<Json>| {
        let mut file = add(path, &json!({"numRecords": 9}), &json!({}));
        if let Some(vector) = vector {
            file["add"]["deletionVector"] = vector;
        }
        file
    };
    let absolute = format!("{ROOT}/p=a%2520b/2.parquet");
    let table = Table::of(&[&[
        protocol(&["deletionVectors"], &["deletionVectors"]),
        metadata(&id_and_name(), &[], &json!({})),
        with("p=s%C3%BCd%20%25/1.parquet", Some(vector("u", "ab^-aqEH.-t@S}K{vb[*k^"))),
        with(&absolute, Some(vector("p", &format!("{ROOT}/x%20y.bin")))),
        with("3.parquet", Some(vector("i", "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"))),
    ]])
    .await;
    let needs = table.needs().await;
    let files: Vec<&str> = needs.iter().map(String::as_str).filter(|name| !name.starts_with("_delta_log")).collect();
    assert_eq!(
        files,
        ["3.parquet", "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin", "p=a%20b/2.parquet", "p=süd %/1.parquet", "x y.bin"]
    );
    let outside = Table::of(&[&[plain_protocol(), metadata(&id_and_name(), &[], &json!({})), with("s3://other/4.parquet", None)]]).await;
    assert!(outside.needs().await.contains("s3://other/4.parquet"), "the engine sees that it is elsewhere");
}

/// A file that left stays as long as the table says for those who still read it.
#[tokio::test]
async fn tombstones_of_a_retention_are_needed() {
    let of = |configuration: Json| async move {
        let gone = |path: &str, at_ms: i64| json!({"remove": {"path": path, "dataChange": true, "deletionTimestamp": at_ms}});
        let info = |at_ms: i64| json!({"commitInfo": {"timestamp": at_ms}});
        let now_ms = waterline_testkit::world::World::in_memory(1).env.clock.now_ms();
        let stats = json!({"numRecords": 9});
        let file = |path| add(path, &stats, &json!({}));
        let table = Table::of(&[
            &[plain_protocol(), metadata(&id_and_name(), &[], &configuration), info(1), file("old.parquet"), file("young.parquet")],
            &[info(2), gone("old.parquet", now_ms - 3 * DAY_MS), gone("young.parquet", now_ms - DAY_MS), file("live.parquet")],
        ])
        .await;
        let head = table.head().await;
        let needed = relative(table.format.reachable(&head, &HashSet::from([head.version.unwrap()])).await.unwrap());
        needed.into_iter().filter(|name| !name.starts_with('_')).collect::<Vec<_>>()
    };
    assert_eq!(of(json!({"delta.deletedFileRetentionDuration": "interval 2 days"})).await, ["live.parquet", "young.parquet"]);
    assert_eq!(of(json!({})).await, ["live.parquet"]);
}

/// The owner's words count until ours say otherwise.
#[tokio::test]
async fn deltas_own_retention_is_shown_as_the_seams() {
    let of = |configuration: Json| async move {
        let table = Table::of(&[&[plain_protocol(), metadata(&id_and_name(), &[], &configuration)]]).await;
        table.head().await.properties.get("history.expire.max-snapshot-age-ms").cloned()
    };
    let days = "interval 30 days";
    assert_eq!(of(json!({})).await, None);
    assert_eq!(of(json!({"delta.logRetentionDuration": days})).await, Some((30 * DAY_MS).to_string()));
    assert_eq!(of(json!({"delta.enableExpiredLogCleanup": "false"})).await, Some(i64::MAX.to_string()));
    assert_eq!(of(json!({"delta.logRetentionDuration": days, "history.expire.max-snapshot-age-ms": "5"})).await, Some("5".into()));
    let ours = Table::ours().await;
    let properties = BTreeMap::from([("waterline.record".to_owned(), "{}".to_owned())]);
    let state = committed(ours.format.commit(&ours.head().await, &Commit { properties, ..ours.commit(Operation::Append) }).await.unwrap());
    assert_eq!(state.properties["delta.enableExpiredLogCleanup"], "false");
    assert_eq!(state.properties.get("history.expire.max-snapshot-age-ms"), None);
}

/// In a table with version 2 checkpoints only others make them: the log stays as far back as the last one, with its sidecars.
#[tokio::test]
async fn a_table_with_checkpoints_of_version_2_keeps_its_log_from_one() {
    let stats = json!({"numRecords": 9});
    let file = |number: i64| add(&format!("{number}.parquet"), &stats, &json!({}));
    let first = [protocol(&["v2Checkpoint"], &["v2Checkpoint"]), metadata(&id_and_name(), &[], &json!({})), file(0)];
    let commits: Vec<Vec<Json>> = std::iter::once(first.to_vec()).chain((1..7).map(|number| vec![file(number)])).collect();
    let table = Table::of(&commits.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
    let head = table.head().await;
    let third = DeltaState::of(&table.format.at(&head, VersionId(3)).await.unwrap()).unwrap().snapshot.clone();
    let mut without_files = third.as_ref().clone();
    without_files.files.clear();
    for (number, sidecar) in [(2, "dead"), (3, "live")] {
        put(&table.world, &format!("_delta_log/_sidecars/{sidecar}.parquet"), checkpoint::write(&third, 0).unwrap().0).await;
        let mut lines = crate::log::write_actions(&checkpoint::actions_of(&without_files, 0)).unwrap();
        lines.extend(format!("{{\"sidecar\":{{\"path\":\"{sidecar}.parquet\",\"sizeInBytes\":1,\"modificationTime\":1}}}}\n").into_bytes());
        put(&table.world, &format!("_delta_log/{number:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"), lines).await;
    }
    table.opened_anew().await.expire(0..5).await;
    let anew = table.opened_anew().await;
    assert_eq!(anew.names().await, [5, 6]);
    let needs = anew.needs().await;
    assert_eq!(numbered(&needs, ".json"), [3, 4, 5, 6, 7]);
    let sidecars: Vec<&String> = needs.iter().filter(|name| name.contains("_sidecars")).collect();
    assert_eq!(sidecars, ["_delta_log/_sidecars/live.parquet"]);
    anew.clean_up().await;
    assert_eq!(after_files(&table, &table.opened_anew().await.head().await).await, 7);
}

/// Writers that make no checkpoints leave many small commits, which a compaction sums up.
#[tokio::test]
async fn a_compaction_makes_the_checkpoint_that_others_did_not() {
    let stats = json!({"numRecords": 9});
    let file = |number: i64| add(&format!("{number}.parquet"), &stats, &json!({}));
    let seldom = json!({"delta.checkpointInterval": "1000"});
    let mut commits = vec![vec![plain_protocol(), metadata(&id_and_name(), &[], &seldom), file(0)]];
    commits.extend((1..12).map(|number| vec![file(number)]));
    let table = Table::of(&commits.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
    assert_eq!(table.format.leftovers(&table.head().await).await.unwrap().small_lists, 12);
    for operation in [Operation::Append, Operation::Replace] {
        let state = committed(table.format.commit(&table.head().await, &table.commit(operation)).await.unwrap());
        let has_checkpoint = table.log().await.iter().any(|name| name.ends_with(".checkpoint.parquet"));
        assert_eq!(has_checkpoint, operation == Operation::Replace);
        assert_eq!(after_files(&table, &state).await, 12);
    }
    assert_eq!(table.format.leftovers(&table.head().await).await.unwrap().small_lists, 0);
    for version in 0..13 {
        table.remove(&format!("_delta_log/{version:020}.json")).await;
    }
    assert_eq!(after_files(&table, &table.opened_anew().await.head().await).await, 12);
}

/// Rows of a file that comes are deleted at once, all of them too.
#[tokio::test]
async fn a_new_file_may_come_with_a_deletion_vector() {
    let table = Table::ours().await;
    let head = table.head().await;
    let mut add = Vec::new();
    for ids in [0..3, 3..5] {
        add.push(waterline_testkit::files::write_file(&table.world.env, &head, &rows(ids), Vec::new()).await.unwrap());
    }
    let positions = [vec![1], vec![0, 1]];
    let delete_rows = add.iter().zip(positions).map(|(file, rows)| (file.path.clone(), rows.into_iter().collect())).collect();
    let commit = Commit { add, delete_rows, ..table.commit(Operation::Append) };
    let state = committed(table.format.commit(&head, &commit).await.unwrap());
    assert_eq!(table.rows(&table.opened_anew().await.head().await).await, rows([0, 2]));
    let actions = table.actions(state.version.unwrap().0).await;
    let adds: Vec<&Json> = actions.iter().filter_map(|action| action.get("add")).collect();
    assert_eq!(adds.len(), 1);
    let stats: Json = serde_json::from_str(adds[0]["stats"].as_str().unwrap()).unwrap();
    assert_eq!((&stats["numRecords"], &stats["tightBounds"]), (&json!(3), &json!(false)));
    assert!(actions.iter().all(|action| action.get("remove").is_none()));
}
