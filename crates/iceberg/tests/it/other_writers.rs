use std::collections::BTreeMap;

use iceberg::spec::{DataContentType, DataFileFormat, Literal, ManifestContentType, Struct};
use waterline_core::error::ErrorKind;
use waterline_core::format::{Commit, DataFile, DeleteState, KeepAll, Operation, TableFormat, TableState};
use waterline_core::value::Value;

use crate::foreign::Writer;
use crate::lake::{Kind, Lake, all, append, append_to, commit, committed, definition, deleting, summary};
use crate::rows::{read, read_file, rows};

fn partition(id: i64) -> Struct {
    [Some(Literal::long(id))].into_iter().collect()
}

async fn files(table: &dyn TableFormat, state: &TableState) -> BTreeMap<String, DataFile> {
    let files = table.data_files(state, &KeepAll).await.unwrap();
    files.into_iter().map(|file| (file.path.rsplit('/').next().unwrap().trim_end_matches(".parquet").to_owned(), file)).collect()
}

/// Files `a` (1 to 10) and `b` (11 to 20) in partition 0, `c` (101 to 110) in partition 100.
async fn partitioned(lake: &Lake) -> (std::sync::Arc<dyn TableFormat>, TableState) {
    let table = lake.table(&definition(2, &["truncate(100, id)"])).await;
    let mut state = table.head().await.unwrap();
    for (name, first) in [("a", 1), ("b", 11), ("c", 101)] {
        state = append_to(table.as_ref(), &state, name, &rows(first..first + 10), vec![Some(Value::Int(first / 100 * 100))]).await;
    }
    (table, state)
}

#[tokio::test]
async fn position_deletes_of_a_partition_apply_to_the_files_that_they_name() {
    let lake = Lake::new(Kind::Filesystem);
    let (table, state) = partitioned(&lake).await;
    let paths: Vec<String> = files(table.as_ref(), &state).await.into_values().map(|file| file.path).collect();
    let writer = Writer::new(&lake);
    // The second row names a file of another partition: the deletes of one partition do not reach into another.
    let deletes = writer.positions("deletes", &[(&paths[0], 2), (&paths[1], 0), (&paths[1], 9), (&paths[2], 5)], partition(0));
    writer.add(ManifestContentType::Deletes, vec![deletes]).await;
    let state = table.head().await.unwrap();
    let expected = |gone: &[i64]| rows((1..=20).chain(101..=110).filter(|id| !gone.contains(id)));
    assert_eq!(read(table.as_ref(), &state).await, expected(&[3, 11, 20]));
    let states: Vec<_> = files(table.as_ref(), &state).await.values().map(|file| file.deletes).collect();
    assert_eq!(states, [DeleteState::Some, DeleteState::Some, DeleteState::None]);

    let merged = committed(table.commit(&state, &deleting("ours", table.as_ref(), &state, &[4, 105]).await).await.unwrap());
    assert_eq!(read(table.as_ref(), &merged).await, expected(&[3, 4, 11, 20, 105]));
    assert_eq!(summary(&merged, "removed-delete-files"), None);

    writer.upgrade();
    let upgraded = table.head().await.unwrap();
    let vectors = committed(table.commit(&upgraded, &deleting("vectors", table.as_ref(), &upgraded, &[5, 12]).await).await.unwrap());
    assert_eq!(read(table.as_ref(), &vectors).await, expected(&[3, 4, 5, 11, 12, 20, 105]));
    let counts = ["added-dvs", "added-position-deletes", "removed-position-delete-files"].map(|key| summary(&vectors, key));
    assert_eq!(counts, [Some("2"), Some("6"), Some("1")]);
}

#[tokio::test]
async fn deletes_of_one_file_known_by_their_bounds_are_replaced() {
    let lake = Lake::new(Kind::Filesystem);
    let (table, state) = partitioned(&lake).await;
    let path = files(table.as_ref(), &state).await["a"].path.clone();
    let writer = Writer::new(&lake);
    // Another writer may leave out the empty authority, and forget the partition of the data file.
    let plain = path.replace("file://", "file:");
    writer.add(ManifestContentType::Deletes, vec![writer.positions("deletes", &[(&plain, 2), (&plain, 3)], partition(100))]).await;
    let state = table.head().await.unwrap();
    let state = committed(table.commit(&state, &deleting("ours", table.as_ref(), &state, &[1]).await).await.unwrap());
    assert_eq!(read(table.as_ref(), &state).await, rows((2..=20).chain(101..=110).filter(|id| ![3, 4].contains(id))));
    assert_eq!([summary(&state, "removed-position-deletes"), summary(&state, "added-position-deletes")], [Some("2"), Some("3")]);
}

#[tokio::test]
async fn equality_deletes_apply_to_older_files_of_their_partition() {
    let lake = Lake::new(Kind::Filesystem);
    let (table, _) = partitioned(&lake).await;
    let writer = Writer::new(&lake);
    writer.add(ManifestContentType::Deletes, vec![writer.equality("by-id", &[3, 104], partition(0))]).await;
    let state = append_to(table.as_ref(), &table.head().await.unwrap(), "d", &rows([3]), vec![Some(Value::Int(0))]).await;
    let files = files(table.as_ref(), &state).await;
    let deletes = |name: &str| {
        files[name]
            .equality_deletes
            .iter()
            .map(|delete| (delete.path.rsplit('/').next().unwrap().to_owned(), delete.field_ids.clone()))
            .collect::<Vec<_>>()
    };
    for name in ["a", "b"] {
        assert_eq!(deletes(name), [("by-id.parquet".to_owned(), vec![1])]);
    }
    assert!(deletes("c").is_empty() && deletes("d").is_empty());
    assert_eq!(read_file(table.as_ref(), &files["a"]).await, rows(1..=10), "equality deletes are the engine's");
}

