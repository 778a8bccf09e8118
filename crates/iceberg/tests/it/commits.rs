use std::collections::BTreeMap;

use waterline_core::format::{
    COMMIT_ID, Commit, DeleteState, Expiry, FilePruner, FileSummary, KeepAll, Operation, Ref, RefKind, RefRetention, Removal,
};
use waterline_core::partition::PartitionField;
use waterline_core::value::Value;

use crate::aside::metadata;
use crate::foreign::Writer;
use crate::lake::{Kind, Lake, adding, all, append, append_to, commit, committed, definition, deleting, summary};
use crate::rows::{read, row, rows, write};

#[tokio::test]
async fn an_append_is_a_snapshot_with_its_record() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let mut append = adding("first", vec![write(&base, "a", &rows(1..=10), vec![]), write(&base, "b", &rows(11..=15), vec![])]);
        append.summary.insert("waterline.record".into(), "{}".into());
        append.properties.insert("waterline.record".into(), "{}".into());
        append.tags.push("nightly".into());
        let state = committed(table.commit(&base, &append).await.unwrap());

        assert_eq!(read(table.as_ref(), &state).await, rows(1..=15));
        let info = state.current().unwrap();
        assert_eq!((info.parent, info.operation), (None, Operation::Append));
        for (key, value) in [
            (COMMIT_ID, "first"),
            ("waterline.record", "{}"),
            ("added-data-files", "2"),
            ("added-records", "15"),
            ("total-data-files", "2"),
            ("total-records", "15"),
            ("total-delete-files", "0"),
            ("changed-partition-count", "1"),
        ] {
            assert_eq!(summary(&state, key), Some(value), "{key}");
        }
        assert_eq!(state.properties["waterline.record"], "{}");
        assert_eq!(state.refs["nightly"], Ref { version: info.version, kind: RefKind::Tag });
        assert_eq!(state.refs["main"], Ref { version: info.version, kind: RefKind::Branch });
        assert_eq!(table.head().await.unwrap().version, state.version);
    }
}

#[tokio::test]
async fn deleted_rows_add_up_and_each_file_has_one_delete_file() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let files = vec![write(&base, "a", &rows(1..=10), vec![]), write(&base, "b", &rows(11..=20), vec![])];
        let s1 = committed(table.commit(&base, &adding("add", files)).await.unwrap());
        let mut merge = deleting("merge", table.as_ref(), &s1, &[3, 5, 12]).await;
        merge.operation = Operation::Overwrite;
        merge.add = vec![write(&s1, "c", &rows([103]), vec![])];
        let s2 = committed(table.commit(&s1, &merge).await.unwrap());
        let s3 = committed(table.commit(&s2, &deleting("more", table.as_ref(), &s2, &[4, 10]).await).await.unwrap());

        let all: Vec<i64> = (1..=20).collect();
        let without = |gone: &[i64]| all.iter().copied().filter(|id| !gone.contains(id)).collect::<Vec<_>>();
        assert_eq!(read(table.as_ref(), &s3).await, rows(without(&[3, 4, 5, 10, 12]).into_iter().chain([103])));
        for (state, expected) in [(&s1, without(&[])), (&s2, [without(&[3, 5, 12]), vec![103]].concat())] {
            let at = table.at(&s3, state.version.unwrap()).await.unwrap();
            assert_eq!(read(table.as_ref(), &at).await, rows(expected));
        }
        assert_eq!([summary(&s2, "total-position-deletes"), summary(&s2, "total-delete-files")], [Some("3"), Some("2")]);
        assert_eq!([summary(&s3, "total-position-deletes"), summary(&s3, "total-delete-files")], [Some("5"), Some("2")]);
        let kind_of =
            if version == 3 { ["added-dvs", "removed-dvs"] } else { ["added-position-delete-files", "removed-position-delete-files"] };
        assert_eq!(kind_of.map(|key| summary(&s3, key)), [Some("1"), Some("1")]);
        assert_eq!(s3.lineage().map(|info| info.version).collect::<Vec<_>>(), [&s3, &s2, &s1].map(|state| state.version.unwrap()));

        let again = Commit { commit_id: "again".into(), ..merge.clone() };
        let again = Commit { add: Vec::new(), ..again };
        let s4 = committed(table.commit(&s3, &again).await.unwrap());
        assert_eq!(summary(&s4, "added-delete-files"), None);
        assert_eq!(read(table.as_ref(), &s4).await, read(table.as_ref(), &s3).await);
    }
}

