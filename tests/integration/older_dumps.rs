//! Dumps that come after the fact, at their own time (DESIGN.md rule 10), and dumps that cannot be taken.

use crate::shell::{Said, Shell, TextRow};

const DDL: &str =
    "CREATE TABLE shop.orders (id bigint PRIMARY KEY, status text, total int);\nCREATE TABLE shop.notes (text text, stars int);\n";

const SECTIONS: &str = "\
[sources.shop]
path = \"landing/pg.{table}/\"
format = \"debezium-json\"
schema = { ddl = \"ddl.sql\" }
";

/// 2025-11-21T05:00:00Z
const STARTED_US: i64 = 1_763_701_200_000_000;

/// The moment so many seconds after the start, within the hour.
fn moment(second: i64) -> String {
    format!("2025-11-21T05:{:02}:{:02}Z", second / 60, second % 60)
}

fn anchor(second: i64) -> String {
    format!("waterline/baseline-{}", STARTED_US + second * 1_000_000)
}

/// A line of Debezium, of a transaction at this second.
fn line(table: &str, op: &str, second: i64, image: &str) -> String {
    let (before, after) = if op == "d" { (image, "null") } else { ("null", image) };
    format!(
        concat!(
            r#"{{"before":{},"after":{},"source":{{"connector":"postgresql","name":"pg","snapshot":"false","db":"shop","#,
            r#""sequence":"[\"{}\",\"{}\"]","ts_us":{},"schema":"shop","table":"{}","lsn":{}}},"op":"{}"}}"#,
            "\n"
        ),
        before,
        after,
        second,
        second,
        STARTED_US + second * 1_000_000,
        table,
        second,
        op
    )
}

fn order(op: &str, second: i64, id: i64, status: &str) -> String {
    line("orders", op, second, &format!(r#"{{"id":{id},"status":"{status}","total":{}}}"#, id * 10))
}

fn note(second: i64, text: &str) -> String {
    line("notes", "c", second, &format!(r#"{{"text":"{text}","stars":5}}"#))
}

struct Orders {
    shell: Shell,
    files: std::cell::Cell<u32>,
}

impl Orders {
    fn new() -> Self {
        let shell = Shell::new(SECTIONS);
        shell.write("ddl.sql", DDL);
        Self { shell, files: std::cell::Cell::new(0) }
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
        let (sql, moment) = ("select id, status from shop.orders", moment(second));
        texts(&self.shell.run(&["query", sql, "-o", "csv", "--as-of", &moment, "--allow-incomplete"]))
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
    // The table goes on as if it had not been there.
    orders.take("orders", &[order("u", 105, 2, "late"), order("d", 130, 3, "new")]);
    assert_eq!(orders.rows(None), ["1 paid", "2 late"]);
    assert_eq!(orders.main()[1..], main);
}
