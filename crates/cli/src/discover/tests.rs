use std::io::Write;

use super::record::observe;
use super::*;

/// A folder with files by their paths.
fn landing(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

async fn found(dir: &tempfile::TempDir, below: &str) -> Result<Discovery> {
    discover(&Env::system(), &[format!("{}/{below}", dir.path().display())]).await
}

fn event(table: &str) -> String {
    let source = r#""connector":"postgresql","name":"pg","schema":"shop","sequence":"[\"1\",\"2\"]","lsn":2,"ts_us":1763700000000000"#;
    format!(r#"{{"before":null,"after":{{"id":1,"name":"x"}},"source":{{{source},"table":"{table}"}},"op":"c"}}"#) + "\n"
}

#[tokio::test]
async fn folders_named_after_their_tables_become_a_pattern() {
    let (orders, customers) = (event("orders"), event("customers"));
    let dir = landing(&[
        ("in/pg.shop.orders/0.jsonl", &orders.repeat(3)),
        ("in/pg.shop.orders/1.jsonl", &orders),
        ("in/pg.shop.customers/0.jsonl", &customers),
        ("in/_SUCCESS", ""),
    ]);
    let found = found(&dir, "in/").await.unwrap();
    assert_eq!(found.paths, [format!("{}/in/pg.{{table}}/", dir.path().display())]);
    assert_eq!(found.source.as_deref(), Some("pg"));
    let names: Vec<String> = found.tables.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["shop.customers", "shop.orders"]);
    let orders_found = &found.tables[&"shop.orders".parse().unwrap()];
    assert_eq!((orders_found.files, orders_found.sampled_events, orders_found.size_bytes), (Some(2), 3, Some(4 * orders.len() as u64)));
    assert_eq!(orders_found.columns, [("id".to_owned(), Some(DataType::Int64)), ("name".to_owned(), Some(DataType::Utf8))]);
}

#[tokio::test]
async fn files_of_many_tables_are_named_by_their_folder() {
    let dir = landing(&[("all/0.jsonl", &(event("a") + &event("b")))]);
    let found = found(&dir, "all").await.unwrap();
    assert_eq!(found.paths, [format!("{}/all", dir.path().display())]);
    assert_eq!(found.tables.values().map(|table| table.files).collect::<Vec<_>>(), [None, None]);
}

#[tokio::test]
async fn compression_is_told_by_the_bytes() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(event("a").as_bytes()).unwrap();
    let dir = landing(&[]);
    std::fs::write(dir.path().join("a.bin"), gz.finish().unwrap()).unwrap();
    std::fs::write(dir.path().join("b.bin"), zstd::encode_all(event("b").as_bytes(), 1).unwrap()).unwrap();
    for (file, table) in [("a.bin", "shop.a"), ("b.bin", "shop.b")] {
        let found = found(&dir, file).await.unwrap();
        assert!(found.tables.contains_key(&table.parse().unwrap()), "{file}");
    }
}

#[tokio::test]
async fn the_plain_form_takes_its_table_from_the_folder() {
    let dir =
        landing(&[("crm.users/x.jsonl", r#"{"op":"c","updated_at":"2025-11-12 03:11:00","record":{"id":5,"score":1.5,"gone":null}}"#)]);
    let found = found(&dir, "").await.unwrap();
    assert_eq!((found.format, found.source), (ChangeFormatName::PlainJson, None));
    let columns = &found.tables[&"crm.users".parse().unwrap()].columns;
    let shown: Vec<_> = columns.iter().map(|(name, data_type)| (name.as_str(), data_type.clone())).collect();
    assert_eq!(shown, [("id", Some(DataType::Int64)), ("score", Some(DataType::Float64)), ("gone", None)]);
}

#[tokio::test]
async fn what_holds_no_events_is_refused() {
    let dir = landing(&[
        ("csv/a.csv", "id,name\n1,x\n"),
        ("empty/a.jsonl", ""),
        ("mixed/s.a/0.jsonl", &event("a")),
        ("mixed/s.b/0.jsonl", r#"{"op":"c","record":{}}"#),
    ]);
    for (below, expected) in [("csv", "waterline load"), ("empty", "no change events"), ("none", "no files"), ("mixed", "two formats")] {
        let error = found(&dir, below).await.unwrap_err();
        assert!(error.kind().exit_code() == 1 && error.to_string().contains(expected), "{below}: {error}");
    }
}

#[tokio::test]
async fn messages_with_schemas_show_keys_and_the_types_of_the_table() {
    let line = br#"{"topic":"pg.shop.orders","headers":[],"key":{"schema":{"type":"struct","fields":[{"field":"shop","type":"int32"},
        {"field":"id","type":"int64"}]},"payload":{"id":7,"shop":1}},"value":{"schema":{"type":"struct","fields":[
        {"field":"after","type":"struct","fields":[{"field":"shop","type":"int32"},{"field":"id","type":"int64"},
            {"field":"at","type":"int64","name":"io.debezium.time.MicroTimestamp"},
            {"field":"total","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2","connect.decimal.precision":"10"}}]},{"field":"source","type":"struct"}]},
        "payload":{"op":"d","before":{"id":7,"shop":1},"after":null,"source":{"connector":"postgresql","name":"pg","schema":"shop",
        "table":"orders","sequence":"[\"1\",\"2\"]","lsn":2,"ts_us":1763700000000000}}}}"#;
    let line: String = String::from_utf8(line.to_vec()).unwrap().replace('\n', "") + "\n";
    let dir = landing(&[("in/0.jsonl", &line)]);
    let found = found(&dir, "in/").await.unwrap();
    let orders = &found.tables[&"shop.orders".parse().unwrap()];
    assert_eq!(orders.keys, ["shop", "id"]);
    let expected = [
        ("shop", DataType::Int32),
        ("id", DataType::Int64),
        ("at", waterline_core::schema::timestamp_local()),
        ("total", DataType::Decimal128(10, 2)),
    ];
    assert_eq!(orders.columns, expected.map(|(name, data_type)| (name.to_owned(), Some(data_type))));
}

#[test]
fn flattened_records_and_what_is_no_change() {
    let flat = observe(br#"{"id":1,"__op":"c","__table":"orders","__schema":"shop","__source_ts_ms":1}"#).unwrap().unwrap();
    assert_eq!((flat.table.unwrap().to_string().as_str(), flat.columns.len()), ("shop.orders", 1));
    let message = observe(br#"{"topic":"pg.shop.orders","key":{"id":1},"value":{"id":1,"__deleted":"false"}}"#).unwrap().unwrap();
    assert_eq!((message.table.unwrap().to_string(), message.keys), ("shop.orders".to_owned(), vec!["id".to_owned()]));
    for line in ["", "  \n", "null", r#"{"key":{"id":1},"value":null}"#, r#"{"ts_ms":1}"#, r#"{"status":"BEGIN","id":"1"}"#] {
        assert_eq!(observe(line.as_bytes()).unwrap(), None, "{line}");
    }
    assert!(observe(b"PAR1").is_err());
}