#[tokio::test]
async fn a_removed_file_takes_its_deletes_with_it() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let files = vec![write(&base, "a", &rows(1..=10), vec![]), write(&base, "b", &rows(11..=20), vec![])];
        let s1 = committed(table.commit(&base, &adding("add", files.clone())).await.unwrap());
        let s2 = committed(table.commit(&s1, &deleting("delete", table.as_ref(), &s1, &[3, 12]).await).await.unwrap());
        let compacted = write(&s2, "c", &rows((1..=10).filter(|id| *id != 3)), vec![]);
        let rewrite =
            Commit { add: vec![compacted], remove: Removal::Files(vec![files[0].path.clone()]), ..commit("compact", Operation::Replace) };
        let s3 = committed(table.commit(&s2, &rewrite).await.unwrap());

        assert_eq!(read(table.as_ref(), &s3).await, read(table.as_ref(), &s2).await);
        assert_eq!([summary(&s3, "total-data-files"), summary(&s3, "total-records")], [Some("2"), Some("19")]);
        assert_eq!([summary(&s3, "total-delete-files"), summary(&s3, "total-position-deletes")], [Some("1"), Some("1")]);
        let deleted: Vec<_> = table.data_files(&s3, &KeepAll).await.unwrap().iter().map(|file| file.deletes).collect();
        assert_eq!(deleted, [DeleteState::None, DeleteState::Some]);
    }
}

#[tokio::test]
async fn an_overwrite_of_everything_leaves_only_the_new_rows() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let s1 = append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=10)).await;
        let s2 = committed(table.commit(&s1, &deleting("delete", table.as_ref(), &s1, &[3]).await).await.unwrap());
        let load =
            Commit { add: vec![write(&s2, "b", &rows(50..=52), vec![])], remove: Removal::All, ..commit("load", Operation::Overwrite) };
        let s3 = committed(table.commit(&s2, &load).await.unwrap());
        assert_eq!(read(table.as_ref(), &s3).await, rows(50..=52));
        let totals = [
            "total-data-files",
            "total-delete-files",
            "total-records",
            "total-position-deletes",
            "deleted-data-files",
            "removed-delete-files",
        ];
        assert_eq!(totals.map(|key| summary(&s3, key).unwrap()), ["1", "0", "3", "0", "1", "1"]);
        let s4 = append(table.as_ref(), &s3, "c", &rows([60])).await;
        assert_eq!(read(table.as_ref(), &s4).await, rows([50, 51, 52, 60]));
        assert_eq!(read(table.as_ref(), &table.at(&s4, s2.version.unwrap()).await.unwrap()).await, rows((1..=10).filter(|id| *id != 3)));
    }
}

#[tokio::test]
async fn an_empty_commit_is_a_snapshot_and_time_never_goes_backwards() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let mut state = table.head().await.unwrap();
        for n in 0..3 {
            let empty = Commit { now_ms: 1_600_000_000_000, ..commit(&format!("log {n}"), Operation::Append) };
            state = committed(table.commit(&state, &empty).await.unwrap());
        }
        let times: Vec<i64> = state.history.iter().map(|info| info.committed_at_ms).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        assert_eq!(summary(&state, "total-data-files"), Some("0"));
    }
}

