//! `tag`: past moments of tables that any engine reads by name.

use serde_json::Value as Json;

use crate::landing::{SECTIONS, line, moment};
use crate::shell::Shell;

const DDL: &str =
    "CREATE TABLE shop.orders (id bigint PRIMARY KEY, status text);\nCREATE TABLE shop.lines (id bigint PRIMARY KEY, status text);\n";

/// A change of a row.
fn change(table: &str, op: &str, second: i64, id: i64, status: &str) -> String {
    line(table, op, second, &format!(r#"{{"id":{id},"status":"{status}"}}"#))
}

/// Two tables whose dumps are of second 0.
fn shop(version: &str) -> Shell {
    let shell = Shell::new(&format!("{SECTIONS}[tables.\"shop.orders\"]\nproperties = {{ format-version = \"{version}\" }}\n"));
    shell.write("ddl.sql", DDL);
    shell.write("orders.csv", "id,status\n1,new\n2,new\n3,new\n");
    shell.write("lines.csv", "id,status\n10,open\n");
    for table in ["orders", "lines"] {
        let (name, file, at) = (format!("shop.{table}"), format!("{table}.csv"), moment(0));
        shell.run(&["load", &name, &file, "--ddl", "ddl.sql", "--at", &at]);
    }
    shell
}

fn land(shell: &Shell, number: u32, table: &str, lines: &[String]) {
    shell.write(&format!("landing/pg.shop.{table}/{number:03}.jsonl"), lines.concat());
}

fn rows(shell: &Shell, table: &str, snapshot: Option<&str>) -> Vec<String> {
    let sql = format!("select id, status from shop.{table} order by id");
    let at: Vec<&str> = snapshot.map_or_else(Vec::new, |name| vec!["--snapshot", name]);
    let said = shell.run(&[&["query", sql.as_str(), "-o", "csv"], at.as_slice()].concat());
    said.out.lines().skip(1).map(str::to_owned).collect()
}

fn listed(shell: &Shell) -> Vec<(String, String, bool)> {
    let list = shell.json(&["tag", "list"]);
    let text = |row: &Json, key: &str| row[key].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|row| (text(row, "tag"), text(row, "table"), row["is_complete"].as_bool().unwrap())).collect()
}

fn create(shell: &Shell, name: &str, second: i64, tables: &[&str]) -> Vec<Json> {
    let at = moment(second);
    let made = shell.json(&[&["tag", "create", name, "--as-of", at.as_str(), "--allow-incomplete"], tables].concat());
    made.as_array().unwrap().clone()
}

#[test]
fn a_tag_holds_every_table_as_it_was() {
    for version in ["2", "3"] {
        let shell = shop(version);
        land(
            &shell,
            1,
            "orders",
            &[change("orders", "u", 10, 1, "paid"), change("orders", "d", 20, 2, ""), change("orders", "c", 30, 4, "new")],
        );
        land(&shell, 1, "lines", &[change("lines", "c", 11, 11, "open"), change("lines", "u", 21, 10, "done")]);
        shell.run(&["run", "-q"]);
        // What is only logged counts too.
        land(&shell, 2, "orders", &[change("orders", "u", 40, 3, "paid"), change("orders", "u", 15, 3, "late")]);
        shell.run(&["ingest", "-q"]);
        let newest = rows(&shell, "orders", None);
        let made = create(&shell, "middle", 20, &["shop.*"]);
        let tables: Vec<&str> = made.iter().map(|row| row["table"].as_str().unwrap()).collect();
        assert_eq!(tables, ["shop.lines", "shop.orders"]);
        for row in &made {
            let metadata = row["metadata"].as_str().unwrap().strip_prefix("file://").unwrap();
            let json: Json = serde_json::from_slice(&std::fs::read(metadata.replace("%20", " ")).unwrap()).unwrap();
            assert_eq!(json["refs"]["middle"]["snapshot-id"], row["snapshot_id"]);
            assert_eq!(json["refs"]["middle"]["type"], "tag");
        }
        assert_eq!(rows(&shell, "orders", Some("middle")), ["1,paid", "3,late"]);
        assert_eq!(rows(&shell, "lines", Some("middle")), ["10,open", "11,open"]);
        create(&shell, "start", 0, &["shop.orders"]);
        assert_eq!(rows(&shell, "orders", Some("start")), ["1,new", "2,new", "3,new"]);
        create(&shell, "end", 40, &["shop.orders"]);
        assert_eq!(rows(&shell, "orders", Some("end")), ["1,paid", "3,paid", "4,new"]);
        shell.run(&["tag", "create", "copy", "--copy", "--as-of", &moment(20), "shop.orders"]);
        assert_eq!(rows(&shell, "orders", Some("copy")), ["1,paid", "3,late"]);
        // The table itself did not move, and nothing is made of a tagged moment.
        assert_eq!(rows(&shell, "orders", None), newest);
        land(&shell, 3, "orders", &[change("orders", "u", 12, 1, "late")]);
        shell.run(&["run", "-q"]);
        assert_eq!(rows(&shell, "orders", None), ["1,late", "3,paid", "4,new"]);
        create(&shell, "again", 20, &["shop.orders"]);
        assert_eq!(rows(&shell, "orders", Some("again")), ["1,late", "3,late"]);
        assert_eq!(rows(&shell, "orders", Some("middle")), ["1,paid", "3,late"]);
    }
}

#[test]
fn a_partial_tag_is_shown_as_such_and_completed_with_what_was_fixed() {
    let shell = shop("2");
    land(&shell, 1, "orders", &[change("orders", "u", 10, 1, "paid")]);
    land(&shell, 1, "lines", &[change("lines", "u", 10, 10, "done")]);
    shell.run(&["run", "-q"]);
    create(&shell, "t", 30, &["shop.*"]);
    let entry = |table: &str, complete| ("t".to_owned(), table.to_owned(), complete);
    assert_eq!(listed(&shell), [entry("shop.lines", true), entry("shop.orders", true)]);
    // As when the job had been stopped between the two.
    shell.run(&["tag", "delete", "t", "shop.orders"]);
    assert_eq!(listed(&shell), [entry("shop.lines", false)]);
    // What comes meanwhile does not count, though it is of before the moment.
    land(&shell, 2, "orders", &[change("orders", "u", 20, 2, "late")]);
    shell.run(&["run", "-q"]);
    shell.say(&["tag", "create", "t", "--as-of", &moment(31), "--allow-incomplete", "shop.*"]).fails(2, &["waterline tag delete t"]);
    create(&shell, "t", 30, &["shop.*"]);
    assert_eq!(listed(&shell), [entry("shop.lines", true), entry("shop.orders", true)]);
    assert_eq!(rows(&shell, "orders", Some("t")), ["1,paid", "2,new", "3,new"]);
    // Once more, it is there.
    let versions = shell.snapshot_count("shop.orders");
    create(&shell, "t", 30, &["shop.*"]);
    assert_eq!(shell.snapshot_count("shop.orders"), versions);
    shell.run(&["tag", "delete", "t"]);
    assert_eq!(listed(&shell), []);
    shell.say(&["tag", "delete", "t"]).fails(1, &["no table has such a tag"]);
    create(&shell, "t", 31, &["shop.orders"]);
    assert_eq!(rows(&shell, "orders", Some("t")), ["1,paid", "2,late", "3,new"]);
}

#[test]
fn what_cannot_be_tagged_is_refused() {
    let shell = shop("2");
    let create = |name: &str, at: &str, table: &str| shell.say(&["tag", "create", name, "--as-of", at, table]);
    create("waterline/x", &moment(0), "shop.orders").fails(2, &["waterline/"]);
    create("7", &moment(0), "shop.orders").fails(2, &["number"]);
    create("main", &moment(0), "shop.orders").fails(2, &["branch"]);
    create("t", "2025-11-21T05:00:00", "shop.orders").fails(2, &["--as-of", "offset"]);
    create("t", &moment(0), "shop.absent").fails(1, &["no such table"]);
    create("t", "2025-11-21T04:59:59Z", "shop.*").fails(1, &["not known at that moment"]);
    create("t", &moment(59), "shop.*").fails(1, &["may still arrive"]);
    assert_eq!(listed(&shell), []);
    shell.say(&["tag", "delete", "waterline/baseline-1763701200000000"]).fails(2, &["waterline/"]);
}
