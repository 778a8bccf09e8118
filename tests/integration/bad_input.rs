//! What cannot be taken: an error that names its place, the exit code of DESIGN.md, and tables as they were before.

use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::shell::{Said, Shell, TextRow, assert_same};

const DDL: &str = "CREATE TABLE shop.orders (id bigint PRIMARY KEY, status text, total numeric(10,2), at timestamptz);\n";

const SECTIONS: &str = "\
[sources.shop]
path = \"landing/pg.{table}/\"
format = \"debezium-json\"
schema = { ddl = \"ddl.sql\" }
";

/// A line of Debezium, at this position of the log.
fn line(op: &str, position: u64, image: &str) -> String {
    let (before, after) = if op == "d" { (image, "null") } else { ("null", image) };
    let time_us = 1_763_700_000_000_000 + position;
    format!(
        concat!(
            r#"{{"before":{},"after":{},"source":{{"connector":"postgresql","name":"pg","snapshot":"false","db":"shop","#,
            r#""sequence":"[\"{}\",\"{}\"]","ts_us":{},"schema":"shop","table":"orders","lsn":{}}},"op":"{}"}}"#,
            "\n"
        ),
        before, after, position, position, time_us, position, op
    )
}

fn order(op: &str, position: u64, id: u64, status: &str) -> String {
    line(op, position, &format!(r#"{{"id":{id},"status":"{status}","total":"9.50","at":null}}"#))
}

/// A lake with two orders, and what there is to compare with afterwards.
struct Subject {
    shell: Shell,
    before: State,
}

type State = (Vec<TextRow>, usize, usize);

fn state(shell: &Shell) -> State {
    (shell.table("shop.orders"), shell.snapshot_count("shop.orders"), shell.snapshot_count("shop.orders__changelog"))
}

impl Subject {
    fn new(more: &str) -> Self {
        let shell = Shell::new(&format!("{SECTIONS}{more}"));
        shell.write("ddl.sql", DDL);
        shell.write("landing/pg.shop.orders/1.jsonl", order("c", 100, 1, "new") + &order("c", 200, 2, "new"));
        shell.run(&["run"]);
        let before = state(&shell);
        assert_eq!(before.0.len(), 2);
        Self { shell, before }
    }

    fn land(&self, bytes: impl AsRef<[u8]>) {
        self.shell.write("landing/pg.shop.orders/2.jsonl", bytes);
    }

    #[track_caller]
    fn assert_unchanged(&self) {
        assert_eq!(state(&self.shell), self.before);
    }

    /// A good record and then this one: nothing of the batch arrives.
    #[track_caller]
    fn refuses(&self, record: &str, parts: &[&str]) {
        self.land(order("u", 300, 1, "paid") + record);
        let said = self.shell.say(&["run"]);
        said.fails(1, &["shop.orders", "landing/pg.shop.orders/2.jsonl", "record 2"]);
        said.fails(1, parts);
        self.assert_unchanged();
    }
}

#[test]
fn records_that_cannot_be_read() {
    let subject = Subject::new("");
    subject.refuses("not json\n", &["JSON"]);
    subject.refuses("[1, 2]\n", &[]);
    subject.refuses("{\"before\":null\n", &["the record ends inside its JSON"]);
    subject.refuses("\u{0}\u{1}\n", &[]);
    subject.refuses(&line("u", 400, r#"{"id":1,"status":"secret-value","total":{},"at":null}"#), &["field total"]);
    subject.refuses(&line("u", 400, r#"{"id":1,"status":"x","total":"9.123","at":null}"#), &["field total"]);
    subject.refuses(&line("u", 400, r#"{"id":1,"status":"x","total":null,"at":"yesterday"}"#), &["field at"]);
    subject.refuses(&line("u", 400, r#"{"status":"x","total":null,"at":null}"#), &["a column of the key is missing", "field id"]);
    subject.refuses(&line("u", 400, r#"{"id":null,"status":"x","total":null,"at":null}"#), &["a column of the key is null", "field id"]);
    subject.refuses(&order("z", 400, 1, "x"), &["op"]);
    subject.refuses(&order("c", 400, 3, "x").replace("\"schema\":\"shop\"", "\"schema\":\"other\""), &["another table"]);
    subject.refuses(&order("c", 400, 3, "x").replace("\"sequence\":\"[\\\"400\\\",\\\"400\\\"]\"", "\"sequence\":\"[\""), &["sequence"]);

    // Mended, it goes on from where it was.
    subject.land(order("u", 300, 1, "paid") + &order("d", 400, 2, "new"));
    subject.shell.run(&["run"]);
    let status: Vec<String> = subject.shell.table("shop.orders").into_iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["paid"]);
}

/// Without a message's schema nobody can say that the source changed a type: the record is wrong, and nothing of its batch arrives.
#[test]
fn a_value_of_another_type_is_a_bad_record() {
    let subject = Subject::new("");
    for (image, field) in [
        (r#"{"id":1,"status":"x","total":"ninety","at":null}"#, "field total"),
        (r#"{"id":"one","status":"x","total":null,"at":null}"#, "field id"),
        (r#"{"id":1,"status":7,"total":null,"at":null}"#, "field status"),
    ] {
        subject.refuses(&(line("u", 400, image) + &order("u", 500, 2, "sent")), &["cannot take", "table type", "json type", field]);
    }
}

#[test]
fn an_error_never_shows_a_value() {
    let subject = Subject::new("");
    subject.land(line("u", 400, r#"{"id":1,"status":"secret-one","total":"secret-two","at":null}"#));
    let said = subject.shell.say(&["run", "-vv"]);
    said.fails(1, &["field total"]);
    assert!(!said.err.contains("secret") && !said.out.contains("secret"), "{said:?}");
}

#[test]
fn files_that_cannot_be_read() {
    let subject = Subject::new("");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    (300..600).for_each(|position| gzip.write_all(order("u", position, 1, "paid").as_bytes()).unwrap());
    let bytes = gzip.finish().unwrap();
    for (name, bytes) in [("truncated", &bytes[..bytes.len() / 2]), ("no gzip", b"plainly not".as_slice())] {
        subject.shell.write("landing/pg.shop.orders/2.jsonl.gz", bytes);
        subject.shell.say(&["run"]).fails(1, &["2.jsonl.gz"]);
        assert_eq!(state(&subject.shell), subject.before, "{name}");
    }
}

#[test]
fn an_empty_file_is_no_news() {
    let subject = Subject::new("");
    subject.land("");
    subject.shell.run(&["run"]);
    subject.assert_unchanged();
    subject.land("\n\n");
    subject.shell.run(&["run"]);
    subject.assert_unchanged();
}

#[test]
fn what_is_named_and_not_there() {
    let subject = Subject::new("");
    let say = |args: &[&str]| subject.shell.say(args);
    say(&["merge", "shop.orders", "absent/", "--format", "debezium-json"]).fails(1, &["absent", "no such file"]);
    std::fs::create_dir(subject.shell.path("hollow")).unwrap();
    say(&["merge", "shop.orders", "hollow", "--format", "debezium-json"]).fails(1, &["hollow"]);
    say(&["load", "shop.orders", "absent.csv", "--at", "2025-01-01T00:00:00Z"]).fails(1, &["absent.csv"]);
    for verb in ["history", "describe", "files"] {
        say(&[verb, "shop.nothing"]).fails(1, &["no such table", "shop.nothing"]);
    }
    say(&["quarantine", "list", "shop.nothing"]).fails(1, &["shop.nothing"]);
    say(&["query", "select * from shop.nothing"]).fails(1, &["shop.nothing"]);
    say(&["query", "select nothing from shop.orders"]).fails(2, &["nothing"]);
    say(&["query", "select * from shop.orders", "--snapshot", "absent"]).fails(1, &["absent"]);
    say(&["query", "select * from shop.orders", "--snapshot", "123"]).fails(1, &["123"]);
    subject.assert_unchanged();
}

#[test]
fn usage() {
    let subject = Subject::new("");
    let say = |args: &[&str]| subject.shell.say(args);
    say(&["frobnicate"]).fails(2, &[]);
    say(&["merge", "shop.orders", "x", "--format", "xml"]).fails(2, &["xml"]);
    say(&["run", "--complete-until", "soon"]).fails(2, &["--complete-until"]);
    say(&["run", "--batch-rows", "0"]).fails(2, &["--batch-rows"]);
    say(&["load", "shop.orders", "ddl.sql", "--format", "csv", "--at", "not a time"]).fails(2, &["--at"]);
    say(&["query", "selekt", "--committed-by", "never"]).fails(2, &["--committed-by"]);
    subject.shell.write("waterline.toml", "[catalog]\ntype = \"sql\"\nuri = \"sqlite:catalog.db\"\n[sources.a]\npath = 7\n");
    say(&["run"]).fails(2, &["waterline.toml", "path"]);
    subject.shell.write("waterline.toml", "[catalog\n");
    say(&["run"]).fails(2, &["waterline.toml"]);
    Shell::empty().say(&["run"]).fails(2, &["waterline.toml"]);
}

#[test]
fn a_dump_from_the_future() {
    let subject = Subject::new("");
    subject.shell.write("dump.csv", "id,status,total,at\n1,new,9.50,\n");
    subject.shell.say(&["load", "shop.orders", "dump.csv", "--at", "2999-01-01T00:00:00Z"]).fails(2, &["--at", "future"]);
    subject.assert_unchanged();
}

#[test]
fn dumps_that_cannot_be_read() {
    let subject = Subject::new("");
    let at = ["--ddl", "ddl.sql", "--at", "2025-01-01T00:00:00Z", "--supersede"];
    for (text, parts) in [
        ("id,status,total,at\n1,new,9.50,\n2,new,much,\n", ["dump.csv", "record 2", "total"]),
        ("id,status,total,at\n1,new\n", ["dump.csv", "record 1", ""]),
        ("id,status,total,at\n,new,1.00,\n", ["dump.csv", "record 1", "id"]),
    ] {
        subject.shell.write("dump.csv", text);
        let said = subject.shell.say(&[&["load", "shop.orders", "dump.csv"], at.as_slice()].concat());
        said.fails(1, &parts);
        subject.assert_unchanged();
    }
    subject.shell.write("dump.parquet", "PAR1 but not really");
    subject.shell.say(&[&["load", "shop.orders", "dump.parquet"], at.as_slice()].concat()).fails(1, &["dump.parquet"]);
    subject.assert_unchanged();
}

#[test]
fn a_catalog_that_cannot_be_read() {
    let subject = Subject::new("");
    let catalog = subject.shell.path("catalog.db");
    let kept = std::fs::read(&catalog).unwrap();
    std::fs::write(&catalog, "this is no database, but a text that is long enough to be read as one").unwrap();
    for args in [["run", "-q"], ["query", "select 1 from shop.orders"], ["history", "shop.orders"]] {
        let said = subject.shell.say(&args);
        assert!([1, 75].contains(&said.code) && said.err.contains("catalog"), "{args:?} {said:?}");
    }
    std::fs::write(&catalog, kept).unwrap();
    subject.assert_unchanged();

    let nowhere = "postgres://nobody@127.0.0.1:1/nowhere";
    subject.shell.say(&["run", "--catalog", nowhere]).fails(75, &["catalog"]);
}

/// Runs the program in a shell that first limits it.
fn limited(subject: &Subject, limit: &str) -> Said {
    let script = format!("{limit}; exec \"$0\" run");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_waterline")]).current_dir(subject.shell.path(""));
    Said::of(&mut command)
}

fn much() -> String {
    (300..4000).map(|position| order("c", position, position, &format!("{:x}", position * 7_919_777_777))).collect()
}

/// No file may grow beyond 16 KiB, as on a disk that has no more room.
#[test]
fn a_full_disk() {
    let subject = Subject::new("");
    subject.land(much());
    let said = limited(&subject, "trap '' XFSZ; ulimit -f 32");
    assert!(said.code == 75, "{said:?}");
    assert!(said.err.contains("shop.orders"), "{said:?}");
    subject.assert_unchanged();
    subject.shell.run(&["run"]);
    assert_eq!(subject.shell.table("shop.orders").len(), 3702);
}

#[test]
fn a_warehouse_that_may_not_be_written() {
    let subject = Subject::new("");
    subject.land(much());
    let warehouse = subject.shell.path("warehouse");
    let aside = subject.shell.path("aside");
    // Root may write wherever there is a folder; a file in its place stops everyone.
    for folder in ["shop/orders/data", "shop/orders__changelog/data", "shop/orders__changelog/metadata"] {
        let folder = warehouse.join(folder);
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::write(&folder, "").unwrap();
        let said = subject.shell.say(&["ingest"]);
        let said = if said.code == 0 { subject.shell.say(&["merge"]) } else { said };
        assert!([1, 75].contains(&said.code), "{said:?}");
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&aside, &folder).unwrap();
    }
    subject.shell.run(&["run"]);
    assert_eq!(subject.shell.table("shop.orders").len(), 3702);
}

#[test]
fn bad_records_go_to_quarantine() {
    let subject = Subject::new("");
    let bad = line("u", 400, r#"{"id":2,"status":"x","total":"ninety","at":null}"#);
    subject.land(order("u", 300, 1, "paid") + "not json\n" + &bad + &order("u", 500, 1, "sent"));
    let said = subject.shell.run(&["run", "--on-error", "quarantine", "--output", "json"]);
    let report = crate::shell::json_of(&said);
    assert_eq!(report["tables"][0]["quarantined"], 2, "{report}");
    let status = |shell: &Shell| shell.table("shop.orders").into_iter().map(|row| row["status"].clone()).collect::<Vec<_>>();
    let mut found = status(&subject.shell);
    found.sort();
    assert_eq!(found, ["new", "sent"]);

    let listed = subject.shell.json(&["quarantine", "list", "shop.orders"]);
    let listed = listed.as_array().unwrap();
    let records: Vec<_> = listed.iter().map(|row| row["record"].as_u64().unwrap()).collect();
    assert_eq!(records, [2, 3]);
    assert!(listed.iter().all(|row| row["file"].as_str().unwrap().ends_with("landing/pg.shop.orders/2.jsonl")), "{listed:?}");
    assert_eq!(listed[1]["offset_bytes"].as_u64().unwrap() as usize, order("u", 300, 1, "paid").len() + "not json\n".len());
    assert!(listed[1]["reason"].as_str().unwrap().contains("field total"), "{listed:?}");

    // Nothing was mended: both are put aside again, once.
    subject.shell.say(&["quarantine", "retry", "shop.orders"]);
    assert_eq!(subject.shell.json(&["quarantine", "list", "shop.orders"]).as_array().unwrap().len(), 2);

    subject.shell.run(&["quarantine", "drop", "shop.orders"]);
    assert_eq!(subject.shell.json(&["quarantine", "list", "shop.orders"]).as_array().unwrap().len(), 0);
    subject.shell.run(&["run"]);
    assert_eq!(status(&subject.shell).len(), 2);
}

/// What was wrong were the settings; with them mended, the record is taken.
#[test]
fn quarantined_records_are_taken_when_they_can_be_read() {
    let subject = Subject::new("on_error = \"quarantine\"\nmodes = { decimal = \"string\" }\n");
    let in_base64 = line("u", 400, r#"{"id":1,"status":"paid","total":"A7Y=","at":null}"#);
    subject.land(in_base64 + &order("u", 500, 2, "sent"));
    subject.shell.run(&["run"]);
    assert_eq!(subject.shell.json(&["quarantine", "list", "shop.orders"]).as_array().unwrap().len(), 1);
    let settings = std::fs::read_to_string(subject.shell.path("waterline.toml")).unwrap();
    subject.shell.write("waterline.toml", settings.replace("\"string\"", "\"precise\""));
    subject.shell.run(&["quarantine", "retry", "shop.orders"]);
    assert_eq!(subject.shell.json(&["quarantine", "list", "shop.orders"]).as_array().unwrap().len(), 0);
    let row =
        |id: &str, status: &str| TextRow::from([("id", id), ("status", status), ("total", "9.50")].map(|(k, v)| (k.into(), v.into())));
    assert_same("orders", &subject.shell.table("shop.orders"), &[row("1", "paid"), row("2", "sent")]);
}