#[tokio::test]
async fn row_lineage_survives_the_rewrite_of_manifests() {
    let lake = Lake::new(Kind::Filesystem);
    let table = lake.table(&definition(3, &[])).await;
    let base = table.head().await.unwrap();
    let files = ["a", "b", "c"].map(|name| write(&base, name, &rows(1..=10), vec![]));
    let s1 = committed(table.commit(&base, &adding("add", files.to_vec())).await.unwrap());
    let rewrite = Commit { add: vec![], remove: Removal::Files(vec![files[1].path.clone()]), ..commit("drop", Operation::Delete) };
    let s2 = committed(table.commit(&s1, &rewrite).await.unwrap());
    append(table.as_ref(), &s2, "d", &rows(1..=5)).await;
    let metadata = std::fs::read(lake.folder.path().join("ware house/shop/orders/metadata/v4.metadata.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata["next-row-id"], 35);
    let ranges: Vec<_> =
        metadata["snapshots"].as_array().unwrap().iter().map(|s| (s["first-row-id"].as_u64(), s["added-rows"].as_u64())).collect();
    for range in [(Some(0), Some(30)), (Some(30), Some(0)), (Some(30), Some(5))] {
        assert!(ranges.contains(&range), "{ranges:?}");
    }
}

/// Keeps files whose `id` may be this.
struct ById(i64);

impl FilePruner for ById {
    fn keep(&self, file: &FileSummary) -> bool {
        let id = Value::Int(self.0);
        file.bounds.get("id").is_none_or(|bounds| {
            bounds.lower.as_ref().is_none_or(|lower| *lower <= id) && bounds.upper.as_ref().is_none_or(|upper| *upper >= id)
        })
    }
}

/// Keeps files of one partition value of the first field.
struct ByPartition(PartitionField, Option<Value>);

impl FilePruner for ByPartition {
    fn keep(&self, file: &FileSummary) -> bool {
        file.partition.iter().all(|(field, value)| *field != self.0 || *value == self.1)
    }
}

#[tokio::test]
async fn files_are_pruned_by_bounds_and_by_partition() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &["truncate(100, id)", "name"])).await;
        let mut state = table.head().await.unwrap();
        for n in 0..5 {
            let name = (n % 2 == 0).then(|| Value::Text("even".into()));
            state = append_to(table.as_ref(), &state, &n.to_string(), &rows(n * 100..n * 100 + 50), vec![Some(Value::Int(n * 100)), name])
                .await;
        }
        let files = table.data_files(&state, &ById(249)).await.unwrap();
        assert_eq!(files.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect::<Vec<_>>(), ["2.parquet"]);
        let bounds = &files[0].summary.bounds;
        assert_eq!((bounds["id"].lower.clone(), bounds["id"].upper.clone()), (Some(Value::Int(200)), Some(Value::Int(249))));
        assert_eq!(bounds["name"].lower, Some(Value::Text("the name of numb".into())));
        assert_eq!(bounds["name"].upper, Some(Value::Text("the name of numc".into())));
        assert_eq!(bounds["price"].upper, Some(Value::Decimal(row(249).price)));
        assert_eq!(files[0].summary.partition[0], ("truncate(100, id)".parse().unwrap(), Some(Value::Int(200))));

        let odd = ByPartition("name".parse().unwrap(), None);
        let paths: Vec<_> = table.data_files(&state, &odd).await.unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths.iter().map(|path| path.rsplit('/').next().unwrap()).collect::<Vec<_>>(), ["3.parquet", "1.parquet"]);
    }
}

#[tokio::test]
async fn deletes_stay_in_the_partition_of_their_data() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &["truncate(100, id)"])).await;
        let mut state = table.head().await.unwrap();
        for n in 0..3 {
            state = append_to(table.as_ref(), &state, &n.to_string(), &rows(n * 100..n * 100 + 10), vec![Some(Value::Int(n * 100))]).await;
        }
        state = committed(table.commit(&state, &deleting("delete", table.as_ref(), &state, &[5, 205]).await).await.unwrap());
        assert_eq!(summary(&state, "changed-partition-count"), Some("2"));
        let expected = (0..3).flat_map(|n| n * 100..n * 100 + 10).filter(|id| ![5, 205].contains(id));
        assert_eq!(read(table.as_ref(), &state).await, rows(expected));
    }
}

#[tokio::test]
async fn tags_are_set_moved_and_removed_without_a_snapshot() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let s1 = append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=3)).await;
        let s2 = append(table.as_ref(), &s1, "b", &rows(4..=6)).await;
        let (first, second) = (s1.version.unwrap(), s2.version.unwrap());
        let s3 = committed(table.set_tag(&s2, "waterline/t0", Some(first)).await.unwrap());
        assert_eq!(s3.refs["waterline/t0"], Ref { version: first, kind: RefKind::Tag });
        assert_eq!((s3.version, s3.history.len()), (s2.version, 2));
        let s4 = committed(table.set_tag(&s3, "waterline/t0", Some(second)).await.unwrap());
        assert_eq!(s4.refs["waterline/t0"].version, second);
        let s5 = committed(table.set_tag(&s4, "waterline/t0", None).await.unwrap());
        assert!(!s5.refs.contains_key("waterline/t0"));
        let s6 = append(table.as_ref(), &s5, "c", &rows([7])).await;
        assert_eq!(read(table.as_ref(), &s6).await, rows(1..=7));
        assert!(table.set_tag(&s6, "main", Some(first)).await.is_err());
    }
}

#[tokio::test]
async fn what_no_table_can_have_is_refused_and_changes_nothing() {
    let lake = Lake::new(Kind::Sqlite);
    let table = lake.table(&definition(2, &[])).await;
    let state = append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=3)).await;
    let absent = Commit { remove: Removal::Files(vec!["file:///nowhere.parquet".into()]), ..commit("absent", Operation::Delete) };
    assert!(table.commit(&state, &absent).await.is_err());
    let (path, _) = crate::rows::position_of(table.as_ref(), &state, 1).await;
    let beyond = Commit { delete_rows: BTreeMap::from([(path, [3].into_iter().collect())]), ..commit("beyond", Operation::Delete) };
    assert!(table.commit(&state, &beyond).await.is_err());
    let reserved = Commit { properties: BTreeMap::from([("uuid".into(), "x".into())]), ..commit("reserved", Operation::Append) };
    assert!(table.commit(&state, &reserved).await.is_err());
    assert_eq!(table.head().await.unwrap().version, state.version);
}

