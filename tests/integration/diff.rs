//! `diff` of tables and dumps, by what it says and how it ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::shell::{Shell, TextRow, dumped, fixture, json_of, read_fixture};

const KEY: [&str; 3] = ["c_w_id", "c_d_id", "c_id"];

pub(crate) fn dump(moment: u8, table: &str) -> String {
    fixture(&format!("tpcc/moment-0{moment}/{table}.csv.gz")).display().to_string()
}

/// A lake with the first dump of a table.
fn loaded(table: &str) -> Shell {
    let shell = Shell::new("");
    let (name, ddl) = (format!("tpcc.{table}"), fixture("tpcc/ddl.sql").display().to_string());
    let at = "2026-11-21T01:49:34.473380Z";
    shell.run(&["load", &name, &dump(0, table), "--null", "\\N", "--ddl", &ddl, "--at", at]);
    shell
}

/// The exit code with `--exit-code`, and the report.
fn diff(shell: &Shell, args: &[&str]) -> (i32, Value) {
    let said = shell.say(&[&["diff", "--exit-code", "--output", "json"], args].concat());
    assert!(said.code < 2, "{said:?}");
    (said.code, json_of(&said))
}

fn key_of(row: &TextRow) -> Vec<String> {
    KEY.iter().map(|name| row[*name].clone()).collect()
}

fn by_key(rows: Vec<TextRow>) -> BTreeMap<Vec<String>, TextRow> {
    rows.into_iter().map(|row| (key_of(&row), row)).collect()
}

#[test]
fn a_table_and_dumps_of_other_moments() {
    let shell = loaded("customer");
    let before = shell.snapshot_count("tpcc.customer");
    let (code, same) = diff(&shell, &["tpcc.customer", &dump(0, "customer"), "--null", "\\N"]);
    assert_eq!((code, &same["same"], &same["left"]["rows"], &same["right"]["rows"]), (0, &json!(true), &json!(1200), &json!(1200)));
    assert_eq!(same["keys"], json!(KEY));

    let (code, report) = diff(&shell, &["tpcc.customer", &dump(5, "customer"), "--null", "\\N", "--limit", "100000"]);
    let (left, right) = (by_key(dumped("tpcc/moment-00/customer.csv.gz")), by_key(dumped("tpcc/moment-05/customer.csv.gz")));
    let only = |of: &BTreeMap<Vec<String>, TextRow>, other: &BTreeMap<Vec<String>, TextRow>| {
        of.keys().filter(|key| !other.contains_key(*key)).count()
    };
    assert_eq!(code, 1);
    assert_eq!(report["left"]["only_rows"], only(&left, &right));
    assert_eq!(report["right"]["only_rows"], only(&right, &left));
    let mut expected: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (key, row) in &left {
        let Some(other) = right.get(key) else { continue };
        let names: BTreeSet<&String> = row.keys().chain(other.keys()).collect();
        for name in names.into_iter().filter(|name| row.get(*name) != other.get(*name)) {
            expected.entry(name.clone()).or_default().insert(key.clone());
        }
    }
    assert!(expected.len() > 1, "the dumps differ in several columns");
    let keys_that_differ: BTreeSet<&Vec<String>> = expected.values().flatten().collect();
    assert_eq!(report["changed_rows"], keys_that_differ.len());
    let counts: BTreeMap<&str, usize> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|column| column["differing_rows"] != 0)
        .map(|column| (column["column"].as_str().unwrap(), usize::try_from(column["differing_rows"].as_u64().unwrap()).unwrap()))
        .collect();
    assert_eq!(counts, expected.iter().map(|(name, keys)| (name.as_str(), keys.len())).collect());

    // Every example is one of the differences, and all of them are there.
    let mut shown: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for example in report["examples"].as_array().unwrap().iter().filter(|example| example["difference"] == "changed") {
        let key: Vec<String> = KEY.iter().map(|name| example["left"][*name].to_string()).collect();
        for column in example["columns"].as_array().unwrap() {
            shown.entry(column.as_str().unwrap().to_owned()).or_default().insert(key.clone());
        }
    }
    assert_eq!(shown, expected);
    assert_eq!(shell.snapshot_count("tpcc.customer"), before, "comparing changes nothing");
}

