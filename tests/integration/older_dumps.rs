//! Dumps that come after the fact, at their own time (DESIGN.md rule 10), and dumps that cannot be taken.

use std::cell::Cell;

use crate::landing::{SECTIONS, STARTED_US, line, moment};
use crate::shell::{Said, Shell};

const DDL: &str =
    "CREATE TABLE shop.orders (id bigint PRIMARY KEY, status text, total int);\nCREATE TABLE shop.notes (text text, stars int);\n";

fn anchor(second: i64) -> String {
    format!("waterline/baseline-{}", STARTED_US + second * 1_000_000)
}

fn order(op: &str, second: i64, id: i64, status: &str) -> String {
    line("orders", op, second, &format!(r#"{{"id":{id},"status":"{status}","total":{}}}"#, id * 10))
}

fn note(second: i64, text: &str) -> String {
    line("notes", "c", second, &format!(r#"{{"text":"{text}","stars":5}}"#))
}

struct Orders {
    shell: Shell,
    files: Cell<u32>,
    looks: Cell<u32>,
}

impl Orders {
    fn new() -> Self {
        let shell = Shell::new(SECTIONS);
        shell.write("ddl.sql", DDL);
        Self { shell, files: Cell::new(0), looks: Cell::new(0) }
    }

    fn take(&self, table: &str, lines: &[String]) {
        self.files.set(self.files.get() + 1);
        self.shell.write(&format!("landing/pg.shop.{table}/{:03}.jsonl", self.files.get()), lines.concat());
        self.shell.run(&["run", "-q"]);
    }

    /// Loads `id status` rows, each with the total that its id has.
    fn load(&self, second: i64, rows: &[(i64, &str)], more: &[&str]) -> Said {
        let lines: Vec<String> = rows.iter().map(|(id, status)| format!("{id},{status},{}\n", id * 10)).collect();
        self.load_csv("shop.orders", second, &format!("id,status,total\n{}", lines.concat()), more)
    }

    fn load_csv(&self, table: &str, second: i64, csv: &str, more: &[&str]) -> Said {
        self.shell.write("dump.csv", csv);
        let moment = moment(second);
        self.shell.say(&[&["load", table, "dump.csv", "--ddl", "ddl.sql", "--at", moment.as_str()], more].concat())
    }

    /// `id status`, of the table or of one of its snapshots.
    fn rows(&self, snapshot: Option<&str>) -> Vec<String> {
        let sql = "select id, status from shop.orders";
        let at: Vec<&str> = snapshot.map_or_else(Vec::new, |name| vec!["--snapshot", name]);
        texts(&self.shell.run(&[&["query", sql, "-o", "csv"], at.as_slice()].concat()))
    }

    /// `id status` as of a second, whatever may still arrive.
    fn as_of(&self, second: i64) -> Vec<String> {
        let name = format!("as of {second} look {}", self.looks.replace(self.looks.get() + 1));
        self.shell.run(&["tag", "create", &name, "shop.orders", "--as-of", &moment(second), "--allow-incomplete"]);
        self.rows(Some(&name))
    }

    /// Snapshots of the main branch, newest first.
    fn main(&self) -> Vec<i64> {
        let history = self.shell.json(&["history", "shop.orders"]);
        let main = history.as_array().unwrap().iter().filter(|row| row["is_current_ancestor"] == true);
        main.map(|row| row["snapshot_id"].as_i64().unwrap()).collect()
    }

    fn refs(&self) -> Vec<String> {
        let history = self.shell.json(&["history", "shop.orders"]);
        let refs = history.as_array().unwrap().iter().filter_map(|row| row["refs"].as_str());
        let mut refs: Vec<String> = refs.flat_map(|refs| refs.split(", ")).map(str::to_owned).collect();
        refs.retain(|name| !name.starts_with("as of"));
        refs.sort();
        refs
    }
}

fn texts(said: &Said) -> Vec<String> {
    let mut rows: Vec<String> = said.out.lines().skip(1).map(|line| line.replace(',', " ")).collect();
    rows.sort();
    rows
}

#[test]
fn a_dump_that_cannot_be_read_leaves_no_table() {
    let orders = Orders::new();
    orders.load_csv("shop.orders", 0, "id,status,total\n1,new,10\n2,new,much\n", &[]).fails(1, &["dump.csv", "record 2", "total"]);
    orders.shell.say(&["history", "shop.orders"]).fails(1, &["no such table"]);
    orders.shell.say(&["history", "shop.orders__changelog"]).fails(1, &["no such table"]);
    assert_eq!(orders.load(0, &[(1, "new")], &[]).code, 0);
    assert_eq!(orders.rows(None), ["1 new"]);
}

#[test]
fn a_dump_older_than_all_that_is_known_changes_nothing_else() {
    let orders = Orders::new();
    assert_eq!(orders.load(100, &[(1, "new"), (2, "new")], &[]).code, 0);
    orders.take("orders", &[order("u", 110, 1, "paid"), order("c", 120, 3, "new")]);
    let (rows, main) = (orders.rows(None), orders.main());
    let said = orders.load(50, &[(1, "draft"), (7, "gone since")], &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!((orders.rows(None), orders.main()), (rows.clone(), main.clone()));
    assert_eq!(orders.refs(), ["main".to_owned(), anchor(50), anchor(100)]);
    assert_eq!(orders.rows(Some(&anchor(50))), ["1 draft", "7 gone since"]);
    assert_eq!(orders.rows(Some(&anchor(100))), ["1 new", "2 new"]);
    // Earlier moments are answered now, and later ones as before.
    assert_eq!((orders.as_of(50), orders.as_of(99)), (orders.rows(Some(&anchor(50))), orders.rows(Some(&anchor(50)))));
    assert_eq!(orders.as_of(110), ["1 paid", "2 new"]);
    assert_eq!(orders.as_of(120), rows);
    // The table goes on as if it had not been there.
    orders.take("orders", &[order("u", 105, 2, "late"), order("d", 130, 3, "new")]);
    assert_eq!(orders.rows(None), ["1 paid", "2 late"]);
    assert_eq!(orders.main()[1..], main);
    // A late event of before the newer baseline is a matter of the older epoch alone.
    orders.take("orders", &[order("u", 60, 1, "early")]);
    assert_eq!(orders.rows(None), ["1 paid", "2 late"]);
    assert_eq!(orders.as_of(70), ["1 early", "7 gone since"]);
    assert_eq!(orders.as_of(105), ["1 new", "2 late"]);
}

/// A dump of a moment that is known, in the newest epoch.
#[test]
fn rule_10_an_agreeing_dump_becomes_the_newest_baseline_and_the_rows_stay() {
    let orders = Orders::new();
    assert_eq!(orders.load(0, &[(1, "new"), (2, "new")], &[]).code, 0);
    orders.take("orders", &[order("u", 10, 1, "paid"), order("c", 20, 3, "new"), order("u", 30, 1, "sent")]);
    let files = orders.shell.json(&["files", "shop.orders"]);
    // As of second 25.
    let said = orders.load(25, &[(1, "paid"), (2, "new"), (3, "new")], &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(orders.rows(None), ["1 sent", "2 new", "3 new"]);
    assert_eq!(orders.shell.json(&["files", "shop.orders"]), files, "no row was written anew");
    assert_eq!(orders.rows(Some(&anchor(25))), ["1 paid", "2 new", "3 new"]);
    let before: Vec<_> = [0, 10, 20, 25, 30].map(|second| orders.as_of(second)).into();
    assert_eq!(before[3], ["1 paid", "2 new", "3 new"]);
    // From now on what comes late from before it does not count, and what comes late from after it does.
    orders.take("orders", &[order("u", 24, 2, "too late"), order("u", 26, 3, "late")]);
    assert_eq!(orders.rows(None), ["1 sent", "2 new", "3 late"]);
    assert_eq!(orders.as_of(25), before[3]);
    assert_eq!(orders.as_of(24), ["1 paid", "2 too late", "3 new"]);
    assert_eq!(orders.as_of(26), ["1 paid", "2 new", "3 late"]);
    // The same dump once more is known.
    let main = orders.main();
    assert_eq!(orders.load(25, &[(1, "paid"), (2, "new"), (3, "new")], &[]).code, 0);
    assert_eq!(orders.main(), main);
}

#[test]
fn rule_10_a_dump_that_disagrees_is_refused() {
    let orders = Orders::new();
    assert_eq!(orders.load(0, &[(1, "new"), (2, "new")], &[]).code, 0);
    orders.take("orders", &[order("u", 10, 1, "paid"), order("c", 20, 3, "new"), order("u", 30, 1, "sent")]);
    let history = orders.shell.json(&["history", "shop.orders"]);
    let dump = [(1, "secret"), (3, "new"), (4, "unknown")];
    let said = orders.load(25, &dump, &[]);
    said.fails(
        1,
        &[
            "shop.orders",
            "rows that the dump lacks 1",
            "rows that only the dump has 1",
            "rows that differ 1",
            "status",
            "--supersede",
            "waterline diff",
        ],
    );
    assert!(!said.err.contains("secret"), "{}", said.err);
    assert_eq!(orders.shell.json(&["history", "shop.orders"]), history);
    // It counts all the same when the user says so.
    assert_eq!(orders.load(25, &dump, &["--supersede"]).code, 0);
    assert_eq!(orders.rows(None), ["1 sent", "3 new", "4 unknown"]);
    assert_eq!(orders.as_of(25), ["1 secret", "3 new", "4 unknown"]);
    assert_eq!(orders.as_of(24), ["1 paid", "2 new", "3 new"]);
    assert_eq!(orders.as_of(30), ["1 sent", "3 new", "4 unknown"]);
}

#[test]
fn rule_10_a_dump_between_two_baselines_is_compared_with_the_older_ones_epoch() {
    let orders = Orders::new();
    assert_eq!(orders.load(0, &[(1, "new")], &[]).code, 0);
    orders.take("orders", &[order("u", 10, 1, "paid"), order("c", 20, 2, "new")]);
    assert_eq!(orders.load(40, &[(1, "paid"), (2, "new")], &[]).code, 0);
    orders.take("orders", &[order("u", 50, 2, "paid")]);
    let (rows, main) = (orders.rows(None), orders.main());
    orders.load(15, &[(1, "new")], &[]).fails(1, &["rows that differ 1", "status"]);
    assert_eq!(orders.refs(), ["main".to_owned(), anchor(0), anchor(40)]);
    assert_eq!(orders.load(15, &[(1, "paid")], &[]).code, 0);
    assert_eq!(orders.refs(), ["main".to_owned(), anchor(0), anchor(15), anchor(40)]);
    assert_eq!(orders.load(30, &[(1, "other"), (2, "new")], &["--supersede"]).code, 0);
    assert_eq!((orders.as_of(12), orders.as_of(20)), (vec!["1 paid".to_owned()], vec!["1 paid".to_owned(), "2 new".into()]));
    assert_eq!(
        (orders.as_of(30), orders.as_of(40)),
        (vec!["1 other".to_owned(), "2 new".into()], vec!["1 paid".to_owned(), "2 new".into()])
    );
    assert_eq!((orders.rows(None), orders.main()), (rows, main));
    orders.load(0, &[(1, "else")], &["--supersede"]).fails(1, &["one microsecond later"]);
}

#[test]
fn rule_10_rows_without_a_key_are_compared_as_often_as_they_occur() {
    let orders = Orders::new();
    let csv = |rows: &[&str]| format!("text,stars\n{}", rows.iter().map(|row| format!("{row},5\n")).collect::<String>());
    assert_eq!(orders.load_csv("shop.notes", 0, &csv(&["good", "good"]), &[]).code, 0);
    orders.take("notes", &[note(10, "good"), note(20, "bad"), note(30, "fine")]);
    orders
        .load_csv("shop.notes", 25, &csv(&["good", "good", "bad"]), &[])
        .fails(1, &["rows that the dump lacks 1", "rows that only the dump has 0"]);
    orders.load_csv("shop.notes", 25, &csv(&["good", "good", "good", "bad", "bad"]), &[]).fails(1, &["rows that only the dump has 1"]);
    let said = orders.load_csv("shop.notes", 25, &csv(&["bad", "good", "good", "good"]), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let notes = texts(&orders.shell.run(&["query", "select text from shop.notes", "-o", "csv"]));
    assert_eq!(notes, ["bad", "fine", "good", "good", "good"]);
}

/// With a mirror that lags behind its changelog.
#[test]
fn rule_10_what_is_logged_and_not_merged_is_compared_too() {
    let orders = Orders::new();
    assert_eq!(orders.load(0, &[(1, "new")], &[]).code, 0);
    orders.shell.write("landing/pg.shop.orders/001.jsonl", order("u", 10, 1, "paid") + &order("c", 20, 2, "new"));
    orders.shell.run(&["ingest", "-q"]);
    orders.load(15, &[(1, "new")], &[]).fails(1, &["rows that differ 1"]);
    assert_eq!(orders.load(15, &[(1, "paid")], &[]).code, 0);
    assert_eq!(orders.rows(None), ["1 paid", "2 new"]);
    assert_eq!(orders.as_of(15), ["1 paid"]);
}

/// Events that were logged and never merged, and then a first dump in the middle of them.
#[test]
fn rule_10_a_first_dump_tells_whether_the_events_before_it_began_with_an_empty_table() {
    let events = order("c", 10, 1, "new") + &order("c", 20, 2, "new") + &order("u", 30, 1, "paid");
    let logged = |dump: &[(i64, &str)]| {
        let orders = Orders::new();
        orders.shell.write("landing/pg.shop.orders/001.jsonl", &events);
        orders.shell.run(&["ingest", "-q"]);
        assert_eq!(orders.load(25, dump, &[]).code, 0);
        assert_eq!(orders.as_of(25), dump.iter().map(|(id, status)| format!("{id} {status}")).collect::<Vec<_>>());
        orders
    };
    let orders = logged(&[(1, "new"), (2, "new")]);
    assert_eq!([10, 15, 20, 24].map(|second| orders.as_of(second).len()), [1, 1, 2, 2]);
    assert_eq!(
        (orders.as_of(30), orders.rows(None)),
        (vec!["1 paid".to_owned(), "2 new".into()], vec!["1 paid".to_owned(), "2 new".into()])
    );
    // Rows that no event tells of were there before all events, and so what came before the dump is not known.
    let orders = logged(&[(1, "new"), (2, "new"), (3, "older")]);
    assert_eq!(orders.as_of(30), ["1 paid", "2 new", "3 older"]);
    let early = ["tag", "create", "early", "shop.orders", "--as-of", &moment(24), "--allow-incomplete"];
    orders.shell.say(&early).fails(1, &["answerable from 2025-11-21T05:00:25"]);
}
