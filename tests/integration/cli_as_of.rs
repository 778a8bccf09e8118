//! Moments of a source at the command line.

use serde_json::{Value, json};

use crate::event_time::mysql;
use crate::shell::{Said, Shell, fixture, json_of, read_fixture};

const MOMENTS: [&str; 6] = [
    "2026-11-21T01:49:34.473380Z",
    "2026-11-21T01:49:35.566780Z",
    "2026-11-21T01:49:36.767701Z",
    "2026-11-21T01:49:38.087718Z",
    "2026-11-21T01:49:39.436515Z",
    "2026-11-21T01:49:40.651776Z",
];
const ORDERS: &str = "select count(*) as n from tpcc.orders";

/// Orders and new orders, logged in two parts of which the first is merged.
fn prepared() -> Shell {
    let ddl = fixture("tpcc/ddl.sql");
    let shell = Shell::new(&format!(
        "[sources.shop]\npath = \"landing/pg.{{table}}/\"\nformat = \"debezium-json\"\ntables = [\"tpcc.*\"]\nschema = {{ ddl = \"{}\" }}\n",
        ddl.display()
    ));
    let land = |part: usize| {
        for (table, cut) in [("orders", 1_200), ("district", 1_200)] {
            let events = read_fixture(&format!("tpcc/events/pg.tpcc.{table}/00000.jsonl.gz"));
            let lines: Vec<&str> = events.lines().collect();
            let lines = if part == 0 { &lines[..cut] } else { &lines[cut..] };
            shell.write(&format!("landing/pg.tpcc.{table}/{part}.jsonl"), lines.join("\n") + "\n");
        }
    };
    land(0);
    shell.run(&["run"]);
    land(1);
    shell.run(&["ingest", "--complete-until", MOMENTS[5]]);
    shell
}

fn rows(moment: usize, table: &str) -> Value {
    let moments: Value = serde_json::from_str(&read_fixture("tpcc/moments.json")).unwrap();
    moments[moment]["rows"][table].clone()
}

#[track_caller]
fn count(shell: &Shell, sql: &str, options: &[&str]) -> Value {
    json_of(&query(shell, sql, &[options, &["--output", "json"]].concat()))[0]["n"].clone()
}

#[track_caller]
fn query(shell: &Shell, sql: &str, options: &[&str]) -> Said {
    shell.run(&[&["query", sql], options].concat())
}

#[test]
fn a_query_as_of_a_moment_and_a_table_as_its_function() {
    let shell = prepared();
    for (number, moment) in MOMENTS.iter().enumerate() {
        assert_eq!(count(&shell, ORDERS, &["--as-of", moment]), rows(number, "orders"), "{moment}");
    }
    let both = format!(
        "select (select count(*) from tpcc.orders('{}')) - (select count(*) from tpcc.orders('2026-11-21 10:49:36.767701+09:00')) as n",
        MOMENTS[5]
    );
    assert_eq!(count(&shell, &both, &[]), json!(1298 - 521));
    // In the zone that the user names.
    let function = "select count(*) as n from tpcc.orders('2026-11-21 10:49:36.767701')";
    assert_eq!(count(&shell, function, &["--timezone", "Asia/Tokyo"]), json!(521));
    assert_eq!(count(&shell, ORDERS, &["--as-of", "2026-11-21 10:49:36.767701", "--timezone", "Asia/Tokyo"]), json!(521));
    // Its columns are called as those of the table are, and one table may be another moment's.
    let joined =
        format!("select count(*) as n from tpcc.orders('{}') join tpcc.district on o_w_id = d_w_id and orders.o_d_id = d_id", MOMENTS[1]);
    assert_eq!(count(&shell, &joined, &["--as-of", MOMENTS[4]]), rows(1, "orders"));
}

#[test]
fn a_moment_needs_an_offset_and_must_be_one() {
    let shell = prepared();
    let local = "2026-11-21 10:49:36.767701";
    shell.say(&["query", ORDERS, "--as-of", local]).fails(2, &["--timezone", local, "offset"]);
    shell.say(&["query", &format!("select 1 from tpcc.orders('{local}')")]).fails(2, &["--timezone", local, "offset"]);
    shell.say(&["query", "select 1 from tpcc.orders('yesterday')"]).fails(2, &["not a moment", "yesterday"]);
    shell.say(&["query", "select 1 from tpcc.orders(1)"]).fails(2, &["namespace.table("]);
    shell.say(&["query", ORDERS, "--as-of", MOMENTS[1], "--snapshot", "main"]).fails(2, &["--snapshot"]);
}