#[tokio::test]
async fn equality_deletes_of_a_table_without_partitions_apply_to_all_older_files() {
    let lake = Lake::new(Kind::Filesystem);
    let table = lake.table(&definition(2, &[])).await;
    append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=3)).await;
    let writer = Writer::new(&lake);
    writer.add(ManifestContentType::Deletes, vec![writer.equality("by-id", &[3], Struct::empty())]).await;
    let state = append(table.as_ref(), &table.head().await.unwrap(), "b", &rows(4..=6)).await;
    let counts: Vec<_> = files(table.as_ref(), &state).await.values().map(|file| file.equality_deletes.len()).collect();
    assert_eq!(counts, [1, 0]);
    let load = Commit { remove: waterline_core::format::Removal::All, ..commit("load", Operation::Overwrite) };
    let state = committed(table.commit(&state, &load).await.unwrap());
    assert_eq!([summary(&state, "removed-equality-deletes"), summary(&state, "deleted-records")], [Some("1"), Some("6")]);
    assert!(
        Writer::new(&lake)
            .manifests(Writer::new(&lake).metadata().current_snapshot().unwrap())
            .iter()
            .all(|file| !file.has_existing_files())
    );
}

#[tokio::test]
async fn files_that_are_not_parquet_are_refused_by_name() {
    for content in [DataContentType::Data, DataContentType::PositionDeletes, DataContentType::EqualityDeletes] {
        let lake = Lake::new(Kind::Filesystem);
        let table = lake.table(&definition(2, &[])).await;
        append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=3)).await;
        let writer = Writer::new(&lake);
        let file = writer.entry(content, DataFileFormat::Orc, "file:///lake/x.orc", 1, Struct::empty()).build().unwrap();
        let manifest = if content == DataContentType::Data { ManifestContentType::Data } else { ManifestContentType::Deletes };
        writer.add(manifest, vec![file]).await;
        let error = table.data_files(&table.head().await.unwrap(), &KeepAll).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("x.orc"), "{error}");
    }
}

#[tokio::test]
async fn features_that_would_be_read_wrong_are_refused_by_name() {
    for (feature, change) in [
        ("type variant", (|field| field["type"] = "variant".into()) as fn(&mut serde_json::Value)),
        ("default values", |field| field["initial-default"] = "x".into()),
    ] {
        let lake = Lake::new(Kind::Filesystem);
        let table = lake.table(&definition(3, &[])).await;
        Writer::new(&lake).edit(|metadata| change(&mut metadata["schemas"][0]["fields"][1]));
        let error = table.head().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(feature) && error.to_string().contains("v2.metadata.json"), "{error}");
    }
}

#[tokio::test]
async fn a_renamed_column_keeps_its_partition_values_and_bounds() {
    let lake = Lake::new(Kind::Filesystem);
    let (table, _) = partitioned(&lake).await;
    Writer::new(&lake).edit(|metadata| metadata["schemas"][0]["fields"][0]["name"] = "key".into());
    let state = table.head().await.unwrap();
    assert_eq!(
        (state.keys.as_slice(), state.partition_by[0].to_string()),
        (["key".to_owned()].as_slice(), "truncate(100, key)".to_owned())
    );
    let file = &files(table.as_ref(), &state).await["c"];
    assert_eq!(file.summary.partition, [("truncate(100, key)".parse().unwrap(), Some(Value::Int(100)))]);
    assert_eq!(file.summary.bounds["key"].upper, Some(Value::Int(110)));
}

#[tokio::test]
async fn gzipped_metadata_is_read_and_written() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let mut definition = definition(version, &[]);
        definition.properties.insert("write.metadata.compression-codec".into(), "gzip".into());
        let table = lake.table(&definition).await;
        let state = append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=3)).await;
        let table = lake.catalog().await.open(table.name()).await.unwrap().unwrap();
        assert_eq!(table.head().await.unwrap().version, state.version);
        let names = std::fs::read_dir(lake.folder.path().join("ware house/shop/orders/metadata")).unwrap();
        let names: Vec<_> =
            names.map(|file| file.unwrap().file_name().into_string().unwrap()).filter(|name| name.contains("metadata.json")).collect();
        assert!(names.len() == 2 && names.iter().all(|name| name.ends_with(".gz.metadata.json")), "{names:?}");
    }
}

#[tokio::test]
async fn a_torn_metadata_file_is_corrupt_and_named() {
    let lake = Lake::new(Kind::Filesystem);
    let table = lake.table(&definition(2, &[])).await;
    let folder = lake.folder.path().join("ware house/shop/orders/metadata");
    let whole = std::fs::read(folder.join("v1.metadata.json")).unwrap();
    std::fs::write(folder.join("v2.metadata.json"), &whole[..whole.len() / 2]).unwrap();
    let error = table.head().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("v2.metadata.json"), "{error}");
}
