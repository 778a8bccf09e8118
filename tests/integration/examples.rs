//! The programs of `examples/`, on the sample that is beside them.

#[expect(dead_code, reason = "`main` is for the command line")]
#[path = "../../examples/back_test.rs"]
mod back_test;
#[expect(dead_code, reason = "`main` is for the command line")]
#[path = "../../examples/merge_folder.rs"]
mod merge_folder;
#[expect(dead_code, reason = "`main` is for the command line")]
#[path = "../../examples/read_snapshot.rs"]
mod read_snapshot;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use waterline_core::as_of::{Cut, time_text};
use waterline_core::error::ErrorKind;
use waterline_core::format::Catalog;
use waterline_core::moments::parse_moment;
use waterline_engine::read::{ReadAt, SessionOptions, query, session};
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

const CUSTOMERS: &str = "select id, name, city, credit from shop.customers order by id";
const CUSTOMERS_AFTER_FIRST_FILE: &str = "\
+----+--------------+--------+--------+
| id | name         | city   | credit |
+----+--------------+--------+--------+
| 3  | Chiara Conti | Torino | 0.00   |
| 4  | Dag Nilsen   | Bergen | 0.00   |
| 5  | Efua Mensah  | Kumasi | 80.25  |
| 6  | Finn O'Brien | Cork   | 0.00   |
+----+--------------+--------+--------+";
const CUSTOMERS_AFTER_BOTH: &str = "\
+----+-------------------+---------+--------+
| id | name              | city    | credit |
+----+-------------------+---------+--------+
| 1  | Aiko Tanaka-Weiss | Kobe    | 31.90  |
| 2  | Bram de Vries     | Utrecht | 0.00   |
| 3  | Chiara Conti      | Torino  | 0.00   |
| 4  | Dag Nilsen        | Bergen  | 0.00   |
| 5  | Efua Mensah       | Kumasi  | 80.25  |
| 6  | Finn O'Brien      | Cork    | 0.00   |
| 7  | Greta Lindqvist   | Malmö   | 0.00   |
+----+-------------------+---------+--------+";

const ORDERS: &str = "select id, status, total, placed_at, note from shop.orders order by id";
const ORDERS_AFTER_BOTH: &str = "\
+-----+---------+---------+--------------------------+------------------+
| id  | status  | total   | placed_at                | note             |
+-----+---------+---------+--------------------------+------------------+
| 103 | shipped | 18.75   | 2025-11-11T08:05:31.007Z |                  |
| 104 | paid    | 72.30   | 2025-11-11T20:51:10.900Z |                  |
| 106 | shipped | 205.00  | 2025-11-12T02:59:30.250Z | left at the door |
| 108 | shipped | 15.00   | 2025-11-12T04:35:06Z     |                  |
| 109 | shipped | 1250.00 | 2025-11-12T08:02:30Z     | two parcels      |
| 110 | shipped | 22.45   | 2025-11-12T11:50:48Z     |                  |
| 111 | paid    | 79.29   | 2025-11-12T14:39:54Z     | 10 % off         |
| 112 | open    | 9.99    | 2025-11-12T17:09:48Z     | second attempt   |
+-----+---------+---------+--------------------------+------------------+";

/// A landing area to which files of the sample are added, and a warehouse.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn land(&self, file: &str) {
        for table in ["pg.shop.customers", "pg.shop.orders"] {
            let folder = PathBuf::from(self.path("landing")).join(table);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::copy(sample().join("landing").join(table).join(file), folder.join(file)).unwrap();
        }
    }

    async fn merge(&self) -> String {
        let ddl = sample().join("ddl.sql");
        merge_folder::run(&self.path("warehouse"), &self.path("landing"), ddl.to_str().unwrap()).await.unwrap()
    }

    async fn query(&self, sql: &str, snapshot: Option<&str>) -> String {
        read_snapshot::run(&self.path("warehouse"), sql, snapshot).await.unwrap()
    }

    /// Id of the newest snapshot of the customers.
    async fn snapshot(&self) -> String {
        let catalog = FilesystemCatalog::new(&self.path("warehouse"), Env::system()).unwrap();
        let table = catalog.open(&"shop.customers".parse().unwrap()).await.unwrap().unwrap();
        table.head().await.unwrap().version.unwrap().0.to_string()
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample")
}

#[tokio::test]
async fn a_folder_is_merged_and_an_older_snapshot_read() {
    let shop = Shop::new();
    shop.land("00000.jsonl");
    assert_eq!(shop.merge().await, "shop.customers: 4 inserted, 0 updated, 0 deleted\nshop.orders: 6 inserted, 0 updated, 0 deleted\n");
    let first = shop.snapshot().await;
    shop.land("00001.jsonl");
    assert_eq!(shop.merge().await, "shop.customers: 3 inserted, 0 updated, 0 deleted\nshop.orders: 3 inserted, 2 updated, 1 deleted\n");
    assert_eq!(shop.query(CUSTOMERS, Some(&first)).await, CUSTOMERS_AFTER_FIRST_FILE);
    assert_eq!(shop.query(CUSTOMERS, None).await, CUSTOMERS_AFTER_BOTH);
    assert_eq!(shop.query(CUSTOMERS, Some("main")).await, CUSTOMERS_AFTER_BOTH);
    assert_eq!(shop.query(ORDERS, None).await, ORDERS_AFTER_BOTH);
}

#[tokio::test]
async fn a_folder_without_news_changes_nothing() {
    let shop = Shop::new();
    shop.land("00000.jsonl");
    shop.merge().await;
    let first = shop.snapshot().await;
    let again = "shop.customers: 0 inserted, 0 updated, 0 deleted\nshop.orders: 0 inserted, 0 updated, 0 deleted\n";
    assert_eq!(shop.merge().await, again);
    assert_eq!(shop.snapshot().await, first);
}

#[tokio::test]
async fn a_snapshot_that_is_not_there_is_an_error() {
    let shop = Shop::new();
    shop.land("00000.jsonl");
    shop.merge().await;
    let error = read_snapshot::run(&shop.path("warehouse"), CUSTOMERS, Some("monday")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_rule_is_replayed_at_many_moments() {
    let shop = Shop::new();
    shop.land("00000.jsonl");
    shop.land("00001.jsonl");
    shop.merge().await;
    let replayed = back_test::run(&shop.path("warehouse"), "2025-11-12T03:40:00Z", 40).await.unwrap();
    let mut singles = String::new();
    for number in 0..20 {
        let at_us = parse_moment("2025-11-12T03:40:00Z", None).unwrap() + number * 40 * 60_000_000;
        let catalog = Arc::new(FilesystemCatalog::new(&shop.path("warehouse"), Env::system()).unwrap());
        let session = session(catalog, &Env::system(), ReadAt::AsOf(Cut::at(at_us)), &SessionOptions::default()).unwrap();
        let held = query(&session, back_test::RULE).await.unwrap().count().await.unwrap();
        singles += &format!("{}: {held} held\n", time_text(at_us));
    }
    assert_eq!(replayed, singles);
    assert!(replayed.contains("11:40:00.000000Z: 0 held") && replayed.contains("15:00:00.000000Z: 2 held"), "{replayed}");

    let error = back_test::run(&shop.path("warehouse"), "2025-11-12T03:40:00Z", 400).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAnswerable);
}
