//! The command lines of the issue, as they are written there, and the shapes of what they print.

use serde_json::{Value, json};

use crate::shell::{Shell, TextRow, assert_same, dumped, fixture, json_of};

const CUSTOMER: &str = "tpcc.customer";

/// What the issue's first commands find in place: a dump, a landing area and the DDL.
fn prepared() -> Shell {
    let shell = Shell::empty();
    shell.run(&["init", "lake"]);
    for (from, to) in [
        ("tpcc/moment-00/customer.csv.gz", "lake/dump/customer.csv.gz"),
        ("tpcc/events/pg.tpcc.customer/00000.jsonl.gz", "lake/landing/pg.tpcc.customer/00000.jsonl.gz"),
        ("tpcc/events/pg.tpcc.district/00000.jsonl.gz", "lake/landing/pg.tpcc.district/00000.jsonl.gz"),
        ("tpcc/ddl.sql", "lake/ddl.sql"),
    ] {
        shell.write(to, std::fs::read(fixture(from)).unwrap());
    }
    shell
}

#[track_caller]
fn lake(shell: &Shell, args: &[&str]) -> crate::shell::Said {
    let said = shell.say_in("lake", args);
    assert_eq!(said.code, 0, "{args:?}: {}", said.err);
    said
}

fn load(shell: &Shell, at: &str) {
    let options = ["--format", "csv", "--null", "\\N", "--ddl", "ddl.sql", "--at", at];
    lake(shell, &[&["load", CUSTOMER, "dump/customer.csv.gz"], options.as_slice()].concat());
}

fn merge(shell: &Shell) -> Value {
    let options = ["--format", "debezium-json", "--ddl", "ddl.sql", "--batch-rows", "1500", "--output", "json"];
    json_of(&lake(shell, &[&["merge", CUSTOMER, "landing/pg.tpcc.customer/"], options.as_slice()].concat()))
}

fn history(shell: &Shell) -> Vec<Value> {
    json_of(&lake(shell, &["history", CUSTOMER, "--output", "json"])).as_array().unwrap().clone()
}

fn count(shell: &Shell, options: &[&str]) -> Value {
    let query = ["query", "select count(*) as n, sum(c_payment_cnt) as payments from tpcc.customer", "--output", "json"];
    json_of(&lake(shell, &[query.as_slice(), options].concat()))[0].clone()
}

fn expected(moment: u8) -> Value {
    let rows = dumped(&format!("tpcc/moment-0{moment}/customer.csv.gz"));
    json!({ "n": rows.len(), "payments": rows.iter().map(|row| row["c_payment_cnt"].parse::<i64>().unwrap()).sum::<i64>() })
}

#[test]
fn a_dump_its_events_and_reads_of_older_snapshots() {
    let shell = prepared();
    load(&shell, "2026-11-21T01:49:34.473380Z");
    let report = merge(&shell);
    let table = &report["tables"][0];
    assert_eq!((&table["table"], &table["rows_read"], &table["error"]), (&json!(CUSTOMER), &json!(4073), &Value::Null));
    assert!(table["stages"]["locate"].is_number() && report["seconds"].is_number(), "{report}");

    assert_eq!(count(&shell, &[]), expected(5));
    let snapshots = history(&shell);
    assert_eq!(snapshots.len(), 4, "the dump, and 4,073 events in batches of 1,500");
    let oldest = snapshots.last().unwrap();
    assert_eq!((&oldest["kind"], &oldest["parent_id"], &oldest["total_rows"]), (&json!("baseline"), &Value::Null, &json!(1200)));
    assert!(snapshots.iter().all(|snapshot| snapshot["is_current_ancestor"] == true));
    assert!(snapshots.windows(2).all(|pair| pair[0]["parent_id"] == pair[1]["snapshot_id"]), "newest first");

    let id = oldest["snapshot_id"].to_string();
    assert_eq!(count(&shell, &["--snapshot", &id]), expected(0));
    let tag = oldest["refs"].as_str().unwrap();
    assert!(tag.starts_with("waterline/"), "{tag}");
    assert_eq!(count(&shell, &["--snapshot", tag]), expected(0));
    assert_eq!(count(&shell, &["--snapshot", "main"]), expected(5));
    assert_eq!(count(&shell, &["--committed-by", oldest["committed_at"].as_str().unwrap()]), expected(0));
    assert_eq!(count(&shell, &["--committed-by", snapshots[0]["committed_at"].as_str().unwrap()]), expected(5));
    shell.say_in("lake", &["query", "select 1 from tpcc.customer", "--committed-by", "2001-01-01T00:00:00Z"]).fails(1, &[CUSTOMER]);
}

