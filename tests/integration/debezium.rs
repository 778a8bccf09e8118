//! The mixed files of Debezium, in each of their settings, end as the databases had their tables; with the exceptions
//! that the fixtures' README names.

use crate::formats;
use crate::shell::{Said, Shell, TextRow, assert_same, dumped, fixture};

/// One way in which the connector for PostgreSQL was set, and where the schemas come from.
struct Setting {
    file: &'static str,
    format: &'static str,
    with_ddl: bool,
}

const DEFAULT: Setting = Setting { file: "default", format: "debezium-json", with_ddl: false };
const UNWRAP: Setting = Setting { file: "unwrap", format: "debezium-json", with_ddl: true };
const AVRO: Setting = Setting { file: "avro", format: "debezium-avro", with_ddl: false };

impl Setting {
    fn source(&self, more: &str) -> String {
        let folder = fixture("debezium/postgres");
        let (folder, file, format) = (folder.display(), self.file, self.format);
        let ddl = if self.with_ddl { format!("schema = {{ ddl = \"{folder}/ddl.sql\" }}\n") } else { String::new() };
        let schemas =
            if format == "debezium-avro" { format!("avro_schemas = \"{folder}/avro.schemas.jsonl.gz\"\n") } else { String::new() };
        format!("[sources.shop]\npath = \"{folder}/{file}.jsonl.gz\"\nformat = \"{format}\"\n{ddl}{schemas}{more}")
    }

    fn run(&self) -> Shell {
        self.run_in(formats::asked().as_deref())
    }

    /// Delta takes the wider type of a column of `evolve` where its readers are asked for it.
    fn run_in(&self, format: Option<&str>) -> Shell {
        let wider = "[tables.\"shop.evolve\"]\nproperties = { \"delta.enableTypeWidening\" = \"true\" }\n";
        let shell = Shell::with_format(format, &self.source(if format == Some("delta") { wider } else { "" }));
        let said = shell.say(&["run"]);
        self.stops_two_tables(&said);
        shell
    }

    /// `evolve` at a change of type that cannot be taken, and `nokey` at an update.
    fn stops_two_tables(&self, said: &Said) {
        let file = format!("{}.jsonl.gz, record ", self.file);
        said.fails(1, &[]);
        let errors: Vec<&str> = said.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        for part in ["shop.evolve: ", "column amount", "table type Int64", "source type Utf8", &format!("{file}124")] {
            assert!(errors[0].contains(part), "no `{part}` in {}", errors[0]);
        }
        for part in ["shop.nokey: an update or a delete of a table without a key", "op u", &format!("{file}82")] {
            assert!(errors[1].contains(part), "no `{part}` in {}", errors[1]);
        }
    }
}

fn last_of(table: &str) -> Vec<TextRow> {
    dumped(&format!("debezium/postgres/final/{table}.csv"))
}

fn rows<const N: usize>(lines: [&[(&str, &str)]; N]) -> Vec<TextRow> {
    let mut rows: Vec<TextRow> =
        lines.iter().map(|cells| cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).collect();
    rows.sort();
    rows
}

/// Debezium's precise mode makes null of a numeric NaN.
fn all_types_without_nan() -> Vec<TextRow> {
    let mut rows = last_of("all_types");
    for row in &mut rows {
        row.retain(|name, value| name != "c_num" || value != "NaN");
    }
    rows.sort();
    rows
}

/// Up to the event that stops it. `score` was added by the source, so its type is what the messages say.
fn evolve_until_it_stops(score: [&str; 2]) -> Vec<TextRow> {
    rows([
        &[("id", "1"), ("name", "before"), ("amount", "11"), ("score", score[0])],
        &[("id", "2"), ("name", "v0"), ("amount", "20")],
        &[("id", "3"), ("name", "v1"), ("amount", "30"), ("note", "added")],
        &[("id", "4"), ("name", "v3"), ("amount", "3000000000"), ("remark", "renamed"), ("score", score[1])],
        &[("id", "5"), ("name", "v5"), ("amount", "50"), ("remark", "dropped score")],
    ])
}

/// Without schemas, nothing of the batch with the value that stops it: what was there when the last new column came.
fn evolve_until_its_last_batch(score: [&str; 2]) -> Vec<TextRow> {
    rows([
        &[("id", "1"), ("name", "before"), ("amount", "11"), ("score", score[0])],
        &[("id", "2"), ("name", "v0"), ("amount", "20")],
        &[("id", "3"), ("name", "v1"), ("amount", "30"), ("note", "added")],
        &[("id", "4"), ("name", "v3"), ("amount", "3000000000"), ("note", "wide"), ("score", score[1])],
    ])
}

#[track_caller]
fn assert_last(shell: &Shell, tables: &[&str]) {
    for table in tables {
        assert_same(table, &shell.table(&format!("shop.{table}")), &last_of(table));
    }
}

