//! The command line as it was typed. No meaning is given to anything here: see [`crate::settings`].

mod inspect;
mod load;
mod query;
mod setup;
mod sync;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use inspect::{QuarantineArgs, QuarantineCommand, StatusArgs, TableArgs};
pub(crate) use load::{DialectArg, DumpFormat, LoadArgs, SchemaArgs, TableFormatArg};
pub(crate) use query::QueryArgs;
pub(crate) use setup::{AddArgs, DemoArgs, InitArgs};
pub(crate) use sync::{ChangeFormat, LimitArgs, OnError, RunArgs, SyncArgs};

const ABOUT: &str = "Keeps Apache Iceberg tables in step with operational databases";

const LONG_ABOUT: &str = "\
Waterline merges change data (CDC) into Apache Iceberg tables, exactly once, and makes every commit a snapshot.

Four words are enough to use it:
  table           the mirror of a source table: its columns and its rows, readable by any engine
  changelog       the companion table NAME__changelog that holds every event; written first, merged afterwards
  dump            a full copy of a table, taken at a known moment; loaded, it is the state that events fold onto
  complete until  the event time up to which everything that the source did is known to have arrived";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 something failed that you can look at; 2 usage; 70 a fault of Waterline; 75 try again later";

#[derive(Debug, Parser)]
#[command(name = "waterline", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The configuration file [default: waterline.toml in this folder or the nearest one above]
    #[arg(long, global = true, value_name = "PATH", env = "WATERLINE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The catalog to use instead of the configured one: sqlite:FILE, postgres://..., or a folder or URL of tables
    #[arg(long, global = true, value_name = "URI", hide_env_values = true)]
    pub(crate) catalog: Option<String>,
    /// How results are written to standard output
    #[arg(long, short, global = true, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
    /// Print nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Log more to standard error; give it twice for still more
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Show no progress bar
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub(crate) color: ColorWhen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned columns for people
    Table,
    /// One array of objects
    Json,
    /// RFC 4180 with a header line; NULL is an empty field
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a lake: a commented waterline.toml and an embedded catalog
    Init(InitArgs),
    /// Look into a landing area and write the source that was found into waterline.toml
    Add(AddArgs),
    /// Load a dump: the state of a table at a known moment
    Load(LoadArgs),
    /// Append new events to the changelogs; tables are merged later
    Ingest(SyncArgs),
    /// Append new events to the changelogs and merge them into the tables
    Merge(SyncArgs),
    /// Do what is due for every source in waterline.toml: the entry for a scheduled job
    Run(RunArgs),
    /// Run SQL over the tables
    Query(QueryArgs),
    /// List the snapshots of a table, newest first
    History(TableArgs),
    /// Show the columns, key and properties of a table
    Describe(TableArgs),
    /// List the data files of a table's newest snapshot
    Files(TableArgs),
    /// Show how far tables are: lag, complete until, late and quarantined events
    Status(StatusArgs),
    /// Deal with records that were put aside as unreadable
    Quarantine(QuarantineArgs),
    /// Make a small lake in a folder of its own and show what Waterline does
    Demo(DemoArgs),
}
