//! `demo`: a small lake in a folder of its own, made and read by the command lines that it shows.

use std::path::Path;

use clap::Parser;
use waterline_core::error::{Error, Result};

use crate::args::{Cli, DemoArgs, GlobalArgs};
use crate::commands::dispatch;
use crate::context::Context;
use crate::failure::Failure;
use crate::host::Host;
use crate::printer::Printer;
use crate::settings::FILE_NAME;

const PROGRAM: &str = "waterline";

/// Files of the sample by their paths.
const SAMPLE: [(&str, &str); 7] = [
    ("ddl.sql", include_str!("../../../../examples/sample/ddl.sql")),
    ("dump/customers.csv", include_str!("../../../../examples/sample/dump/customers.csv")),
    ("dump/orders.csv", include_str!("../../../../examples/sample/dump/orders.csv")),
    ("landing/pg.shop.customers/00000.jsonl", include_str!("../../../../examples/sample/landing/pg.shop.customers/00000.jsonl")),
    ("landing/pg.shop.customers/00001.jsonl", include_str!("../../../../examples/sample/landing/pg.shop.customers/00001.jsonl")),
    ("landing/pg.shop.orders/00000.jsonl", include_str!("../../../../examples/sample/landing/pg.shop.orders/00000.jsonl")),
    ("landing/pg.shop.orders/00001.jsonl", include_str!("../../../../examples/sample/landing/pg.shop.orders/00001.jsonl")),
];

const BY_STATUS: &str = "select status, count(*) as orders, sum(total) as total from shop.orders group by status order by status";

pub(crate) async fn run(host: &mut Host, global: &GlobalArgs, args: &DemoArgs) -> Result<(), Failure> {
    let dir = host.cwd.join(&args.dir);
    write_sample(&dir)?;
    let outside = std::mem::replace(&mut host.cwd, dir);
    let ended = show(host, global, args).await;
    host.cwd = outside;
    ended
}

async fn show(host: &mut Host, global: &GlobalArgs, args: &DemoArgs) -> Result<(), Failure> {
    say(
        host,
        global,
        &format!("A shop's database was dumped at 03:00; its changes since are Debezium events. All of it is in {}.", args.dir.display()),
    )?;
    step(host, global, &["init", "."]).await?;

    say(host, global, "The dump is the state at its own moment.")?;
    for table in ["customers", "orders"] {
        let (name, dump) = (format!("shop.{table}"), format!("dump/{table}.csv"));
        step(host, global, &["load", &name, &dump, "--null", "\\N", "--ddl", "ddl.sql", "--at", "2025-11-12T03:00:00Z"]).await?;
    }

    say(host, global, "The landing area becomes a source, and its events are merged: eight at a time here, to see several snapshots.")?;
    step(host, global, &["add", "landing", "--name", "shop", "--ddl", "ddl.sql"]).await?;
    step(host, global, &["run", "--batch-rows", "8", "--complete-until", "2025-11-12T19:00:00Z"]).await?;

    say(host, global, "Every commit is a snapshot.")?;
    step(host, global, &["history", "shop.orders"]).await?;

    say(host, global, "The orders now, and as the dump had them.")?;
    step(host, global, &["query", BY_STATUS]).await?;
    let first = oldest_snapshot(host, global).await?;
    step(host, global, &["query", BY_STATUS, "--snapshot", &first]).await?;

    say(host, global, &format!("Go on by yourself: cd {} && waterline status", args.dir.display()))
}

fn write_sample(dir: &Path) -> Result<()> {
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::usage("the folder is not empty; name another one").with("folder", dir.display()));
    }
    for (path, text) in SAMPLE {
        let path = dir.join(path);
        let write = || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(&path, text)
        };
        write().map_err(|e| Error::usage("the sample cannot be written").with("file", path.display()).caused_by(e))?;
    }
    Ok(())
}

fn say(host: &mut Host, global: &GlobalArgs, text: &str) -> Result<(), Failure> {
    Printer::new(host, global).text(&format!("{text}\n\n"))
}

/// Shows a command line and runs it.
async fn step(host: &mut Host, global: &GlobalArgs, words: &[&str]) -> Result<(), Failure> {
    let line: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    Printer::new(host, global).text(&format!("$ waterline {}\n", line.join(" ")))?;
    execute(host, global, words).await?;
    Printer::new(host, global).text("\n")
}

/// Runs a command line in the demo's folder, on the demo's file whatever the environment names.
async fn execute(host: &mut Host, global: &GlobalArgs, words: &[&str]) -> Result<(), Failure> {
    let cli = Cli::try_parse_from([PROGRAM].iter().chain(words))
        .map_err(|e| Error::internal("a step of the demo is not a command line").caused_by(e))?;
    let global = in_folder(host, global);
    Box::pin(dispatch(Cli { global, ..cli }, host)).await
}

fn in_folder(host: &Host, global: &GlobalArgs) -> GlobalArgs {
    GlobalArgs { config: Some(host.cwd.join(FILE_NAME)), catalog: None, ..global.clone() }
}

async fn oldest_snapshot(host: &mut Host, global: &GlobalArgs) -> Result<String> {
    let global = in_folder(host, global);
    let state = Context::new(&global, host).head("shop.orders").await?;
    let oldest = state.history.first().ok_or_else(|| Error::internal("the demo's table has no snapshot"))?;
    Ok(oldest.version.0.to_string())
}

fn shell_word(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        assert_eq!(["a.b", "\\N", "it's", "", "--at"].map(shell_word), ["a.b", "'\\N'", "'it'\\''s'", "''", "--at"]);
    }

    #[test]
    fn a_folder_with_something_in_it_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        write_sample(&dir.path().join("new")).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("new/ddl.sql")).unwrap(), SAMPLE[0].1);
        assert!(write_sample(dir.path()).unwrap_err().to_string().contains("not empty"));
    }
}
