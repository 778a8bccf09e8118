//! TPC-C through the program itself: however its events come, the tables end as the database had them at moment-05.
//!
//! The whole fixture takes the debug program many seconds, so most tests take the tables in which the difficult things
//! happen: `customer` (key changes, deletes with re-insert), `district` (many changes of few keys), `new_order`
//! (creates and deletes) and `history` (creates only).

use std::fs::File;
use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::formats;
use crate::shell::{Said, Shell, assert_same, dumped, fixture, json_of, read_fixture, report_of};

const ALL: &[&str] = &["customer", "district", "history", "item", "new_order", "order_line", "orders", "stock", "warehouse"];
const FEW: &[&str] = &["customer", "district", "new_order"];
/// Moment of the dump.
const MOMENT_00: &str = "2026-11-21T01:49:34.473380Z";
const END: &str = "2026-11-21T01:49:40.651776Z";

/// A lake whose source is the folder `landing` of its own.
fn lake(more: &str) -> Shell {
    lake_of(formats::asked().as_deref(), more)
}

fn lake_of(format: Option<&str>, more: &str) -> Shell {
    let ddl = fixture("tpcc/ddl.sql");
    let sections = format!(
        "[sources.shop]\npath = \"landing/pg.{{table}}/\"\nformat = \"debezium-json\"\ntables = [\"tpcc.*\"]\nschema = {{ ddl = \"{}\" }}\n{more}",
        ddl.display()
    );
    Shell::with_format(format, &sections)
}

fn events(table: &str) -> String {
    read_fixture(&format!("tpcc/events/pg.tpcc.{table}/00000.jsonl.gz"))
}

/// Lands a file of a table under this name.
fn land(shell: &Shell, table: &str, name: &str, text: &str) {
    shell.write(&format!("landing/pg.tpcc.{table}/{name}"), text);
}

fn land_whole(shell: &Shell, tables: &[&str]) {
    for table in tables {
        land(shell, table, "00000.jsonl", &events(table));
    }
}

/// Pieces of a file of events, at ends of lines.
fn pieces(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks(lines.len().div_ceil(count)).map(|lines| lines.iter().map(|line| format!("{line}\n")).collect()).collect()
}

#[track_caller]
fn assert_moment(shell: &Shell, tables: &[&str], moment: u8) {
    for table in tables {
        assert_same(table, &shell.table(&format!("tpcc.{table}")), &dumped(&format!("tpcc/moment-0{moment}/{table}.csv.gz")));
    }
}

/// No event is in a changelog twice, and none is missing.
#[track_caller]
fn assert_logged_once(shell: &Shell, tables: &[&str]) {
    for table in tables {
        let counts = shell.rows(&format!(
            "select count(*) as n, count(distinct concat(_domain, '/', _sequence)) as identities from tpcc.{table}__changelog"
        ));
        let lines = events(table).lines().count().to_string();
        assert_eq!((counts[0]["n"].as_str(), counts[0]["identities"].as_str()), (lines.as_str(), lines.as_str()), "{table}");
    }
}

fn total(report: &serde_json::Value, count: &str) -> u64 {
    report["tables"].as_array().unwrap().iter().map(|table| table[count].as_u64().unwrap()).sum()
}

fn load_dump(shell: &Shell, table: &str) -> Said {
    let dump = fixture(&format!("tpcc/moment-00/{table}.csv.gz"));
    let ddl = fixture("tpcc/ddl.sql");
    let (table, dump, ddl) = (format!("tpcc.{table}"), dump.display().to_string(), ddl.display().to_string());
    shell.run(&["load", &table, &dump, "--format", "csv", "--null", "\\N", "--ddl", &ddl, "--at", MOMENT_00])
}

#[test]
fn all_nine_tables_from_events_alone() {
    let shell = lake("");
    land_whole(&shell, ALL);
    let report = shell.json(&["run", "--complete-until", END]);
    assert_moment(&shell, ALL, 5);
    assert_eq!(total(&report, "rows_read"), 44_154);
    assert_eq!((total(&report, "late"), total(&report, "repeated"), total(&report, "quarantined")), (0, 0, 0));
    assert!(report["tables"].as_array().unwrap().iter().all(|table| table["complete_until"] == END), "{report}");

    let again = shell.json(&["run"]);
    assert_eq!((total(&again, "rows_read"), total(&again, "files_written")), (0, 0));
}

