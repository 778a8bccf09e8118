//! Tables that a source gets after it was first read.

use std::fs;
use std::path::Path;
use std::process::Command;

fn event(table: &str, id: u64) -> String {
    format!(
        r#"{{"before":null,"after":{{"id":{id}}},"source":{{"connector":"postgresql","name":"pg","ts_us":{},"snapshot":"false","sequence":"[\"{id}\",\"{id}\"]","schema":"shop","table":"{table}","lsn":{id}}},"op":"c","ts_ms":1}}
"#,
        1_700_000_000_000_000 + id
    )
}

fn waterline(lake: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_waterline")).current_dir(lake).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lake(path: &str) -> tempfile::TempDir {
    let lake = tempfile::tempdir().unwrap();
    waterline(lake.path(), &["init", "."]);
    let ddl = "CREATE TABLE shop.a (id bigint PRIMARY KEY); CREATE TABLE shop.b (id bigint PRIMARY KEY);";
    fs::write(lake.path().join("ddl.sql"), ddl).unwrap();
    let source =
        format!("[sources.s]\npath = \"{path}\"\nformat = \"debezium-json\"\ntables = [\"shop.*\"]\nschema = {{ ddl = \"ddl.sql\" }}\n");
    let settings = fs::read_to_string(lake.path().join("waterline.toml")).unwrap() + &source;
    fs::write(lake.path().join("waterline.toml"), settings).unwrap();
    lake
}

fn ids(lake: &Path, table: &str) -> String {
    waterline(lake, &["query", &format!("select id from shop.{table} order by id"), "--output", "csv"])
}

#[test]
fn a_new_folder_is_taken_up_beside_folders_that_were_read() {
    let lake = lake("in/{table}/");
    let put = |table: &str, lines: &str| {
        fs::create_dir_all(lake.path().join(format!("in/shop.{table}"))).unwrap();
        fs::write(lake.path().join(format!("in/shop.{table}/0.jsonl")), lines).unwrap();
    };
    put("a", &event("a", 1));
    waterline(lake.path(), &["run"]);
    put("b", &(event("b", 2) + &event("b", 3)));
    waterline(lake.path(), &["run"]);
    assert_eq!((ids(lake.path(), "a"), ids(lake.path(), "b")), ("id\n1\n".into(), "id\n2\n3\n".into()));
}

#[test]
fn a_table_that_is_switched_on_later_gets_its_events_from_files_that_were_read() {
    let lake = lake("in/");
    fs::create_dir_all(lake.path().join("in")).unwrap();
    fs::write(lake.path().join("in/0.jsonl"), event("a", 1) + &event("b", 2)).unwrap();
    let settings = lake.path().join("waterline.toml");
    let all = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{all}[tables.\"shop.b\"]\nenabled = false\n")).unwrap();
    waterline(lake.path(), &["run"]);
    fs::write(&settings, all).unwrap();
    fs::write(lake.path().join("in/1.jsonl"), event("b", 3) + &event("a", 4)).unwrap();
    waterline(lake.path(), &["run"]);
    assert_eq!((ids(lake.path(), "a"), ids(lake.path(), "b")), ("id\n1\n4\n".into(), "id\n2\n3\n".into()));
}

/// Makes a file useless that looks as it did to the store: who reads it again fails.
fn spoil(file: &Path) {
    let before = fs::metadata(file).unwrap();
    fs::write(file, vec![b'x'; before.len() as usize]).unwrap();
    fs::File::options().write(true).open(file).unwrap().set_modified(before.modified().unwrap()).unwrap();
}

#[test]
fn files_without_events_of_a_table_are_read_once() {
    let lake = lake("in/");
    fs::create_dir_all(lake.path().join("in")).unwrap();
    let path = |name: &str| lake.path().join("in").join(name);
    let commits = |table: &str| fs::read_dir(lake.path().join(format!("warehouse/shop/{table}__changelog/metadata"))).unwrap().count();
    fs::write(path("0.jsonl"), event("a", 9)).unwrap();
    fs::write(path("1.jsonl"), event("b", 8)).unwrap();
    waterline(lake.path(), &["run"]);
    spoil(&path("0.jsonl"));
    spoil(&path("1.jsonl"));
    // Nothing of it is newer than what was read, and nothing is of the other table.
    fs::write(path("2.jsonl"), event("a", 3)).unwrap();
    waterline(lake.path(), &["run"]);
    spoil(&path("2.jsonl"));
    let before = (commits("a"), commits("b"));
    waterline(lake.path(), &["run"]);
    assert_eq!((commits("a"), commits("b")), before, "no commits without news");
    assert_eq!((ids(lake.path(), "a"), ids(lake.path(), "b")), ("id\n3\n9\n".into(), "id\n8\n".into()));
}

#[test]
fn a_table_that_fails_does_not_hide_one_that_comes_after_it() {
    let lake = lake("in/");
    fs::create_dir_all(lake.path().join("in")).unwrap();
    let bad = event("a", 1).replace(r#""id":1"#, r#""id":"one""#);
    fs::write(lake.path().join("in/0.jsonl"), bad + &event("b", 2)).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_waterline")).current_dir(lake.path()).arg("run").output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(ids(lake.path(), "b"), "id\n2\n");
}