const SAME_IN_EVERY_SETTING: &[&str] = &["docs", "docs_full", "events"];
const WITH_TRUNCATES: &[&str] = &["order_lines", "uidx"];

fn assert_weird(shell: &Shell) {
    assert_same("Weird Table-1", &shell.table("shop.Weird Table-1"), &last_of("_Weird_Table-1_"));
}

fn assert_setting(setting: &Setting, evolve: &[TextRow]) -> Shell {
    assert_tables(setting.run(), evolve)
}

fn assert_tables(shell: Shell, evolve: &[TextRow]) -> Shell {
    assert_last(&shell, SAME_IN_EVERY_SETTING);
    assert_last(&shell, WITH_TRUNCATES);
    assert_same("all_types", &shell.table("shop.all_types"), &all_types_without_nan());
    assert_same("evolve", &shell.table("shop.evolve"), evolve);
    // The snapshot is a batch of its own; the batch with the update is not logged.
    assert_same("nokey", &shell.table("shop.nokey"), &rows([&[("a", "1"), ("b", "one")], &[("a", "1"), ("b", "one")]]));
    shell
}

#[test]
fn default_with_schemas() {
    let shell = assert_setting(&DEFAULT, &evolve_until_it_stops(["1.25", "2.50"]));
    assert_weird(&shell);
}

#[test]
fn delta_tables() {
    let shell = assert_tables(DEFAULT.run_in(Some("delta")), &evolve_until_it_stops(["1.25", "2.50"]));
    assert_weird(&shell);
    assert!(shell.path("warehouse/shop/all_types/_delta_log").is_dir());
}

#[test]
fn default_with_ddl() {
    let shell = assert_setting(&Setting { with_ddl: true, ..DEFAULT }, &evolve_until_it_stops(["1.25", "2.50"]));
    assert_weird(&shell);
}

/// Nothing says that the column that was added holds decimals: it stays the text that the converter wrote.
#[test]
fn noschema_precise_micros_with_ddl() {
    let setting = Setting { file: "noschema_precise_micros", with_ddl: true, ..DEFAULT };
    let shell = assert_setting(&setting, &evolve_until_its_last_batch(["fQ==", "APo="]));
    assert_weird(&shell);
}

/// The converter replaces what Avro does not allow in names.
#[test]
fn avro() {
    let shell = assert_setting(&AVRO, &evolve_until_it_stops(["1.25", "2.50"]));
    let weird = rows([&[("Key_Col", "1"), ("na_ve_col", "ï"), ("select", "SEL"), ("a_b", "5")]]);
    assert_same("Weird Table-1", &shell.table("shop.Weird Table-1"), &weird);
}

#[test]
fn avro_with_ddl_has_the_names_of_the_database() {
    let shell = assert_setting(&Setting { with_ddl: true, ..AVRO }, &evolve_until_it_stops(["1.25", "2.50"]));
    assert_weird(&shell);
}

/// Truncates do not come through.
#[test]
fn unwrap_with_ddl() {
    let shell = UNWRAP.run();
    assert_last(&shell, SAME_IN_EVERY_SETTING);
    assert_last(&shell, &["all_types"]);
    assert_weird(&shell);
    assert_same("evolve", &shell.table("shop.evolve"), &evolve_until_its_last_batch(["1.25", "2.50"]));
    assert_same("uidx", &shell.table("shop.uidx"), &rows([&[("code", "x"), ("region", "UK"), ("v", "10")]]));
    let mut order_lines = last_of("order_lines");
    order_lines.extend(rows([
        &[
            ("order_id", "1"),
            ("line_no", "1"),
            ("sku", "A-1"),
            ("qty", "2"),
            ("price", "9.9900"),
            ("placed_at", "2026-01-05 08:00:00.123456+00"),
        ],
        &[("order_id", "1"), ("line_no", "2"), ("sku", "B-8"), ("qty", "1"), ("placed_at", "2026-02-01 00:00:01+00")],
        &[
            ("order_id", "2"),
            ("line_no", "20"),
            ("sku", "C-3"),
            ("qty", "7"),
            ("price", "123.4567"),
            ("placed_at", "2026-02-01 00:00:00+00"),
        ],
    ]));
    order_lines.sort();
    assert_same("order_lines", &shell.table("shop.order_lines"), &order_lines);
}