#[test]
fn a_dump_whose_moment_is_known_as_an_interval() {
    let shell = prepared();
    load(&shell, "2026-11-21T01:49:30Z..2026-11-21T01:49:34.473380Z");
    assert_eq!(count(&shell, &[]), expected(0));
    merge(&shell);
    assert_eq!(count(&shell, &[]), expected(5));
}

#[test]
fn results_as_table_json_and_csv() {
    let shell = prepared();
    load(&shell, "2026-11-21T01:49:34.473380Z");
    let query = "select c_id, c_credit, c_balance, c_since, null as nothing, '' as empty from tpcc.customer where c_w_id = 1 and c_d_id = 1 and c_id < 3 order by c_id";
    let row =
        dumped("tpcc/moment-00/customer.csv.gz").into_iter().find(|row| row["c_w_id"] == "1" && row["c_d_id"] == "1" && row["c_id"] == "1");
    let row = row.unwrap();
    let since = row["c_since"].replace(' ', "T").replace("+00", "Z");
    let json = json_of(&lake(&shell, &["query", query, "--output", "json"]));
    let balance: f64 = row["c_balance"].parse().unwrap();
    let first = json!({ "c_id": 1, "c_credit": row["c_credit"], "c_balance": balance, "c_since": since, "nothing": null, "empty": "" });
    assert_eq!((json.as_array().unwrap().len(), &json[0]), (2, &first));
    let csv = lake(&shell, &["query", query, "--output", "csv"]).out;
    let lines: Vec<&str> = csv.split('\n').collect();
    assert_eq!(lines[0], "c_id,c_credit,c_balance,c_since,nothing,empty");
    assert_eq!(lines[1], format!("1,{},{},{since},,\"\"", row["c_credit"], row["c_balance"]));
    let table = lake(&shell, &["query", query]).out;
    assert!(table.lines().next().unwrap().contains("c_balance") && table.contains("NULL"), "{table}");
    assert_eq!(json_of(&lake(&shell, &["query", "select 1 as one where false", "--output", "json"])), json!([]));
}

