use std::time::Duration;

use waterline_core::error::ErrorKind;
use waterline_core::partition::{PartitionField, Transform};

use super::*;

const EVERYTHING: &str = r#"
[catalog]
type = "sql"
uri = "sqlite:catalog.db"
warehouse = "warehouse"

[limits]
batch_rows = 1000
memory_limit = "512MiB"

[sources.shop]
path = "landing/pg.{table}/"
format = "debezium-json"
tables = ["tpcc.*"]
schema = { ddl = ["ddl.sql", "more.sql"], dialect = "mysql" }
lateness = "90s"
timezone = "Asia/Tokyo"
on_error = "quarantine"
limits = { batch_rows = 7 }

[sources.plain]
path = ["s3://bucket/in/", "/elsewhere"]
format = "plain-json"
fields = { time = "at" }
keys = ["id"]
sequence_by = "version"
enabled = false

[tables."tpcc.customer"]
keys = ["c_w_id", "c_d_id", "c_id"]
partition_by = ["bucket(4, c_id)"]
columns = ["c_w_id integer", "c_d_id integer", "c_id integer"]
properties = { "write.merge.mode" = "merge-on-read", "format-version" = 2 }
"#;

fn variables(_: &str) -> Option<String> {
    None
}

fn resolved(text: &str) -> Result<Settings> {
    let folder = Path::new("/lake");
    Settings::resolve(File::parse(text, Path::new("waterline.toml"), variables)?, None, folder, folder)
}

#[test]
fn every_key_finds_its_place() {
    let settings = resolved(EVERYTHING).unwrap();
    let CatalogSettings::Sql { name, uri, warehouse } = &settings.lake.catalog else { panic!("another catalog") };
    assert_eq!((name.as_str(), uri.expose(), warehouse.as_str()), ("waterline", "sqlite:/lake/catalog.db", "/lake/warehouse"));
    let shop = &settings.sources["shop"];
    assert_eq!(shop.paths, ["/lake/landing/pg.{table}"]);
    assert_eq!(shop.schema.ddl, [Path::new("/lake/ddl.sql"), Path::new("/lake/more.sql")]);
    assert_eq!((shop.schema.dialect, shop.lateness, shop.on_error), (Dialect::Mysql, Duration::from_secs(90), OnError::Quarantine));
    assert_eq!((shop.limits.batch_rows, shop.limits.memory_bytes), (7, 512 << 20));
    assert_eq!(shop.timezone, Some(chrono_tz::Asia::Tokyo));
    let plain = &settings.sources["plain"];
    assert_eq!(plain.paths, ["s3://bucket/in/", "/elsewhere"]);
    assert_eq!((plain.fields.op.as_str(), plain.fields.time.as_str()), ("op", "at"));
    assert_eq!((plain.sequence_by.as_slice(), plain.enabled, plain.limits.batch_rows), (&["version".to_owned()][..], false, 1000));
    let table = settings.table(&"tpcc.customer".parse().unwrap());
    assert_eq!(table.partition_by, [PartitionField { column: "c_id".into(), transform: Transform::Bucket(4) }]);
    assert_eq!((table.properties["format-version"].as_str(), table.columns.len()), ("2", 3));
}

#[test]
fn a_source_feeds_the_tables_that_it_names_from_their_own_paths() {
    let settings = resolved(EVERYTHING).unwrap();
    let (customer, other) = ("tpcc.customer".parse().unwrap(), "shop.orders".parse().unwrap());
    let shop = &settings.sources["shop"];
    assert!(shop.feeds(&customer) && !shop.feeds(&other));
    assert_eq!(shop.paths_of(&customer), ["/lake/landing/pg.tpcc.customer"]);
}

