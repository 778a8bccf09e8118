//! Upkeep at the command line.

use serde_json::Value;

use crate::formats;
use crate::rules::{create, update};
use crate::shell::{Said, Shell};

/// Seconds of 2023-11-14T22:13:20Z until the next midnight, and of a day.
const MIDNIGHT: u64 = 6_400;
const DAY: u64 = 86_400;
const POLICY: &str = "keep_within = \"1d\", keep_daily = \"forever\", keep_monthly = \"forever\", timezone = \"UTC\"";

/// Four merges, some of them days apart, of a table that is complete until 2023-11-18.
fn lived(retention: &str) -> Shell {
    lived_in(formats::asked().as_deref(), retention)
}

fn lived_in(format: Option<&str>, retention: &str) -> Shell {
    let sections = format!(
        "{retention}\n[sources.shop]\npath = \"landing/\"\nformat = \"debezium-json\"\ntables = [\"shop.t\"]\nschema = {{ ddl = \"ddl.sql\" }}\n"
    );
    let shell = Shell::with_format(format, &sections);
    shell.write("ddl.sql", "CREATE TABLE shop.t (id bigint, a text, b text, PRIMARY KEY (id));");
    let days = [vec![create(1, 1, "first", "x"), create(2, 2, "first", "x")], vec![update(MIDNIGHT + 5, 1, "second", "x")]];
    let days = days.into_iter().chain([2, 3].map(|day| vec![update(MIDNIGHT + day * DAY - 9, 1, &format!("day {day}"), "x")]));
    for (number, lines) in days.enumerate() {
        shell.write(&format!("landing/{number}.jsonl"), lines.join("\n") + "\n");
        shell.run(&["run", "--complete-until", "2023-11-18T00:00:00Z"]);
    }
    shell
}

#[track_caller]
fn steps(shell: &Shell, args: &[&str]) -> Vec<(String, String, u64)> {
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let steps = shell.json(args);
    steps.as_array().unwrap().iter().map(|step| (text(step, "table"), text(step, "step"), step["files"].as_u64().unwrap())).collect()
}

fn rows_at(shell: &Shell, moment: &str) -> Said {
    shell.say(&["query", "select a from shop.t where id = 1", "--as-of", moment, "--output", "csv"])
}

fn row_one(shell: &Shell) -> String {
    shell.rows("select a from shop.t where id = 1").remove(0).remove("a").unwrap()
}

const MOMENTS: [(&str, &str); 3] =
    [("2023-11-14T23:00:00Z", "first"), ("2023-11-15T23:00:00Z", "second"), ("2023-11-17T23:00:00Z", "day 2")];

#[test]
fn snapshots_expire_and_files_are_vacuumed() {
    let shell = lived("");
    let all = shell.snapshot_count("shop.t");
    shell.say(&["expire", "shop.t", "--older-than", "1h"]).fails(2, &["24 hours", "--force"]);
    assert!(shell.say(&["expire", "shop.t"]).out.contains("0 snapshots"));
    let expire = ["expire", "shop.t", "--older-than", "0s", "--retain-last", "1", "--force"];
    let plan = steps(&shell, &[&expire[..], &["--dry-run"]].concat());
    assert_eq!(shell.snapshot_count("shop.t"), all);
    let done = steps(&shell, &expire);
    assert_eq!(done, plan);
    assert_eq!(
        done.iter().map(|(table, step, _)| (table.as_str(), step.as_str())).collect::<Vec<_>>(),
        [("shop.t", "expire"), ("shop.t__changelog", "expire")]
    );
    assert!(done.iter().all(|(_, _, files)| *files > 0));
    assert_eq!(shell.snapshot_count("shop.t"), 1);
    for (moment, row) in MOMENTS {
        assert_eq!(rows_at(&shell, moment).out, format!("a\n{row}\n"), "{moment}");
    }

    let garbage = shell.write("warehouse/shop/t/data/garbage.parquet", "garbage");
    shell.say(&["vacuum", "shop.t"]).fails(75, &["garbage.parquet", "a job seems to be writing"]);
    let plan = steps(&shell, &["vacuum", "shop.t", "--older-than", "0s", "--force", "--dry-run"]);
    assert!(plan.iter().any(|(_, step, _)| step == "file"));
    assert!(garbage.exists());
    shell.run(&["vacuum", "shop.t", "--older-than", "0s", "--force"]);
    assert!(!garbage.exists());
    for (moment, row) in MOMENTS {
        assert_eq!(rows_at(&shell, moment).out, format!("a\n{row}\n"), "{moment}");
    }
    shell.say(&["vacuum", "shop.none"]).fails(1, &["shop.none"]);
}