/// What stopped a table goes to quarantine instead, and the table goes on.
#[test]
fn bad_records_aside() {
    let shell = Shell::new(&DEFAULT.source("on_error = \"quarantine\"\n"));
    shell.run(&["run"]);
    assert_same("evolve", &shell.table("shop.evolve"), &evolve_until_it_stops(["1.25", "2.50"]));
    assert_same("nokey", &shell.table("shop.nokey"), &last_of("nokey"));
    assert_last(&shell, SAME_IN_EVERY_SETTING);
    assert_last(&shell, WITH_TRUNCATES);
    let aside = |table| {
        let listed = shell.json(&["quarantine", "list", table]);
        listed.as_array().unwrap().iter().map(|row| row["record"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    // From the change of type on, no record of the table fits it.
    assert_eq!(aside("shop.evolve"), [124, 127]);
    assert_eq!(aside("shop.nokey").len(), 3);
    assert_eq!(aside("shop.docs"), [0; 0]);
}

/// Each batch of one event is a commit of its own.
#[test]
fn event_by_event() {
    let shell = Shell::new(&format!("{}[limits]\nbatch_rows = 1\n", DEFAULT.source("")));
    DEFAULT.stops_two_tables(&shell.say(&["run"]));
    assert_last(&shell, SAME_IN_EVERY_SETTING);
    assert_last(&shell, WITH_TRUNCATES);
    assert_same("evolve", &shell.table("shop.evolve"), &evolve_until_it_stops(["1.25", "2.50"]));
}

#[test]
fn mysql_replays_to_what_its_workload_says() {
    let path = fixture("debezium/mysql/default_schemas.jsonl.gz");
    let shell = Shell::new(&format!("[sources.shop]\npath = \"{}\"\nformat = \"debezium-json\"\n", path.display()));
    let said = shell.say(&["run"]);
    said.fails(1, &["shop.nokey: an update or a delete of a table without a key", "op u", "record 58"]);
    assert_eq!(said.err.matches("error: ").count(), 1, "{}", said.err);

    // Dates of zeros are null in Debezium's messages.
    let all_types = rows([
        &[("id", "0")],
        &[("id", "2"), ("c_text", ""), ("c_enum", ""), ("c_set", ""), ("c_json", "null")],
        &[("id", "3"), ("c_date", "9999-12-31"), ("c_dt6", "9999-12-31 23:59:59.999999"), ("c_ts6", "1970-01-01 00:00:01+00")],
    ]);
    let order_lines = rows([&[
        ("order_id", "100"),
        ("line_no", "1"),
        ("sku", "AFTER"),
        ("qty", "1"),
        ("price", "1.0000"),
        ("placed_at", "2026-02-02 00:00:00+00"),
    ]]);
    // The rename arrives as one column gone and one new; row 3 was written after it, row 5 after `score` was dropped.
    let evolve = rows([
        &[("id", "1"), ("name", "before"), ("amount", "3000000000"), ("score", "1.25")],
        &[("id", "3"), ("name", "v1"), ("amount", "30"), ("score", "1.25"), ("remark", "renamed")],
        &[("id", "5"), ("name", "v5"), ("amount", "50"), ("remark", "dropped")],
    ]);
    assert_same("all_types", &shell.table("shop.all_types"), &all_types);
    assert_same("order_lines", &shell.table("shop.order_lines"), &order_lines);
    assert_same("evolve", &shell.table("shop.evolve"), &evolve);
    // The snapshot is a batch of its own; the batch with the update is not logged.
    assert_same("nokey", &shell.table("shop.nokey"), &rows([&[("a", "1"), ("b", "one")], &[("a", "1"), ("b", "one")]]));
    assert_same("nokey2", &shell.table("shop.nokey2"), &rows([&[("a", "5"), ("b", "five")]]));
    assert_same("late", &shell.table("shop.late"), &rows([&[("id", "1"), ("v", "x")]]));
    let weird = rows([&[("Key Col", "1"), ("naïve·col", "ï"), ("select", "SEL"), ("a.b", "5")]]);
    assert_same("Weird Table-1", &shell.table("shop.Weird Table-1"), &weird);
}

/// Every value of the row with all types, of which the table keeps nothing: the changelog does.
#[test]
fn the_changelog_keeps_what_the_table_lost() {
    let shell = DEFAULT.run();
    let sql = "select c_i8, c_num_38_9, c_bytea, c_tstz, c_mood from shop.all_types__changelog where id = 1 and _op = 'c'";
    let expected = rows([&[
        ("c_i8", "9223372036854775807"),
        ("c_num_38_9", "-12345678901234567890123456789.123456789"),
        ("c_bytea", "\\x00ff10deadbeef"),
        ("c_tstz", "2026-03-01 07:04:56.123456+00"),
        ("c_mood", "happy"),
    ]]);
    assert_same("changelog", &shell.rows(sql), &expected);
    let ops = shell.rows("select _op, count(*) as n from shop.all_types__changelog group by _op");
    assert_same(
        "ops",
        &ops,
        &rows([&[("_op", "r"), ("n", "1")], &[("_op", "c"), ("n", "6")], &[("_op", "u"), ("n", "2")], &[("_op", "d"), ("n", "1")]]),
    );
}
