//! What the last jobs did, as `status` and reports tell it, also to a process that was not there.

use serde_json::{Value, json};

use crate::shell::{Shell, json_of, report_of};

const DDL: &str = "CREATE TABLE shop.orders (id bigint PRIMARY KEY, status text, total numeric(10,2));\n";
const SECTIONS: &str = "[sources.shop]\npath = \"landing/pg.{table}/\"\nformat = \"debezium-json\"\nschema = { ddl = \"ddl.sql\" }\n";

fn order(position: u64, id: u64, total: &str) -> String {
    format!(
        concat!(
            r#"{{"before":null,"after":{{"id":{},"status":"new","total":"{}"}},"source":{{"connector":"postgresql","name":"pg","snapshot":"false","#,
            r#""db":"shop","sequence":"[\"{}\",\"{}\"]","ts_us":{},"schema":"shop","table":"orders","lsn":{}}},"op":"c"}}"#,
            "\n"
        ),
        id,
        total,
        position,
        position,
        1_763_700_000_000_000 + position,
        position
    )
}

fn lake(sections: &str) -> Shell {
    let shell = Shell::new(&format!("{SECTIONS}{sections}"));
    shell.write("ddl.sql", DDL);
    shell.write("landing/pg.shop.orders/1.jsonl", order(100, 1, "9.50"));
    shell.run(&["run"]);
    shell
}

fn status(shell: &Shell) -> Value {
    shell.json(&["status", "shop.orders"])[0].clone()
}