#[test]
fn outside_of_the_range_it_is_named() {
    let shell = prepared();
    let beyond = "2026-11-21T01:49:40.651777Z";
    for said in [shell.say(&["query", ORDERS, "--as-of", beyond]), shell.say(&["query", &format!("select 1 from tpcc.orders('{beyond}')")])]
    {
        let range = ["answerable from 2026-11-21T01:49:27.201857Z", "complete until 2026-11-21T01:49:40.651776Z"];
        said.fails(1, &[&["tpcc.orders", beyond, "--allow-incomplete"], &range[..]].concat());
        assert_eq!(said.out, "");
    }
    assert_eq!(count(&shell, ORDERS, &["--as-of", beyond, "--allow-incomplete"]), rows(5, "orders"));
    assert_eq!(count(&shell, &format!("select count(*) as n from tpcc.orders('{beyond}')"), &["--allow-incomplete"]), rows(5, "orders"));
    let before = "2026-11-21T01:49:27.201856Z";
    shell
        .say(&["query", ORDERS, "--as-of", before, "--allow-incomplete"])
        .fails(1, &["tpcc.orders", before, "2026-11-21T01:49:27.201857Z"]);
}

#[test]
fn explain_says_what_was_read() {
    let shell = prepared();
    let said = query(&shell, ORDERS, &["--as-of", MOMENTS[5], "--explain", "--output", "csv"]);
    assert_eq!(said.out, "n\n1298\n");
    let snapshot = shell.json(&["history", "tpcc.orders"])[0]["snapshot_id"].to_string();
    let base = format!("tpcc.orders as of {}: base snapshot {snapshot} (log batches to 1)", MOMENTS[5]);
    let residual = format!("{} residual rows to log batch 2", 2_514 - 1_200);
    for part in [base.as_str(), &residual, "0 keys folded again from the baseline", &format!("complete until {}", MOMENTS[5])] {
        assert!(said.err.contains(part), "no `{part}` in {}", said.err);
    }
    let early = query(&shell, ORDERS, &["--as-of", MOMENTS[0], "--explain"]);
    assert!(early.err.contains("base nothing, 0 residual rows"), "{}", early.err);
    assert_eq!(query(&shell, ORDERS, &["--as-of", MOMENTS[5]]).err, "");
}

/// Known then: what the first run had logged, against what is known now.
#[test]
fn as_of_and_committed_by() {
    let shell = prepared();
    let first_run = shell.json(&["history", "tpcc.orders"])[0]["committed_at"].as_str().unwrap().to_owned();
    let cut = ["--as-of", MOMENTS[5], "--committed-by", &first_run];
    shell.say(&[&["query", ORDERS], &cut[..]].concat()).fails(1, &["tpcc.orders", "complete until"]);
    let known_then = count(&shell, ORDERS, &[&cut[..], &["--allow-incomplete"]].concat());
    let created =
        read_fixture("tpcc/events/pg.tpcc.orders/00000.jsonl.gz").lines().take(1_200).filter(|line| line.contains("\"op\":\"c\"")).count();
    assert_eq!((known_then, count(&shell, ORDERS, &cut[..2])), (json!(created), json!(1298)));
}

/// Rule 16: where nothing says which events belong together, the read says that transactions may be visible in part.
#[test]
fn rule_16_a_read_of_torn_transactions_says_so() {
    let shell = Shell::new(
        "[sources.shop]\npath = \"landing/\"\nformat = \"debezium-json\"\ntables = [\"shop.*\"]\nschema = { ddl = \"ddl.sql\", dialect = \"mysql\" }\n",
    );
    shell.write("ddl.sql", "CREATE TABLE shop.a (id bigint PRIMARY KEY);");
    shell.write("landing/0.jsonl", [mysql("a", "null", 10, 5), mysql("a", "null", 20, 8)].join("\n") + "\n");
    shell.run(&["run", "--complete-until", "1970-01-01T00:01:00Z"]);
    let said = query(&shell, "select count(*) as n from shop.a", &["--as-of", "1970-01-01T00:00:30Z"]);
    assert!(said.err.contains("shop.a: a transaction of the source may be visible in part"), "{said:?}");
}