#[test]
fn a_table_is_rolled_back() {
    let shell = lived("");
    let snapshots = shell.json(&["history", "shop.t"]);
    let second = snapshots[2]["snapshot_id"].to_string();
    shell.say(&["rollback", "shop.t"]).fails(2, &["--snapshot", "--committed-by"]);
    shell.say(&["rollback", "shop.t", "--snapshot", "7"]).fails(1, &["no such snapshot", "7"]);
    let rollback = ["rollback", "shop.t", "--snapshot", &second];
    let plan = steps(&shell, &[&rollback[..], &["--dry-run"]].concat());
    assert_eq!(row_one(&shell), "day 3");
    assert_eq!(steps(&shell, &rollback), plan);
    assert_eq!(row_one(&shell), "second");
    assert_eq!(rows_at(&shell, MOMENTS[2].0).out, "a\nsecond\n");
    assert!(shell.run(&["history", "shop.t"]).out.contains("rollback"));
    shell.run(&["run"]);
    assert_eq!(row_one(&shell), "second");
    shell.run(&["rollback", "shop.t", "--committed-by", snapshots[3]["committed_at"].as_str().unwrap(), "--replay"]);
    assert_eq!(row_one(&shell), "first");
    shell.run(&["run"]);
    assert_eq!(row_one(&shell), "day 3");
}

#[test]
fn a_policy_trims_and_maintain_does_what_is_due() {
    for format in ["iceberg", "delta"] {
        maintain_does_what_is_due(format);
    }
}

fn maintain_does_what_is_due(format: &str) {
    let shell = lived_in(Some(format), &format!("[retention]\n{}\n", POLICY.replace(", ", "\n")));
    let plan = shell.run(&["expire", "shop.t", "--dry-run"]).out;
    for part in ["as of 2023-11-14T22:13:21.000000Z until 2023-11-18T00:00:00.000000Z", "keep", "as of 2023-11-16T00:00:00.000000Z"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert_eq!(rows_at(&shell, MOMENTS[0].0).code, 0);
    let did = shell.run(&["maintain"]);
    assert!(did.out.contains("trim"), "{did:?}");
    let again = shell.run(&["maintain"]);
    assert!(again.err.contains("Nothing is due") && !again.out.contains("trim"), "{again:?}");
    rows_at(&shell, MOMENTS[0].0).fails(1, &["not known at that moment", "answerable from 2023-11-18T00:00:00"]);
    for (midnight, row) in [("2023-11-15T00:00:00Z", "first"), ("2023-11-17T00:00:00Z", "day 2"), ("2023-11-18T00:00:00Z", "day 3")] {
        assert_eq!(rows_at(&shell, midnight).out, format!("a\n{row}\n"), "{midnight}");
    }
    let status = shell.json(&["status", "shop.t"]);
    assert_eq!((status[0]["kept_moments"].as_u64(), status[0]["earliest"].as_str()), (Some(3), Some("2023-11-18T00:00:00Z")));
    assert_eq!(row_one(&shell), "day 3");
}

#[test]
fn a_policy_that_makes_no_sense_is_a_usage_error() {
    for (wrong, why) in
        [("keep_within = \"soon\"", "keep_within"), ("keep_daily = \"2y\"", "keep_within"), ("keep_within = \"1d\", zone = 1", "zone")]
    {
        let shell = Shell::new(&format!("[tables.\"shop.t\"]\nretention = {{ {wrong} }}\n"));
        shell.say(&["maintain"]).fails(2, &["waterline.toml", why]);
    }
}
