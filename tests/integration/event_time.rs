//! How far a source is known, and when its transactions were committed: a source of two tables in an Iceberg lake in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::{ChangeFormat, DecodeSettings};
use waterline_core::format::Catalog;
use waterline_core::record::{LogHeader, log_header};
use waterline_core::table::TableName;
use waterline_engine::ingest::{IngestOptions, Mode, SchemaSource, Source, TableSelection, ingest};
use waterline_engine::lake::Lake;
use waterline_engine::progress::Silent;
use waterline_engine::tables::{TableSettings, open_or_create_pair};
use waterline_env::{Env, ObjectStores};
use waterline_iceberg::FilesystemCatalog;
use waterline_testkit::cell::Cell;
use waterline_testkit::files::read_rows;
use waterline_testkit::world::World;

use crate::shell::fixture;

pub(crate) const SECOND_US: i64 = 1_000_000;
const MOMENT_00_US: i64 = 1_795_225_774_473_380;

pub(crate) struct Shop {
    pub(crate) lake: Lake,
    world: World,
    source: Source,
}

impl Shop {
    pub(crate) fn new(path: &str) -> Self {
        let world = World::in_memory(3);
        let catalog = crate::formats::Format::asked_for().catalog("memory://lake/warehouse", &world.env);
        Self { lake: Lake::new(catalog, world.env.clone()), world, source: source(path) }
    }

    pub(crate) async fn land(&self, file: &str, lines: &[String]) {
        let (store, path) = self.world.stores.resolve(&format!("memory://landing/{file}")).unwrap();
        store.put_opts(&path, (lines.join("\n") + "\n").into(), Default::default()).await.unwrap();
    }

    pub(crate) async fn run(&self) {
        run(&self.lake, &self.source).await;
    }

    async fn header(&self, table: &str) -> LogHeader {
        header(&self.lake, table).await
    }

    /// Seconds of the logged events by id.
    async fn times(&self, table: &str) -> BTreeMap<i64, i64> {
        let changelog = self.lake.table(&table.parse::<TableName>().unwrap().changelog()).await.unwrap();
        let rows = read_rows(&self.lake.env, changelog.as_ref(), &changelog.head().await.unwrap()).await.unwrap();
        rows.iter().map(|row| (int(row.get("id")), int(row.get("_event_time")) / SECOND_US)).collect()
    }
}

fn int(cell: Option<&Cell>) -> i64 {
    match cell {
        Some(Cell::Int(number)) => *number,
        other => panic!("{other:?}"),
    }
}

fn source(path: &str) -> Source {
    let ddl = "CREATE TABLE shop.a (id bigint PRIMARY KEY); CREATE TABLE shop.b (id bigint PRIMARY KEY);";
    Source {
        schema: SchemaSource { ddl: Some(parse_ddl(ddl, SqlDialect::Postgres).unwrap()), ..SchemaSource::default() },
        decode: DecodeSettings::new(ChangeFormat::DebeziumJson),
        tables: TableSelection::Matching { patterns: vec!["shop.*".into()], disabled: Vec::new() },
        ..Source::new("s", ChangeFormat::DebeziumJson, vec![path.to_owned()])
    }
}

async fn run(lake: &Lake, source: &Source) {
    let report = ingest(lake, source, &IngestOptions::new(Mode::Log), &Silent).await.unwrap();
    for table in report.tables {
        table.result.unwrap();
    }
}

async fn header(lake: &Lake, table: &str) -> LogHeader {
    let changelog = lake.table(&table.parse::<TableName>().unwrap().changelog()).await.unwrap();
    log_header(&changelog.head().await.unwrap()).unwrap()
}

/// A row that PostgreSQL committed at this second, which is its place in the log too.
pub(crate) fn postgres(table: &str, second: i64) -> String {
    format!(
        r#"{{"before":null,"after":{{"id":{second}}},"source":{{"connector":"postgresql","name":"pg","ts_us":{},"snapshot":"false","sequence":"[\"{second}\",\"{second}\"]","schema":"shop","table":"{table}","lsn":{second}}},"op":"c","ts_ms":1}}"#,
        second * SECOND_US
    )
}

