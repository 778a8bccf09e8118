//! What a snapshot beside the main branch leaves in the metadata file, field by field (Iceberg spec, "Table Metadata Fields").

use object_store::ObjectStoreExt;
use serde_json::Value as Json;
use waterline_core::format::{Commit, Operation, TableState, Target};

use crate::lake::{Lake, adding, all, append, committed, definition, deleting};
use crate::rows::{read, rows, write};

/// The metadata file of a state.
pub async fn metadata(lake: &Lake, state: &TableState) -> Json {
    let (store, path) = lake.env.stores.resolve(state.metadata_location.as_deref().unwrap()).unwrap();
    serde_json::from_slice(&store.get(&path).await.unwrap().bytes().await.unwrap()).unwrap()
}

fn snapshot(metadata: &Json, state: &TableState) -> Json {
    let snapshots = metadata["snapshots"].as_array().unwrap();
    snapshots.iter().find(|snapshot| snapshot["snapshot-id"].as_i64() == state.version.map(|version| version.0)).unwrap().clone()
}

#[tokio::test]
async fn a_snapshot_aside_is_in_the_metadata_and_not_in_the_log_of_main() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let older = append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=10)).await;
        let head = append(table.as_ref(), &older, "b", &rows(11..=20)).await;
        let before = metadata(&lake, &head).await;
        let aside = Commit {
            target: Target::Aside { parent: older.version },
            operation: Operation::Overwrite,
            add: vec![write(&head, "c", &rows(101..=103), vec![])],
            tags: vec!["then".into()],
            ..deleting("aside", table.as_ref(), &older, &[2, 3]).await
        };
        let state = committed(table.commit(&head, &aside).await.unwrap());
        assert_eq!(read(table.as_ref(), &state).await, rows([1].into_iter().chain(4..=10).chain(101..=103)));
        let after = metadata(&lake, &state).await;
        let made = snapshot(&after, &state);
        for field in ["current-snapshot-id", "snapshot-log", "properties", "current-schema-id", "schemas", "default-spec-id"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        let number = |json: &Json, field: &str| json[field].as_i64().unwrap_or_else(|| panic!("{field} in {json}"));
        assert_eq!(after["refs"]["main"], before["refs"]["main"]);
        assert_eq!(after["refs"]["then"], serde_json::json!({"snapshot-id": made["snapshot-id"], "type": "tag"}));
        assert_eq!(made["parent-snapshot-id"].as_i64(), older.version.map(|version| version.0));
        assert_eq!(number(&made, "sequence-number"), number(&before, "last-sequence-number") + 1);
        assert_eq!(after["last-sequence-number"], made["sequence-number"]);
        assert_eq!(made["schema-id"], before["current-schema-id"]);
        assert!(number(&made, "timestamp-ms") > number(&before, "last-updated-ms"));
        assert_eq!(after["last-updated-ms"], made["timestamp-ms"]);
        // Totals count from the parent.
        for (key, value) in [("total-records", "13"), ("total-position-deletes", "2"), ("added-records", "3")] {
            assert_eq!(made["summary"][key], value, "{key}");
        }
        if version == 3 {
            assert_eq!(made["first-row-id"], before["next-row-id"]);
            assert_eq!(number(&after, "next-row-id"), number(&made, "first-row-id") + number(&made, "added-rows"));
            assert!(number(&made, "added-rows") >= 3);
        }

        let next = append(table.as_ref(), &table.head().await.unwrap(), "d", &rows(21..=22)).await;
        let log = metadata(&lake, &next).await["snapshot-log"].as_array().unwrap().clone();
        assert_eq!(log.len(), 3);
        assert!(log.iter().all(|entry| entry["snapshot-id"] != made["snapshot-id"]));
        assert_eq!(read(table.as_ref(), &next).await, rows(1..=22));
        let main = snapshot(&metadata(&lake, &next).await, &next);
        assert!(number(&main, "sequence-number") > number(&made, "sequence-number"));
        if version == 3 {
            assert!(number(&main, "first-row-id") >= number(&after, "next-row-id"));
        }
    }
}

#[tokio::test]
async fn a_table_without_commits_has_a_tag_and_no_main_branch() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let dump = Commit {
            target: Target::Aside { parent: None },
            tags: vec!["waterline/baseline-7".into()],
            ..adding("dump", vec![write(&base, "a", &rows(1..=3), vec![])])
        };
        let state = committed(table.commit(&base, &dump).await.unwrap());
        let json = metadata(&lake, &state).await;
        assert!(json["refs"]["main"].is_null() && json["snapshot-log"].as_array().is_none_or(Vec::is_empty), "{json}");
        assert!(json["current-snapshot-id"].as_i64().is_none_or(|id| id == -1), "{json}");
        assert_eq!(read(table.as_ref(), &state).await, rows(1..=3));
        let reopened = lake.catalog().await.open(&crate::lake::name()).await.unwrap().unwrap();
        let head = reopened.head().await.unwrap();
        assert_eq!((head.version, head.history.len()), (None, 1));
        let first = append(reopened.as_ref(), &head, "b", &rows(4..=5)).await;
        assert_eq!(read(reopened.as_ref(), &first).await, rows(4..=5));
    }
}