#[test]
fn the_last_run_and_the_last_error_outlive_the_process() {
    let shell = lake("");
    let first = status(&shell);
    assert_eq!((&first["last_run_verb"], &first["last_run_outcome"], &first["last_error"]), (&json!("run"), &json!("done"), &Value::Null));
    let kept = std::fs::read_to_string(shell.path("warehouse/shop/orders/runs/done.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!((&kept["verb"], &kept["rows_read"], &kept["inserted"], &kept["error"]), (&json!("run"), &json!(1), &json!(1), &Value::Null));

    shell.write("landing/pg.shop.orders/2.jsonl", order(200, 2, "secret-total"));
    shell.say(&["merge", "shop.orders"]).fails(1, &["record 1"]);
    let failed = status(&shell);
    assert_eq!((&failed["last_run_verb"], &failed["last_run_outcome"], &failed["rows"]), (&json!("merge"), &json!("failed"), &json!(1)));
    let error = failed["last_error"].as_str().unwrap();
    assert!(error.contains("2.jsonl") && error.contains("field total") && !error.contains("secret"), "{error}");
    let shown = shell.run(&["status"]).out;
    assert!(shown.contains("FAILED") && shown.contains("\nshop.orders: merge failed ") && shown.contains("field total"), "{shown}");
    let table: Vec<&str> = shown.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(table.len(), 3);
    assert!(table.iter().all(|line| line.len() <= 120), "{shown}");

    shell.write("landing/pg.shop.orders/2.jsonl", order(200, 2, "1.00"));
    shell.run(&["run"]);
    let mended = status(&shell);
    assert_eq!((&mended["last_run_outcome"], &mended["last_error"], &mended["rows"]), (&json!("done"), &failed["last_error"], &json!(2)));
    assert!(mended["last_run"].as_str() > mended["last_error_at"].as_str());
    let shown = shell.run(&["status"]).out;
    assert!(!shown.contains("FAILED") && !shown.contains("field total"), "{shown}");
}

#[test]
fn a_load_is_a_run_too() {
    let shell = lake("");
    shell.write("dump.csv", "id,status,total\n1,new,9.50\n");
    let load = |at: &str| shell.say(&["load", "shop.orders", "dump.csv", "--ddl", "ddl.sql", "--at", at, "--supersede"]);
    assert_eq!(load("2026-01-01T00:00:00Z").code, 0);
    assert_eq!((&status(&shell)["last_run_verb"], &status(&shell)["last_run_outcome"]), (&json!("load"), &json!("done")));
    shell.write("dump.csv", "id,status,total\n1,new,much\n");
    assert_eq!(load("2026-01-02T00:00:00Z").code, 1);
    let failed = status(&shell);
    assert_eq!((&failed["last_run_verb"], &failed["last_run_outcome"]), (&json!("load"), &json!("failed")));
    assert!(failed["last_error"].as_str().unwrap().contains("dump.csv"), "{failed}");
}

/// The trace of a job is not worth failing it.
#[test]
fn a_job_whose_trace_cannot_be_kept_succeeds() {
    let shell = lake("");
    let runs = shell.path("warehouse/shop/orders/runs");
    std::fs::remove_dir_all(&runs).unwrap();
    std::fs::write(&runs, "").unwrap();
    shell.write("landing/pg.shop.orders/2.jsonl", order(200, 2, "1.00"));
    let said = shell.run(&["run"]);
    assert!(said.err.contains("runs/done.json"), "{said:?}");
    assert_eq!(shell.table("shop.orders").len(), 2);
}

#[test]
fn a_source_that_cannot_be_read_stands_in_the_report() {
    let shell = lake("");
    let settings = std::fs::read_to_string(shell.path("waterline.toml")).unwrap();
    shell.write("waterline.toml", settings + "[sources.absent]\npath = \"nowhere/\"\nformat = \"debezium-json\"\ntables = [\"crm.*\"]\n");
    let said = shell.say(&["run", "--output", "json"]);
    said.fails(1, &["error: source absent: there is no such file", "nowhere"]);
    let report = json_of(&said);
    assert_eq!(report_of(&report, "shop.orders")["error"], Value::Null);
    let failed = report["failed_sources"].as_array().unwrap();
    assert_eq!((failed.len(), &failed[0]["source"]), (1, &json!("absent")));
    assert!(failed[0]["error"].as_str().unwrap().contains("nowhere"), "{report}");

    let said = shell.say(&["merge", "shop.orders", "elsewhere/"]);
    said.fails(1, &["error: shop.orders: there is no such file", "elsewhere"]);
    assert!(!said.err.contains("source"), "{said:?}");
}

#[test]
fn an_error_names_its_table_once() {
    let shell = lake("");
    shell.write("landing/pg.shop.orders/2.jsonl", order(200, 2, "nine euros"));
    let said = shell.say(&["run", "--output", "json"]);
    said.fails(1, &["error: shop.orders: "]);
    assert!(!said.err.contains("table shop.orders"), "{said:?}");
    let error = report_of(&json_of(&said), "shop.orders")["error"].as_str().unwrap().to_owned();
    assert!(!error.contains("table shop.orders") && error.contains("record 1"), "{error}");
}

/// Counted once in the log, and as often as they are there in the status.
#[test]
fn quarantined_records_are_those_that_are_there() {
    let shell = lake("on_error = \"quarantine\"\n");
    shell.write("landing/pg.shop.orders/2.jsonl", "not json\n".to_owned() + &order(200, 2, "nine euros") + &order(300, 3, "3.00"));
    shell.run(&["run"]);
    let counted = || {
        let properties = shell.json(&["describe", "shop.orders__changelog"])["properties"].clone();
        let header: Value = serde_json::from_str(properties["waterline.log"].as_str().unwrap()).unwrap();
        (status(&shell)["quarantined"].as_u64().unwrap(), header["counts"]["quarantined"].as_u64().unwrap())
    };
    assert_eq!(counted(), (2, 2));
    let list = || shell.json(&["quarantine", "list", "shop.orders"]);
    let before = list();
    for _ in 0..2 {
        let report = shell.json(&["quarantine", "retry", "shop.orders"]);
        assert_eq!(report_of(&report, "shop.orders")["quarantined"], 2);
        assert_eq!(counted(), (2, 2));
        let places = |list: &Value| -> Vec<(Value, Value, Value)> {
            list.as_array().unwrap().iter().map(|row| (row["file"].clone(), row["record"].clone(), row["offset_bytes"].clone())).collect()
        };
        assert_eq!(places(&list()), places(&before), "they are where they were first");
    }
    let retried = shell.path("warehouse/shop/orders/quarantine-retried");
    assert_eq!(std::fs::read_dir(retried).unwrap().count(), 0, "nothing is left of the retries");
    shell.run(&["quarantine", "drop", "shop.orders"]);
    assert_eq!(counted(), (0, 2));
}
