use waterline_core::format::{FIELD_ID, KeepAll, TableDefinition};
use waterline_core::table::TableName;

use crate::lake::{Kind, Lake, all, append, definition, name};
use crate::rows::{read, rows};

#[tokio::test]
async fn a_new_table_has_ids_keys_partitions_and_properties() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &["bucket(4, id)", "name"])).await;
        let state = table.head().await.unwrap();
        assert_eq!(state.version, None);
        assert!(state.location.ends_with("/ware house/shop/orders"), "{}", state.location);
        assert_eq!(state.keys, ["id"]);
        let ids: Vec<_> = state.schema.fields().iter().map(|field| (field.name().as_str(), field.metadata()[FIELD_ID].as_str())).collect();
        assert_eq!(ids, [("id", "1"), ("name", "2"), ("qty", "3"), ("price", "4")]);
        assert_eq!(state.partition_by.iter().map(ToString::to_string).collect::<Vec<_>>(), ["bucket(4, id)", "name"]);
        assert_eq!(state.properties.get("owner").map(String::as_str), Some("test"));
        assert!(!state.properties.contains_key("format-version"));
        assert!(state.history.is_empty() && state.refs.is_empty());
        assert!(table.data_files(&state, &KeepAll).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn tables_are_listed_opened_and_never_made_twice() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let catalog = lake.catalog().await;
        assert_eq!(catalog.list().await.unwrap(), []);
        assert!(catalog.open(&name()).await.unwrap().is_none());
        let table = catalog.create(&name(), &definition(version, &[])).await.unwrap();
        let other = TableName::new("shop", "orders__changelog").unwrap();
        catalog.create(&other, &definition(version, &[])).await.unwrap();
        append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..4)).await;

        let again = lake.catalog().await;
        assert_eq!(again.list().await.unwrap(), [name(), other]);
        let different = TableDefinition { keys: Vec::new(), ..definition(version, &[]) };
        let opened = again.create(&name(), &different).await.unwrap();
        assert_eq!(opened.head().await.unwrap().keys, ["id"]);
        let opened = again.open(&name()).await.unwrap().unwrap();
        assert_eq!(read(opened.as_ref(), &opened.head().await.unwrap()).await, rows(1..4));
    }
}

#[tokio::test]
async fn a_stale_version_hint_is_overruled_by_newer_files() {
    let lake = Lake::new(Kind::Filesystem);
    let table = lake.table(&definition(2, &[])).await;
    let mut state = table.head().await.unwrap();
    for n in 0..3 {
        state = append(table.as_ref(), &state, &n.to_string(), &rows(n * 10..n * 10 + 3)).await;
    }
    let hint = lake.folder.path().join("ware house/shop/orders/metadata/version-hint.text");
    assert_eq!(std::fs::read_to_string(&hint).unwrap(), "4");
    for stale in ["1", "99", "nonsense"] {
        std::fs::write(&hint, stale).unwrap();
        let table = lake.catalog().await.open(&name()).await.unwrap().unwrap();
        assert_eq!(table.head().await.unwrap().version, state.version, "{stale}");
    }
    std::fs::remove_file(&hint).unwrap();
    let table = lake.catalog().await.open(&name()).await.unwrap().unwrap();
    assert_eq!(table.head().await.unwrap().version, state.version);
}