#[test]
fn a_table_without_a_key_is_compared_by_whole_rows() {
    let shell = Shell::new("");
    shell.write("ddl.sql", "CREATE TABLE shop.log (at timestamptz, n int);\n");
    shell.write("first.csv", "at,n\n2025-11-12T03:00:00Z,1\n2025-11-12T03:00:00Z,1\n,2\n");
    shell.write("second.csv", "n,at\n2,\n1,2025-11-12T03:00:00Z\n3,2025-11-12T03:00:01Z\n");
    shell.run(&["load", "shop.log", "first.csv", "--ddl", "ddl.sql", "--at", "2025-11-13T00:00:00Z"]);
    let (code, same) = diff(&shell, &["first.csv", "shop.log"]);
    assert_eq!((code, &same["same"], &same["keys"]), (0, &json!(true), &json!([])));
    let (code, report) = diff(&shell, &["shop.log", "second.csv"]);
    assert_eq!((code, &report["left"]["only_rows"], &report["right"]["only_rows"]), (1, &json!(1), &json!(1)));
    assert_eq!(report["examples"][0]["left"], json!({ "at": "2025-11-12T03:00:00Z", "n": 1 }));
    assert_eq!(report["examples"][1]["right"], json!({ "at": "2025-11-12T03:00:01Z", "n": 3 }));
}

/// The same rows, however they are written, are no difference.
#[test]
fn dumps_of_other_formats() {
    let shell = Shell::new("");
    shell.write("ddl.sql", "CREATE TABLE shop.orders (id bigint PRIMARY KEY, total numeric(10,2), at timestamptz, x real, note text);\n");
    shell.write(
        "orders.csv",
        "id,total,at,x,note\n1,9.50,2025-11-12T03:00:00Z,0.1,a\n2,,2025-11-12 12:00:00+09,NaN,\"\"\n3,1.00,infinity,-0,\n",
    );
    shell.write(
        "orders.jsonl",
        concat!(
            "{\"id\":3,\"total\":\"1\",\"at\":\"infinity\",\"x\":0}\n",
            "{\"id\":2,\"at\":\"2025-11-12T03:00:00Z\",\"x\":\"NaN\",\"note\":\"\"}\n",
            "{\"note\":\"a\",\"id\":1,\"total\":9.5,\"at\":\"2025-11-12T03:00:00.000Z\",\"x\":0.1}\n"
        ),
    );
    shell.run(&["load", "shop.orders", "orders.csv", "--ddl", "ddl.sql", "--at", "2025-11-13T00:00:00Z"]);
    for sides in [["shop.orders", "orders.csv"], ["shop.orders", "orders.jsonl"], ["orders.jsonl", "shop.orders"]] {
        assert_eq!(diff(&shell, &sides).0, 0, "{sides:?}");
    }
    assert_eq!(diff(&shell, &["orders.csv", "orders.jsonl", "--ddl", "ddl.sql"]).0, 0);
    shell.write("orders.csv.zst", "not really");
    shell.say(&["diff", "shop.orders", "orders.csv.zst"]).fails(1, &["orders.csv.zst"]);

    shell.write("other.csv", "id,total,colour\n1,9.51,red\n");
    let said = shell.run(&["diff", "shop.orders", "other.csv"]);
    for part in [
        "2 rows only on the left, 0 only on the right, 1 that differ",
        "total (1)",
        "only on the right, not compared: colour",
        "total 9.50 -> 9.51",
    ] {
        assert!(said.out.contains(part), "no `{part}` in {}", said.out);
    }
    assert_eq!(shell.say(&["diff", "shop.orders", "other.csv", "--exit-code"]).code, 1);
}