#[tokio::test]
async fn many_small_manifests_are_merged_and_nothing_else_changes() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let mut definition = definition(version, &[]);
        definition.properties.insert("commit.manifest.min-count-to-merge".into(), "4".into());
        let table = lake.table(&definition).await;
        let mut state = table.head().await.unwrap();
        let mut states = vec![];
        for n in 0..10 {
            state = append(table.as_ref(), &state, &n.to_string(), &rows(n * 10..n * 10 + 10)).await;
            state =
                committed(table.commit(&state, &deleting(&format!("d{n}"), table.as_ref(), &state, &[n * 10 + 1]).await).await.unwrap());
            states.push(state.clone());
        }
        let left = |n: i64| (0..n * 10).filter(|id| id % 10 != 1);
        for (n, past) in (1..).zip(&states) {
            let at = table.at(&state, past.version.unwrap()).await.unwrap();
            assert_eq!(read(table.as_ref(), &at).await, rows(left(n)));
        }
        if let Kind::Filesystem = kind {
            let writer = Writer::new(&lake);
            let manifests = writer.manifests(writer.metadata().current_snapshot().unwrap());
            assert!(manifests.len() <= 8, "{}", manifests.len());
        }
        if version == 3 {
            assert_eq!(summary(&state, "total-position-deletes"), Some("10"));
        }
    }
}

/// A machine whose clock runs ahead has committed: what needs no snapshot works all the same, and times stay in order.
#[tokio::test]
async fn changes_without_a_snapshot_go_onto_one_from_the_future() {
    const YEAR_2096_MS: i64 = 4_000_000_000_000;
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = append(table.as_ref(), &table.head().await.unwrap(), "now", &rows(1..=3)).await;
        let ahead = Commit { now_ms: YEAR_2096_MS, ..adding("ahead", vec![write(&base, "ahead", &rows(4..=6), vec![])]) };
        let ahead = committed(table.commit(&base, &ahead).await.unwrap());
        let tagged = committed(table.set_tag(&ahead, "good", ahead.version).await.unwrap());
        let gone = Expiry { versions: base.version.into_iter().collect(), ..Expiry::default() };
        let expired = committed(table.expire(&tagged, &gone).await.unwrap());
        assert_eq!(expired.history.iter().map(|info| info.committed_at_ms).collect::<Vec<_>>(), [YEAR_2096_MS]);
        assert_eq!(read(table.as_ref(), &expired).await, rows(1..=6));
        let metadata = metadata(&lake, &expired).await;
        let times =
            |log: &str| metadata[log].as_array().unwrap().iter().map(|entry| entry["timestamp-ms"].as_i64().unwrap()).collect::<Vec<_>>();
        assert_eq!(times("snapshot-log"), [YEAR_2096_MS]);
        let files = times("metadata-log");
        assert!(files.is_sorted() && files[0] > 0 && files.ends_with(&[YEAR_2096_MS, YEAR_2096_MS + 1]), "{files:?}");
        assert_eq!(metadata["last-updated-ms"], YEAR_2096_MS + 2);
    }
}

/// A tag that another writer gave an age goes with the snapshot that it names; what no one limited the table limits.
#[tokio::test]
async fn branches_and_tags_say_how_long_they_are_kept() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let mut definition = definition(version, &[]);
        definition.properties.insert("history.expire.max-ref-age-ms".into(), "7".into());
        let table = lake.table(&definition).await;
        let first = append(table.as_ref(), &table.head().await.unwrap(), "first", &rows(1..=3)).await;
        let tagged = committed(table.set_tag(&first, "audit", first.version).await.unwrap());
        let head = append(table.as_ref(), &tagged, "second", &rows(4..=6)).await;
        let retention = table.ref_retention(&head).unwrap();
        let age = RefRetention { max_ref_age_ms: Some(7), ..RefRetention::default() };
        assert_eq!(retention, BTreeMap::from([("audit".to_owned(), age), ("main".to_owned(), age)]));
        let versions = || first.version.into_iter().collect();
        assert!(table.expire(&head, &Expiry { versions: versions(), ..Expiry::default() }).await.is_err(), "a tag names it");
        let expiry = Expiry { versions: versions(), refs: ["audit".to_owned()].into(), ..Expiry::default() };
        let after = committed(table.expire(&head, &expiry).await.unwrap());
        assert_eq!((after.refs.keys().map(String::as_str).collect::<Vec<_>>(), after.history.len()), (vec!["main"], 1));
        assert_eq!(read(table.as_ref(), &after).await, rows(1..=6));
    }
}
