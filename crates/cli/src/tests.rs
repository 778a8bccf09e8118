//! Command lines from outside: exit code, standard output and standard error.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use waterline_env::Env;

use super::*;

/// A stream that a test can read.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs words in a folder; the folder's name is `[DIR]` in what comes back.
fn ran(dir: &Path, words: &[&str]) -> String {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let mut host = Host {
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
        terminal_width: None,
        stderr_is_terminal: false,
        cwd: dir.to_owned(),
        variables: |_| None,
        env: Env::system(),
    };
    let code = run(std::iter::once("waterline").chain(words.iter().copied()).map(OsString::from), &mut host);
    let text = |captured: &Captured| String::from_utf8(captured.0.lock().unwrap().clone()).unwrap().replace(dir.to_str().unwrap(), "[DIR]");
    format!("exit code {code}\n--- stdout\n{}--- stderr\n{}", text(&stdout), text(&stderr))
}

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    for (name, text) in files {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    (dir, path)
}

const CONFIG: &str = "# Mine.\n[catalog]\ntype = \"filesystem\"\nwarehouse = \"warehouse\"\n";

#[test]
fn usage_errors_are_named_on_standard_error() {
    let (_dir, path) = folder(&[]);
    let lines: [&[&str]; 7] = [
        &["frobnicate"],
        &["load", "a.b"],
        &["merge", "--batch-rows", "0"],
        &["query", "select 1", "--snapshot", "1", "--committed-by", "2026-01-01T00:00:00Z"],
        &["status"],
        &["history", "a.b", "--config", "none.toml"],
        &["add", "landing"],
    ];
    let shown: Vec<String> = lines.iter().map(|words| format!("$ {}\n{}", words.join(" "), ran(&path, words))).collect();
    insta::assert_snapshot!("usage_errors", shown.join("\n"));
}

#[test]
fn bad_settings_are_named_with_their_place() {
    let shown: Vec<String> = [
        "[catalog]\ntype = \"sql\"\nurl = \"sqlite:x.db\"\n",
        "[catalog]\ntype = \"rest\"\n",
        "[catalog]\ntype = \"sql\"\nuri = \"postgres://${USER_OF_DB}@host/db\"\n",
        "[catalog\n",
        "[catalog]\ntype = \"filesystem\"\n[sources.a]\npath = 5\nformat = \"debezium-json\"\n",
    ]
    .iter()
    .map(|config| {
        let (_dir, path) = folder(&[("waterline.toml", config)]);
        format!("{config}\n{}", ran(&path, &["status"]))
    })
    .collect();
    insta::assert_snapshot!("bad_settings", shown.join("\n"));
}

#[test]
fn help_is_a_result_and_teaches_the_words() {
    let (_dir, path) = folder(&[]);
    let help = ran(&path, &["--help"]);
    assert!(help.starts_with("exit code 0\n--- stdout\n") && help.ends_with("--- stderr\n"), "{help}");
    for word in ["\n  table ", "\n  changelog ", "\n  dump ", "\n  complete until ", "Exit codes: 0 done"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(ran(&path, &["load", "--help"]).contains("Takes a full copy of a table"));
}

#[test]
fn add_shows_what_it_finds_and_writes_it() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sample");
    let (_dir, path) = folder(&[("waterline.toml", CONFIG), ("ddl.sql", "")]);
    let sample = sample.canonicalize().unwrap();
    std::os::unix::fs::symlink(sample.join("landing"), path.join("landing")).unwrap();
    let dry = ran(&path, &["add", "landing", "--ddl", "ddl.sql", "--dry-run"]);
    assert_eq!(std::fs::read_to_string(path.join("waterline.toml")).unwrap(), CONFIG);
    let wet = ran(&path, &["add", "landing", "--name", "shop", "--output", "json"]);
    let file = std::fs::read_to_string(path.join("waterline.toml")).unwrap();
    insta::assert_snapshot!("add", format!("{dry}\n{wet}\n--- waterline.toml\n{file}"));
}

#[test]
fn init_leaves_a_configuration_as_it_is() {
    let (_dir, path) = folder(&[("waterline.toml", CONFIG)]);
    insta::assert_snapshot!("init_twice", ran(&path, &["init"]));
    assert_eq!(std::fs::read_to_string(path.join("waterline.toml")).unwrap(), CONFIG);
}