/// A row of a transaction of MySQL, whose statement ran at this second.
pub(crate) fn mysql(table: &str, gtid: &str, offset: i64, second: i64) -> String {
    format!(
        r#"{{"before":null,"after":{{"id":{offset}}},"source":{{"connector":"mysql","name":"my","ts_ms":{},"snapshot":"false","db":"shop","table":"{table}","gtid":{gtid},"file":"binlog.000002","pos":{offset},"row":0}},"op":"c","ts_ms":1}}"#,
        second * 1_000
    )
}

#[tokio::test]
async fn a_table_taken_up_later_has_the_sources_since() {
    let shop = Shop::new("memory://landing/{table}/");
    shop.land("shop.a/0.jsonl", &[postgres("a", 5), postgres("a", 9)]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.a").await.since_us, Some(5 * SECOND_US));
    shop.land("shop.b/0.jsonl", &[postgres("b", 20)]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.b").await.since_us, Some(5 * SECOND_US));
    shop.land("shop.b/1.jsonl", &[postgres("b", 3)]).await;
    shop.run().await;
    assert_eq!((shop.header("shop.a").await.since_us, shop.header("shop.b").await.since_us), (Some(3 * SECOND_US), Some(3 * SECOND_US)));
}

#[tokio::test]
async fn every_table_of_tpcc_is_known_since_before_the_first_moment() {
    let warehouse = tempfile::tempdir().unwrap();
    let env = Env { stores: Arc::new(ObjectStores::default()), ..World::in_memory(3).env };
    let catalog: Arc<dyn Catalog> = Arc::new(FilesystemCatalog::new(warehouse.path().to_str().unwrap(), env.clone()).unwrap());
    let lake = Lake::new(catalog, env);
    let ddl = std::fs::read_to_string(fixture("tpcc/ddl.sql")).unwrap();
    let names = ["tpcc.customer", "tpcc.item", "tpcc.history", "tpcc.new_order", "tpcc.orders"];
    let tpcc = Source {
        schema: SchemaSource { ddl: Some(parse_ddl(&ddl, SqlDialect::Postgres).unwrap()), ..SchemaSource::default() },
        tables: TableSelection::Matching { patterns: names.map(str::to_owned).to_vec(), disabled: Vec::new() },
        ..source(&format!("{}/pg.{{table}}/", fixture("tpcc/events").display()))
    };
    run(&lake, &tpcc).await;
    for name in names {
        let since_us = header(&lake, name).await.since_us;
        assert!(since_us.is_some_and(|since_us| since_us <= MOMENT_00_US), "{name}: {since_us:?}");
    }
}

#[tokio::test]
async fn rule_16_events_of_a_transaction_have_one_time_in_all_tables() {
    let shop = Shop::new("memory://landing/my.{table}/");
    shop.land("my.shop.a/0.jsonl", &[mysql("a", r#""g:1""#, 10, 5), mysql("a", r#""g:2""#, 30, 8)]).await;
    shop.land("my.shop.b/0.jsonl", &[mysql("b", r#""g:1""#, 20, 7), mysql("b", r#""g:2""#, 40, 8)]).await;
    shop.run().await;
    assert_eq!(shop.times("shop.a").await, BTreeMap::from([(10, 7), (30, 8)]));
    assert_eq!(shop.times("shop.b").await, BTreeMap::from([(20, 7), (40, 8)]));
    let header = shop.header("shop.a").await;
    assert_eq!((header.counts.torn, header.watermark_us), (0, Some(7 * SECOND_US)));

    shop.land("my.shop.b/1.jsonl", &[mysql("b", r#""g:2""#, 50, 9), mysql("b", r#""g:3""#, 60, 9)]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.b").await.counts.torn, 1, "an earlier job logged the begin of g:2 at 8");
    assert_eq!(shop.times("shop.b").await, BTreeMap::from([(20, 7), (40, 8), (50, 9), (60, 9)]));
}

#[tokio::test]
async fn rule_16_without_a_name_of_its_transaction_an_event_is_counted() {
    let shop = Shop::new("memory://landing/");
    shop.land("0.jsonl", &[mysql("a", "null", 10, 5), mysql("a", r#""g:1""#, 20, 5)]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.a").await.counts.torn, 1);
}

#[tokio::test]
async fn rule_17_a_quiet_table_is_complete_because_its_source_is() {
    let shop = Shop::new("memory://landing/{table}/");
    let settings = TableSettings::default();
    let b: TableName = "shop.b".parse().unwrap();
    let schema = shop.source.schema.declared(&b, &settings).unwrap().unwrap();
    open_or_create_pair(&shop.lake, &b, &schema, &settings).await.unwrap();
    shop.land("shop.a/0.jsonl", &[postgres("a", 5), postgres("a", 9)]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.b").await.watermark_us, Some(8 * SECOND_US));
}

#[tokio::test]
async fn rule_17_the_partition_is_the_stream_and_neither_a_file_nor_a_day() {
    for path in ["memory://landing/2026-11-21/", "memory://landing/2026/11/21/0.jsonl"] {
        let mut shop = Shop::new(path);
        let folder = path.trim_start_matches("memory://landing/").trim_end_matches("0.jsonl");
        shop.land(&format!("{folder}0.jsonl"), &[postgres("a", 5)]).await;
        shop.run().await;
        shop.source.paths = vec![path.replace("21", "22")];
        shop.land(&format!("{}0.jsonl", folder.replace("21", "22")), &[postgres("a", 9)]).await;
        shop.run().await;
        assert_eq!(shop.header("shop.a").await.watermark_us, Some(8 * SECOND_US), "{path}");
    }
}

#[tokio::test]
async fn rule_17_a_partition_that_the_source_is_no_longer_read_from_holds_nothing_back() {
    let mut shop = Shop::new("memory://landing/old/");
    shop.land("old/0.jsonl", &[postgres("a", 5)]).await;
    shop.run().await;
    shop.source.paths = vec!["memory://landing/new/".into()];
    shop.land("new/0.jsonl", &[postgres("a", 9)]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.a").await.watermark_us, Some(8 * SECOND_US));
}

#[tokio::test]
async fn rule_17_only_events_in_order_and_ends_of_transactions_raise_the_watermark() {
    let shop = Shop::new("memory://landing/");
    let late = postgres("a", 3).replace(&(3 * SECOND_US).to_string(), &(50 * SECOND_US).to_string());
    let heartbeat = format!(r#"{{"ts_ms":{}}}"#, 90_000);
    let begin = r#"{"status":"BEGIN","id":"1:1","event_count":null,"data_collections":null,"ts_ms":80000}"#.to_owned();
    shop.land("0.jsonl", &[postgres("a", 5), late, heartbeat.clone(), begin]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.a").await.watermark_us, Some(4 * SECOND_US));
    shop.land("1.jsonl", &[r#"{"status":"END","id":"1:1","event_count":1,"data_collections":[],"ts_ms":7000}"#.to_owned()]).await;
    shop.run().await;
    assert_eq!(shop.header("shop.a").await.watermark_us, Some(6 * SECOND_US));

    // Where the source says how late events may be, the connector's clock says what has arrived.
    let mut bounded = Shop::new("memory://landing/");
    bounded.source.lateness_us = 60 * SECOND_US;
    bounded.land("0.jsonl", &[postgres("a", 5), heartbeat]).await;
    bounded.run().await;
    assert_eq!(bounded.header("shop.a").await.watermark_us, Some(29 * SECOND_US));
}