/// The error of a configuration that begins with a good catalog on lines 1 to 4.
#[track_caller]
fn refused(rest: &str) -> String {
    let error = resolved(&format!("[catalog]\ntype = \"sql\"\nuri = \"sqlite:catalog.db\"\n\n{rest}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    error.to_string()
}

#[test]
fn errors_name_key_and_line() {
    assert_eq!(
        refused("[sources.a]\npath = \"x\"\nformat = \"debezium-json\"\nlatness = \"0s\"\n").split(", expected").next().unwrap(),
        "the configuration is wrong (file waterline.toml, line 8, key sources.a.latness, reason unknown field `latness`"
    );
    assert_eq!(
        refused("[sources.a]\npath = \"x\"\nformat = \"debezium-json\"\nlateness = \"soon\"\n"),
        "the configuration is wrong (file waterline.toml, line 8, key sources.a.lateness, reason not a span of time; write a number and ms, s, m, h, d, w or y, such as 90s or 1h30m (text soon))"
    );
    assert_eq!(
        refused("[tables.\"a.b\"]\nproperties = { x = [] }\n"),
        "the configuration is wrong (file waterline.toml, line 6, key tables.\"a.b\".properties.x, reason expected a string, a number or a boolean)"
    );
    assert!(refused("[sources.a]\nformat = \"debezium-json\"\n").contains("line 5, key sources.a, reason missing field `path`"));
    assert!(refused("[tables.nodot]\nkeys = []\n").contains("key tables.nodot"));
    assert!(refused("[limits]\nbatch_rows = 0\n").contains("key limits.batch_rows"));
    assert!(refused("[sources.a\n").contains("line 5"));
}

#[test]
fn errors_do_not_quote_values() {
    let error = refused("[limits]\nbatch_rows = \"hunter2\"\n");
    assert!(!error.contains("hunter2") && error.contains("key limits.batch_rows"), "{error}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    assert!(refused("[sources.a]\npath = []\nformat = \"debezium-json\"\n").contains("needs a path"));
    assert!(refused("[sources.a]\npath = \"x\"\nformat = \"debezium-json\"\nfields = { op = \"o\" }\n").contains("plain-json"));
    assert!(resolved("").unwrap_err().to_string().contains("waterline init"));
    assert!(resolved("[catalog]\ntype = \"sql\"\n").unwrap_err().to_string().contains("catalog.uri"));
    let error = resolved("[catalog]\ntype = \"sql\"\nuri = \"mysql://root:hunter2@h/d\"\n").unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_table_with_a_location_is_of_delta_and_no_other() {
    let catalog = "[catalog]\ntype = \"filesystem\"\n";
    let settings =
        resolved(&format!("{catalog}[tables.\"a.b\"]\nlocation = \"else/b/\"\n[tables.\"a.c\"]\nlocation = \"s3://x/c/\"\n")).unwrap();
    let found: Vec<(String, &str)> = settings.lake.locations.iter().map(|(name, at)| (name.to_string(), at.as_str())).collect();
    assert_eq!(found, [("a.b".to_owned(), "/lake/else/b"), ("a.c".to_owned(), "s3://x/c")]);
    assert_eq!(settings.table(&"a.b".parse().unwrap()).table_format, Some(TableFormatKind::Delta));
    assert!(refused("[tables.\"a.b\"]\nlocation = \"x\"\ntable_format = \"iceberg\"\n").contains("location"));
    assert!(refused("[tables.\"a.b\"]\nlocation = \"x\"\n[tables.\"a.c\"]\nlocation = \"x/\"\n").contains("same location"));
}

#[test]
fn a_password_is_not_shown() {
    let settings = resolved("[catalog]\ntype = \"sql\"\nuri = \"postgres://u:hunter2@h/d\"\n").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_command_line_names_another_catalog() {
    let file = || File::parse(EVERYTHING, Path::new("waterline.toml"), variables).unwrap();
    let resolve = |uri: &str| Settings::resolve(file(), Some(uri), Path::new("/lake"), Path::new("/here")).unwrap().lake.catalog;
    assert!(
        matches!(resolve("sqlite:other.db"), CatalogSettings::Sql { uri, warehouse, .. } if uri.expose() == "sqlite:/here/other.db" && warehouse == "/lake/warehouse")
    );
    assert!(matches!(resolve("tables"), CatalogSettings::Filesystem { warehouse } if warehouse == "/here/tables"));
    assert!(matches!(resolve("s3://bucket/lake"), CatalogSettings::Filesystem { warehouse } if warehouse == "s3://bucket/lake"));
}

#[test]
fn paths_are_absolute_and_urls_stay() {
    let absolute = |path: &str| absolute(path, Path::new("/a/b")).unwrap();
    assert_eq!(["x/", "./x", "../x", "/x", "file:x", "s3://b/x/"].map(absolute), ["/a/b/x", "/a/b/x", "/a/x", "/x", "/a/b/x", "s3://b/x/"]);
}

#[test]
fn the_nearest_file_above_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(dir.path().join(FILE_NAME), "").unwrap();
    assert_eq!(locate(None, &below).unwrap(), Some(dir.path().join(FILE_NAME)));
    assert_eq!(locate(Some(Path::new("../..")), &below).unwrap(), Some(dir.path().join(FILE_NAME)));
    assert_eq!(locate(Some(Path::new("none.toml")), &below).unwrap_err().kind(), ErrorKind::Usage);
}
