//! Upkeep at the command line.

use serde_json::{Value, json};

use crate::shell::{Shell, fixture, json_of, read_fixture};

const DISTRICT: &str = "tpcc.district";

/// Districts that were merged in small batches.
fn prepared() -> Shell {
    let ddl = fixture("tpcc/ddl.sql");
    let shell = Shell::new(&format!(
        "[sources.shop]\npath = \"landing/pg.{{table}}/\"\nformat = \"debezium-json\"\ntables = [\"tpcc.*\"]\nschema = {{ ddl = \"{}\" }}\n",
        ddl.display()
    ));
    shell.write("landing/pg.tpcc.district/0.jsonl", read_fixture("tpcc/events/pg.tpcc.district/00000.jsonl.gz"));
    shell.run(&["run", "--batch-rows", "400"]);
    shell
}

fn rows(shell: &Shell) -> Value {
    shell.json(&["query", "select * from tpcc.district order by d_w_id, d_id"])
}

fn files(shell: &Shell) -> usize {
    shell.json(&["files", DISTRICT]).as_array().unwrap().len()
}

#[test]
fn a_table_is_compacted_and_sound() {
    let shell = prepared();
    let (before, many) = (rows(&shell), files(&shell));
    assert!(many > 5, "{many}");
    let planned = shell.json(&["compact", DISTRICT, "--dry-run"]);
    assert_eq!((&planned[0]["table"], &planned[0]["why"], &planned[0]["files"]), (&json!(DISTRICT), &json!("deleted rows"), &json!(many)));
    assert_eq!(planned[1]["table"], "tpcc.district__changelog");
    assert_eq!(files(&shell), many, "a dry run does nothing");

    let report = shell.json(&["compact", DISTRICT]);
    let [mirror, changelog] = [&report[0], &report[1]];
    assert_eq!((&mirror["files_before"], &mirror["files_after"], &mirror["commits"]), (&json!(many), &json!(1), &json!(1)));
    assert_eq!((&mirror["rows_after"], &changelog["rows_after"]), (&json!(before.as_array().unwrap().len()), &changelog["rows_before"]));
    assert_eq!((files(&shell), rows(&shell)), (1, before));
    assert_eq!(shell.json(&["compact", DISTRICT, "--dry-run"]), json!([]));
    assert_eq!(shell.json(&["history", DISTRICT])[0]["kind"], "compaction");
    assert_eq!(shell.json(&["check", "tpcc.*", "--deep"]), json!([]));
    assert_eq!(shell.json(&["fsck", DISTRICT]), json!([]));
}

#[test]
fn maintain_compacts_what_is_due() {
    let shell = prepared();
    let (before, many) = (rows(&shell), files(&shell));
    let events = "select * from tpcc.district__changelog order by _domain, _sequence";
    let logged = shell.json(&["query", events]);
    let steps = |args: &[&str]| {
        let steps = shell.json(args);
        let of = |step: &Value| (step["table"].clone(), step["step"].clone(), step["files"].clone(), step["rows"].clone());
        steps.as_array().unwrap().iter().filter(|step| step["step"] == "compact").map(of).collect::<Vec<_>>()
    };
    let log_files = shell.json(&["files", "tpcc.district__changelog"]).as_array().unwrap().len();
    let plan = steps(&["maintain", "--dry-run"]);
    let [mirror, changelog] = &plan[..] else { panic!("{plan:?}") };
    assert_eq!((&mirror.0, &mirror.2), (&json!(DISTRICT), &json!(many)));
    let of_log = (json!("tpcc.district__changelog"), json!("compact"), json!(log_files), json!(logged.as_array().unwrap().len()));
    assert_eq!(changelog, &of_log);
    assert!(shell.run(&["maintain", "--dry-run"]).out.contains("deleted rows"));
    assert_eq!(files(&shell), many, "a dry run does nothing");

    assert_eq!(steps(&["maintain", DISTRICT]), plan);
    assert_eq!((files(&shell), rows(&shell), shell.json(&["query", events])), (1, before, logged));
    assert!(shell.run(&["maintain"]).err.contains("Nothing is due"));
    assert_eq!(shell.json(&["check", "tpcc.*", "--deep"]), json!([]));
}

#[test]
fn rows_are_sorted_as_asked() {
    let shell = prepared();
    shell.run(&["rewrite-data-files", DISTRICT, "--strategy", "sort", "--sort-order", "d_next_o_id desc, d_id"]);
    assert_eq!(files(&shell), 1);
    let ids = |sql: &str| shell.json(&["query", sql]);
    assert_eq!(
        ids("select d_next_o_id from tpcc.district"),
        ids("select d_next_o_id from tpcc.district order by d_next_o_id desc"),
        "a single file is read in its order"
    );
}

#[test]
fn a_changelog_is_compacted_by_its_own_name() {
    let shell = prepared();
    let log = "tpcc.district__changelog";
    let events = shell.json(&["query", "select count(*) as n from tpcc.district__changelog"]);
    let planned = shell.json(&["compact", log, "--dry-run"]);
    assert!(planned.as_array().unwrap().iter().all(|group| group["table"] == log), "{planned}");
    assert_eq!(shell.json(&["compact", log])[0]["files_after"], 1);
    assert_eq!(shell.json(&["query", "select count(*) as n from tpcc.district__changelog"]), events);
    assert_eq!(shell.json(&["check", DISTRICT, "--deep"]), json!([]));
}

#[test]
fn only_files_that_may_match_are_taken() {
    let shell = prepared();
    let planned = shell.json(&["optimize", DISTRICT, "--dry-run", "--where", "d_w_id > 1000000"]);
    assert_eq!(planned, json!([]), "and the changelog is left alone");
    shell.say(&["compact", DISTRICT, "--where", "no_such_column = 1"]).fails(2, &["--where"]);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let shell = prepared();
    shell.say(&["compact", DISTRICT, "--sort-order", "d_id"]).fails(2, &["--strategy sort"]);
    shell.say(&["compact", DISTRICT, "--strategy", "sort", "--sort-order", "nothing"]).fails(2, &["nothing"]);
    shell.say(&["compact", DISTRICT, "--delete-ratio-threshold", "30"]).fails(2, &["--delete-ratio-threshold"]);
    shell.say(&["compact", DISTRICT, "--target-file-size-bytes", "big"]).fails(2, &["--target-file-size-bytes"]);
    shell.say(&["check", "tpcc.nothing"]).fails(1, &["tpcc.nothing"]);
}

#[test]
fn damage_is_printed_and_ends_with_one() {
    let shell = prepared();
    let path = shell.json(&["files", DISTRICT])[0]["path"].as_str().unwrap().to_owned();
    std::fs::remove_file(path.strip_prefix("file://").unwrap()).unwrap();
    let said = shell.say(&["check", DISTRICT, "--output", "json"]);
    let found = json_of(&said);
    assert_eq!((said.code, &found[0]["problem"], &found[0]["place"]), (1, &json!("missing file"), &json!(path)));
    assert!(shell.say(&["check", DISTRICT]).out.contains("missing file"));
}