#[test]
fn nine_dumps_and_all_events() {
    let shell = lake("");
    land_whole(&shell, ALL);
    for table in ALL {
        load_dump(&shell, table);
    }
    assert_moment(&shell, ALL, 0);
    shell.run(&["run"]);
    assert_moment(&shell, ALL, 5);
}

#[test]
fn batches_of_a_thousand() {
    let shell = lake("[limits]\nbatch_rows = 1000\n");
    land_whole(&shell, FEW);
    let report = shell.json(&["run"]);
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
    assert_eq!(total(&report, "late") + total(&report, "repeated"), 0);
    assert!(shell.snapshot_count("tpcc.customer") >= 5, "each batch is a commit");
}

#[test]
fn every_file_twice_under_other_names() {
    let shell = lake("");
    for table in FEW {
        for (number, piece) in pieces(&events(table), 3).iter().enumerate() {
            land(&shell, table, &format!("{number}.jsonl"), piece);
            land(&shell, table, &format!("{number}-again.jsonl"), piece);
        }
    }
    let report = shell.json(&["run", "--batch-rows", "700"]);
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
    for table in FEW {
        let lines = events(table).lines().count() as u64;
        let table = report_of(&report, &format!("tpcc.{table}"));
        assert_eq!(
            (table["rows_read"].as_u64(), table["repeated"].as_u64(), table["late"].as_u64()),
            (Some(2 * lines), Some(lines), Some(0))
        );
    }
}

/// The reads of a snapshot share one position, whichever file each of them came in.
#[test]
fn a_snapshot_over_many_files() {
    let shell = lake("");
    for (number, piece) in pieces(&events("customer"), 20).iter().enumerate() {
        land(&shell, "customer", &format!("{number:02}.jsonl"), piece);
    }
    shell.run(&["run"]);
    assert_logged_once(&shell, &["customer"]);
    assert_moment(&shell, &["customer"], 5);
}

#[test]
fn pieces_in_shuffled_order_over_many_runs() {
    let mut rng = StdRng::seed_from_u64(11);
    let shell = lake("");
    let mut arriving: Vec<(&str, usize, String)> = FEW
        .iter()
        .flat_map(|table| pieces(&events(table), 8).into_iter().enumerate().map(|(number, piece)| (*table, number, piece)))
        .collect();
    arriving.shuffle(&mut rng);
    let (mut late, mut repeated) = (0, 0);
    for run in arriving.chunks(4) {
        for (table, number, piece) in run {
            land(&shell, table, &format!("{number}.jsonl"), piece);
        }
        let report = shell.json(&["run"]);
        late += total(&report, "late");
        repeated += total(&report, "repeated");
    }
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
    assert!(late > 0);
    assert_eq!(repeated, 0);
}

/// The dump is loaded when a part of the events is there already, and agrees with them.
#[test]
fn shuffled_pieces_onto_a_dump() {
    let shell = lake("");
    for table in FEW {
        load_dump(&shell, table);
    }
    for number in [2, 0, 3, 1] {
        for table in FEW {
            land(&shell, table, &format!("{number}.jsonl"), &pieces(&events(table), 4)[number]);
        }
        shell.run(&["run"]);
    }
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
}

fn with_properties(properties: &str) -> String {
    FEW.iter().map(|table| format!("[tables.\"tpcc.{table}\"]\nproperties = {{ {properties} }}\n")).collect()
}

#[test]
fn copy_on_write() {
    let shell = lake(&with_properties("\"write.merge.mode\" = \"copy-on-write\""));
    land_whole(&shell, FEW);
    shell.run(&["run", "--batch-rows", "1000"]);
    assert_moment(&shell, FEW, 5);
    for table in FEW {
        let files = shell.json(&["files", &format!("tpcc.{table}")]);
        let deletes: u64 = files.as_array().unwrap().iter().filter_map(|file| file["deleted_rows"].as_u64()).sum();
        assert_eq!(deletes, 0, "{files}");
    }
    assert_eq!(shell.json(&["check", "tpcc.*", "--deep"]), serde_json::json!([]));
}

