//! A lake in a temporary folder that the program itself works on, as at a terminal; and the rows of files to compare with.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use flate2::read::MultiGzDecoder;
use tempfile::TempDir;

use crate::formats;

/// Columns that are not null, in PostgreSQL's notation.
pub(crate) type TextRow = BTreeMap<String, String>;

const CATALOG: &str = "[catalog]\ntype = \"sql\"\nuri = \"sqlite:catalog.db\"\nwarehouse = \"warehouse\"\n";

pub(crate) struct Shell {
    folder: TempDir,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    /// A folder with a `waterline.toml` that has these sections beside the catalog's.
    pub(crate) fn new(sections: &str) -> Self {
        Self::with_format(formats::asked().as_deref(), sections)
    }

    /// Its tables are made in this format.
    pub(crate) fn with_format(format: Option<&str>, sections: &str) -> Self {
        let shell = Self { folder: TempDir::new().unwrap() };
        let format = format.map(|format| format!("table_format = \"{format}\"\n")).unwrap_or_default();
        shell.write("waterline.toml", format!("{format}{CATALOG}{sections}"));
        shell
    }

    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waterline"));
        command.args(args).current_dir(self.folder.path()).env_remove("WATERLINE_CONFIG");
        command
    }

    pub(crate) fn say(&self, args: &[&str]) -> Said {
        Said::of(&mut self.command(args))
    }

    pub(crate) fn say_in(&self, folder: &str, args: &[&str]) -> Said {
        Said::of(self.command(args).current_dir(self.path(folder)))
    }

    /// The command must succeed.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let said = self.say(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        said
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The rows of a query, sorted.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Vec<TextRow> {
        rows_of_csv(&self.run(&["query", sql, "--output", "csv"]).out, NullText::Empty)
    }

    #[track_caller]
    pub(crate) fn table(&self, table: &str) -> Vec<TextRow> {
        let (namespace, name) = table.split_once('.').unwrap();
        self.rows(&format!("select * from \"{namespace}\".\"{name}\""))
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        json_of(&self.run(&[args, &["--output", "json"]].concat()))
    }

    pub(crate) fn snapshot_count(&self, table: &str) -> usize {
        self.json(&["history", table]).as_array().unwrap().len()
    }
}

impl Said {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked"), "{}", said.err);
        said
    }

    /// It failed with this code, and its error holds all of this.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in {}", self.err);
        }
    }
}

#[track_caller]
pub(crate) fn json_of(said: &Said) -> serde_json::Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

/// One table's part of a report of `run`, `merge` or `ingest`.
#[track_caller]
pub(crate) fn report_of<'a>(report: &'a serde_json::Value, table: &str) -> &'a serde_json::Value {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|entry| entry["table"] == table).unwrap_or_else(|| panic!("no {table} in {report}"))
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

pub(crate) fn read_fixture(path: &str) -> String {
    let bytes = std::fs::read(fixture(path)).unwrap();
    let mut text = String::new();
    match path.ends_with(".gz") {
        true => MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap(),
        false => bytes.as_slice().read_to_string(&mut text).unwrap(),
    };
    text
}

/// Rows of a CSV file that PostgreSQL wrote with `NULL '\N'`, sorted.
pub(crate) fn dumped(path: &str) -> Vec<TextRow> {
    rows_of_csv(&read_fixture(path), NullText::Escape)
}

/// What an unquoted field says when it is null.
#[derive(Clone, Copy, PartialEq)]
enum NullText {
    Empty,
    Escape,
}

fn rows_of_csv(text: &str, null: NullText) -> Vec<TextRow> {
    let mut records = records(text).into_iter();
    let header: Vec<String> = records.next().unwrap().into_iter().map(|(name, _)| name).collect();
    let is_null = |(cell, quoted): &(String, bool)| {
        !quoted
            && match null {
                NullText::Empty => cell.is_empty(),
                NullText::Escape => cell == "\\N",
            }
    };
    let row = |record: Vec<(String, bool)>| {
        assert_eq!(record.len(), header.len(), "{record:?}");
        header
            .iter()
            .zip(record)
            .filter(|(_, cell)| !is_null(cell))
            .map(|(name, (cell, _))| (name.clone(), postgres_notation(cell)))
            .collect()
    };
    let mut rows: Vec<TextRow> = records.map(row).collect();
    rows.sort();
    rows
}

/// Fields and whether they were quoted.
fn records(text: &str) -> Vec<Vec<(String, bool)>> {
    let (mut records, mut record, mut cell, mut quoted, mut inside) = (Vec::new(), Vec::new(), String::new(), false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if inside && characters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => (inside, quoted) = (!inside, true),
            '\r' if !inside => {}
            ',' | '\n' if !inside => {
                record.push((std::mem::take(&mut cell), std::mem::take(&mut quoted)));
                if character == '\n' {
                    records.push(std::mem::take(&mut record));
                }
            }
            other => cell.push(other),
        }
    }
    records
}

/// `2026-03-01T12:34:56Z` is `2026-03-01 12:34:56+00`, an empty list `{}`, and `true` is `t`.
fn postgres_notation(cell: String) -> String {
    let bytes = cell.as_bytes();
    let is_timestamp = bytes.get(10) == Some(&b'T') && bytes[..10].iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    match cell.as_str() {
        "[]" => "{}".into(),
        "true" | "false" => cell[..1].into(),
        _ if is_timestamp => cell.replacen('T', " ", 1).replace('Z', "+00"),
        _ => cell,
    }
}

/// Panics with the first rows that differ. Both are sorted.
#[track_caller]
pub(crate) fn assert_same(what: &str, found: &[TextRow], expected: &[TextRow]) {
    let missing: Vec<_> = expected.iter().filter(|row| found.binary_search(row).is_err()).take(3).collect();
    let unexpected: Vec<_> = found.iter().filter(|row| expected.binary_search(row).is_err()).take(3).collect();
    assert!(found == expected, "{what}: {} rows for {}; missing {missing:#?}, unexpected {unexpected:#?}", found.len(), expected.len());
}