#[test]
fn sides_that_cannot_be_compared() {
    let shell = Shell::new("");
    shell.write("a.csv", "id,n\n1,2\n");
    let say = |args: &[&str]| shell.say(&[&["diff"], args].concat());
    say(&["a.csv", "a.csv"]).fails(2, &["--keys"]);
    say(&["a.csv", "a.csv", "--keys", "absent"]).fails(2, &["absent"]);
    say(&["a.csv", "b.csv", "--keys", "id"]).fails(1, &["b.csv"]);
    say(&["shop.nothing", "a.csv"]).fails(1, &["shop.nothing"]);
    say(&["shop", "a.csv"]).fails(2, &["TABLE@T"]);
    say(&["shop.orders@noon", "a.csv"]).fails(2, &["noon"]);
    say(&["shop.orders@2025-11-12T03:00:00", "a.csv"]).fails(2, &["--timezone"]);
    say(&["shop.orders", "shop.orders", "--null", "x"]).fails(2, &["--null"]);
    assert_eq!(say(&["a.csv", "a.csv", "--keys", "id", "--exit-code"]).code, 0);
    // A key that is there twice on one side matches one row.
    shell.write("twice.csv", "id,n\n1,2\n1,2\n");
    let (code, report) = diff(&shell, &["a.csv", "twice.csv", "--keys", "id"]);
    assert_eq!((code, &report["right"]["only_rows"], &report["right"]["repeated_keys"]), (1, &json!(1), &json!(1)));
}

/// The moments at which the fixture was dumped.
pub(crate) fn moments() -> Vec<String> {
    let moments: Value = serde_json::from_str(&read_fixture("tpcc/moments.json")).unwrap();
    moments.as_array().unwrap().iter().map(|moment| moment["at"].as_str().unwrap().to_owned()).collect()
}

/// These tables from their first dump and all events, merged in batches, and complete.
pub(crate) fn merged(tables: &[&str]) -> Shell {
    let ddl = fixture("tpcc/ddl.sql").display().to_string();
    let shell = Shell::new(&format!(
        "[sources.shop]\npath = \"landing/pg.{{table}}/\"\nformat = \"debezium-json\"\ntables = [\"tpcc.*\"]\nschema = {{ ddl = \"{ddl}\" }}\n"
    ));
    for table in tables {
        shell.write(&format!("landing/pg.tpcc.{table}/0.jsonl"), read_fixture(&format!("tpcc/events/pg.tpcc.{table}/00000.jsonl.gz")));
        shell.run(&["load", &format!("tpcc.{table}"), &dump(0, table), "--null", "\\N", "--at", &moments()[0]]);
    }
    shell.run(&["run", "--batch-rows", "1500", "--complete-until", &moments()[5]]);
    shell
}

#[test]
fn a_table_at_moments_and_its_dumps() {
    let shell = merged(&["customer", "new_order"]);
    let at = |table: &str, moment: usize| format!("tpcc.{table}@{}", moments()[moment]);
    for table in ["customer", "new_order"] {
        for moment in 0..6 {
            let (code, report) = diff(&shell, &[&at(table, moment), &dump(u8::try_from(moment).unwrap(), table), "--null", "\\N"]);
            assert_eq!((code, &report["same"]), (0, &json!(true)), "{table} at {moment}: {report}");
        }
        assert_eq!(diff(&shell, &[&at(table, 5), &format!("tpcc.{table}")]).0, 0);
    }
    // Between two moments it is as between the two dumps.
    let (code, tables) = diff(&shell, &[&at("customer", 1), &at("customer", 4), "--limit", "0"]);
    let ddl = fixture("tpcc/ddl.sql").display().to_string();
    let (_, dumps) = diff(&shell, &[&dump(1, "customer"), &dump(4, "customer"), "--null", "\\N", "--ddl", &ddl, "--limit", "0"]);
    assert_eq!(code, 1);
    for part in ["changed_rows", "columns", "keys"] {
        assert_eq!(tables[part], dumps[part], "{part}");
    }
    shell.say(&["diff", "tpcc.customer@2026-11-21T01:49:00Z", "tpcc.customer"]).fails(1, &["tpcc.customer"]);
    shell.say(&["diff", "tpcc.customer@2026-11-22T01:49:00Z", "tpcc.customer"]).fails(1, &["tpcc.customer"]);
    let beyond = ["tpcc.customer@2026-11-22T01:49:00Z", "tpcc.customer", "--allow-incomplete"];
    assert_eq!(diff(&shell, &beyond).0, 0);
    let local = "tpcc.customer@2026-11-21 10:49:34.473380";
    assert_eq!(shell.say(&["diff", local, &at("customer", 0), "--timezone", "Asia/Tokyo", "--exit-code"]).code, 0);
}