#[test]
fn delta_merge_on_read() {
    let shell = lake_of(Some("delta"), "");
    load_dump(&shell, "customer");
    land_whole(&shell, FEW);
    shell.run(&["run", "--batch-rows", "1000"]);
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
    let log = std::fs::read_dir(shell.path("warehouse/tpcc/customer/_delta_log")).unwrap();
    let commits = log.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(commits.into_iter().any(|commit| commit.contains("\"deletionVector\"")), "deletes are deletion vectors");
}

#[test]
fn delta_copy_on_write() {
    let shell = lake_of(Some("delta"), &with_properties("\"write.merge.mode\" = \"copy-on-write\""));
    land_whole(&shell, FEW);
    shell.run(&["run", "--batch-rows", "1000"]);
    assert_moment(&shell, FEW, 5);
    for table in FEW {
        let first = std::fs::read_to_string(shell.path(&format!("warehouse/tpcc/{table}/_delta_log/{:020}.json", 0))).unwrap();
        assert!(first.contains("\"minReaderVersion\":1"), "any reader will do: {first}");
    }
}

#[test]
fn tables_of_both_formats_in_one_lake() {
    let shell = lake_of(Some("iceberg"), "[tables.\"tpcc.district\"]\ntable_format = \"delta\"\n");
    land_whole(&shell, FEW);
    shell.run(&["run"]);
    assert_moment(&shell, FEW, 5);
    let has_log = |table: &str| shell.path(&format!("warehouse/tpcc/{table}/_delta_log")).is_dir();
    assert_eq!(["district", "district__changelog", "customer"].map(has_log), [true, true, false]);
    let joined = shell.rows("select count(*) as n from tpcc.customer c join tpcc.district d on c.c_w_id = d.d_w_id and c.c_d_id = d.d_id");
    let customers = dumped("tpcc/moment-05/customer.csv.gz").len().to_string();
    assert_eq!(joined[0]["n"], customers);
    let as_of =
        shell.rows(&format!("select * from tpcc.district('{MOMENT_00}') d join tpcc.customer('{MOMENT_00}') c on c.c_w_id = d.d_w_id"));
    assert!(!as_of.is_empty());
}

#[test]
fn format_version_3() {
    let shell = lake(&with_properties("\"format-version\" = 3"));
    land_whole(&shell, FEW);
    shell.run(&["run", "--batch-rows", "1000"]);
    assert_moment(&shell, FEW, 5);
    let puffins = std::process::Command::new("find").arg(shell.path("warehouse")).args(["-name", "*.puffin"]).output().unwrap();
    assert!(!puffins.stdout.is_empty(), "deletes are deletion vectors");
    assert_eq!(shell.json(&["check", "tpcc.*", "--deep"]), serde_json::json!([]));
    for table in FEW {
        shell.run(&["compact", &format!("tpcc.{table}")]);
    }
    assert_moment(&shell, FEW, 5);
    assert_eq!(shell.json(&["check", "tpcc.*", "--deep"]), serde_json::json!([]));
}

#[test]
fn ingest_first_and_merge_later() {
    let shell = lake("");
    for number in 0..3 {
        for table in FEW {
            land(&shell, table, &format!("{number}.jsonl"), &pieces(&events(table), 3)[number]);
        }
        let report = shell.json(&["ingest"]);
        assert_eq!(total(&report, "inserted"), 0);
    }
    for table in FEW {
        assert_same(table, &shell.table(&format!("tpcc.{table}")), &[]);
    }
    let report = shell.json(&["merge"]);
    assert_eq!(total(&report, "rows_read"), 0);
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
}

/// Ends the process with SIGKILL, if it still runs then. Whether it did.
fn kill_after(mut process: Child, delay: Duration) -> bool {
    let deadline = Instant::now() + delay;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "{:?}", said_by(process));
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    true
}