#[test]
fn describe_files_and_status() {
    let shell = prepared();
    load(&shell, "2026-11-21T01:49:34.473380Z");
    merge(&shell);
    let described = json_of(&lake(&shell, &["describe", CUSTOMER, "--output", "json"]));
    assert_eq!(described["keys"], json!(["c_w_id", "c_d_id", "c_id"]));
    let columns = described["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 11);
    assert_eq!((&columns[0]["name"], &columns[0]["key"], &columns[0]["nullable"]), (&json!("c_w_id"), &json!(true), &json!(false)));
    assert!(lake(&shell, &["describe", CUSTOMER]).out.contains("c_w_id, c_d_id, c_id"));

    let files = json_of(&lake(&shell, &["files", CUSTOMER, "--output", "json"]));
    let sum = |column: &str| files.as_array().unwrap().iter().map(|file| file[column].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("rows") - sum("deleted_rows"), 1200);

    let status = json_of(&lake(&shell, &["status", "--output", "json"]));
    let status = &status[0];
    assert_eq!((&status["table"], &status["lag_batches"], &status["events"]), (&json!(CUSTOMER), &json!(0), &json!(4073)));
    assert_eq!(status["error"], Value::Null);
}

/// `add` finds what `run` then does.
#[test]
fn a_landing_area_is_added_and_run() {
    let shell = prepared();
    let shown = lake(&shell, &["add", "landing/", "--name", "shop", "--ddl", "ddl.sql", "--dry-run"]);
    assert!(!std::fs::read_to_string(shell.path("lake/waterline.toml")).unwrap().contains("\n[sources.shop]"));
    assert!(shown.out.contains(CUSTOMER) && shown.out.contains("tpcc.district"), "{}", shown.out);
    lake(&shell, &["add", "landing/", "--name", "shop", "--ddl", "ddl.sql"]);
    assert!(std::fs::read_to_string(shell.path("lake/waterline.toml")).unwrap().contains("\n[sources.shop]"));
    lake(&shell, &["run", "--batch-rows", "2000", "--complete-until", "2026-11-21T01:50:00Z"]);
    assert_eq!(count(&shell, &[]), expected(5));
    let status = json_of(&lake(&shell, &["status", "--output", "json"]));
    let until: Vec<&Value> = status.as_array().unwrap().iter().map(|row| &row["complete_until"]).collect();
    assert_eq!(until, [&json!("2026-11-21T01:50:00Z"), &json!("2026-11-21T01:50:00Z")]);
}

/// A table's own settings: its key, partitions and properties.
#[test]
fn settings_of_one_table() {
    let shell = prepared();
    let settings = std::fs::read_to_string(shell.path("lake/waterline.toml")).unwrap();
    let more = r#"
[sources.shop]
path = "landing/pg.{table}/"
format = "debezium-json"
tables = ["tpcc.*"]
schema = { ddl = "ddl.sql", dialect = "postgres" }
lateness = "0s"
[tables."tpcc.customer"]
keys = ["c_w_id", "c_d_id", "c_id"]
partition_by = ["bucket(4, c_id)"]
properties = { "write.merge.mode" = "merge-on-read" }
[tables."tpcc.district"]
enabled = false
"#;
    shell.write("lake/waterline.toml", settings + more);
    lake(&shell, &["run"]);
    assert_eq!(count(&shell, &[]), expected(5));
    let described = json_of(&lake(&shell, &["describe", CUSTOMER, "--output", "json"]));
    assert_eq!(described["partition_by"], json!(["bucket(4, c_id)"]));
    let files = json_of(&lake(&shell, &["files", CUSTOMER, "--output", "json"]));
    assert!(files.as_array().unwrap().iter().all(|file| file["partition"].as_str().unwrap().contains("bucket")), "{files}");
    shell.say_in("lake", &["history", "tpcc.district"]).fails(1, &["tpcc.district"]);
}

#[test]
fn the_demo_makes_a_lake_and_shows_it() {
    let shell = Shell::empty();
    let said = shell.run(&["demo", "shown"]);
    for part in ["$ waterline init", "$ waterline load shop.customers", "$ waterline run", "$ waterline history shop.orders"] {
        assert!(said.out.contains(part), "no `{part}` in {}", said.out);
    }
    let orders = json_of(&shell.say_in("shown", &["query", "select count(*) as n from shop.orders", "--output", "json"]));
    assert!(orders[0]["n"].as_u64().unwrap() > 0);
    shell.say(&["demo", "shown"]).fails(2, &["not empty"]);
}

#[test]
fn a_lake_in_a_folder_of_tables_without_a_catalog() {
    let shell = Shell::empty();
    let row = "{\"op\":\"c\",\"updated_at\":\"2025-11-12 03:11:00\",\"record\":{\"id\":5,\"name\":\"five\"}}\n";
    shell.write("plain/1.jsonl", row);
    shell.write("waterline.toml", "[catalog]\ntype = \"filesystem\"\nwarehouse = \"${LAKE_FOLDER_OF_NO_ONE}\"\n");
    shell.say(&["status"]).fails(2, &["LAKE_FOLDER_OF_NO_ONE"]);
    let source = "[sources.plain]\npath = \"plain/\"\nformat = \"plain-json\"\ntables = [\"shop.*\"]\nkeys = [\"id\"]\nsequence_by = \"updated_at\"\n";
    shell.write("waterline.toml", format!("[catalog]\ntype = \"filesystem\"\nwarehouse = \"tables\"\n{source}"));
    shell.run(&["merge", "shop.things"]);
    assert_same("things", &shell.table("shop.things"), &[TextRow::from([("id".into(), "5".into()), ("name".into(), "five".into())])]);
}