fn said_by(process: Child) -> String {
    String::from_utf8(process.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn killed_at_random_moments() {
    let mut rng = StdRng::seed_from_u64(rand::rng().random());
    let tables = &["customer", "district"];
    let shell = lake("[limits]\nbatch_rows = 300\n");
    land_whole(&shell, tables);
    let mut kills = 0;
    for _ in 0..40 {
        let delay = Duration::from_millis(rng.random_range(20..600));
        if !kill_after(shell.start(&["run"]), delay) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 5, "{kills}");
    shell.run(&["run"]);
    assert_moment(&shell, tables, 5);
    assert_logged_once(&shell, tables);
}

#[test]
fn two_processes_at_the_same_time() {
    let tables = &["customer", "district"];
    let shell = lake("[limits]\nbatch_rows = 400\n");
    land_whole(&shell, tables);
    let processes = [shell.start(&["run"]), shell.start(&["run"])];
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        // One that keeps losing may give up, and says that it can be tried again.
        assert!([Some(0), Some(75)].contains(&output.status.code()), "{err}");
    }
    shell.run(&["run"]);
    assert_moment(&shell, tables, 5);
    assert_logged_once(&shell, tables);
}

fn append(shell: &Shell, table: &str, text: &str) {
    let mut file = File::options().append(true).open(shell.path(&format!("landing/pg.tpcc.{table}/00000.jsonl"))).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn files_that_are_appended_to() {
    let shell = lake("");
    for table in FEW {
        land(&shell, table, "00000.jsonl", "");
    }
    for part in 0..4 {
        for table in FEW {
            append(&shell, table, &pieces(&events(table), 4)[part]);
        }
        shell.run(&["run"]);
    }
    assert_moment(&shell, FEW, 5);
    assert_logged_once(&shell, FEW);
}

/// The last line may get its line feed with what is appended; a line that is not whole yet is an error until it is.
#[test]
fn appending_inside_a_line() {
    let shell = lake("");
    let text = events("district");
    let end = text.match_indices('\n').nth(1000).unwrap().0;
    land(&shell, "district", "00000.jsonl", &text[..end]);
    shell.run(&["run"]);
    append(&shell, "district", &text[end..end + 700]);
    let before = shell.table("tpcc.district");
    shell.say(&["run"]).fails(1, &["tpcc.district", "the record ends inside its JSON", "record 1003"]);
    assert_same("district", &shell.table("tpcc.district"), &before);
    append(&shell, "district", &text[end + 700..]);
    shell.run(&["run"]);
    assert_moment(&shell, &["district"], 5);
    assert_logged_once(&shell, &["district"]);
}

#[track_caller]
fn assert_refuses(shell: &Shell, what: &str) {
    let before = (shell.table("tpcc.district"), shell.snapshot_count("tpcc.district"), shell.snapshot_count("tpcc.district__changelog"));
    shell.say(&["run"]).fails(1, &["tpcc.district", what, "landing/pg.tpcc.district/00000.jsonl"]);
    let after = (shell.table("tpcc.district"), shell.snapshot_count("tpcc.district"), shell.snapshot_count("tpcc.district__changelog"));
    assert_eq!(before, after);
}

#[test]
fn a_file_that_shrank_or_changed_is_an_error() {
    let shell = lake("");
    let text = events("district");
    let half: String = pieces(&text, 2).remove(0);
    land(&shell, "district", "00000.jsonl", &half);
    land(&shell, "new_order", "00000.jsonl", &events("new_order"));
    shell.run(&["run"]);

    land(&shell, "district", "00000.jsonl", &pieces(&half, 2)[0]);
    assert_refuses(&shell, "the file is shorter than when it was read");

    land(&shell, "district", "00000.jsonl", &text.replacen("\"d_next_o_id\":1}", "\"d_next_o_id\":7}", 1));
    assert_refuses(&shell, "the file changed before the position up to which it was read");
    assert_moment(&shell, &["new_order"], 5);

    land(&shell, "district", "00000.jsonl", &text);
    shell.run(&["run"]);
    assert_moment(&shell, &["district"], 5);
}

/// Commands of the issue: a dump and a folder of events, of one table.
#[test]
fn load_and_merge_of_one_table() {
    let shell = Shell::new("");
    let ddl = fixture("tpcc/ddl.sql").display().to_string();
    let folder = format!("{}/", fixture("tpcc/events/pg.tpcc.customer").display());
    load_dump(&shell, "customer");
    assert_moment(&shell, &["customer"], 0);
    let report = json_of(&shell.run(&[
        "merge",
        "tpcc.customer",
        &folder,
        "--format",
        "debezium-json",
        "--ddl",
        &ddl,
        "--batch-rows",
        "1000",
        "--complete-until",
        END,
        "--output",
        "json",
    ]));
    assert_moment(&shell, &["customer"], 5);
    assert_eq!(report_of(&report, "tpcc.customer")["complete_until"], END);
}
