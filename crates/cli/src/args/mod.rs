//! The command line as it was typed. No meaning is given to anything here: see [`crate::settings`].

mod changes;
mod check;
mod compact;
mod diff;
mod export;
mod inspect;
mod load;
mod query;
mod setup;
mod sync;
mod tag;
mod upkeep;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use changes::ChangesArgs;
pub(crate) use check::CheckArgs;
pub(crate) use compact::{CompactArgs, CompactStrategy};
pub(crate) use diff::DiffArgs;
pub(crate) use export::ExportArgs;
pub(crate) use inspect::{QuarantineArgs, QuarantineCommand, StatusArgs, TableArgs};
pub(crate) use load::{CsvArgs, DialectArg, DumpFormat, LoadArgs, MemoryArgs, SchemaArgs, TableFormatArg};
pub(crate) use query::QueryArgs;
pub(crate) use setup::{AddArgs, DemoArgs, InitArgs};
pub(crate) use sync::{ChangeFormat, LimitArgs, OnError, RunArgs, SyncArgs};
pub(crate) use tag::{TagArgs, TagCommand, TagCreateArgs, TagDeleteArgs, TagListArgs};
pub(crate) use upkeep::{CareArgs, ExpireArgs, MaintainArgs, RollbackArgs, VacuumArgs};

const ABOUT: &str = "Keeps Apache Iceberg tables in step with operational databases";

const LONG_ABOUT: &str = "\
Waterline merges change data (CDC) into Apache Iceberg tables, exactly once, and makes every commit a snapshot.

Four words are enough to use it:
  table           the mirror of a source table: its columns and rows, for any engine
  changelog       the companion NAME__changelog that holds every event, written first
  dump            a full copy of a table, taken at a known moment
  complete until  the event time up to which everything is known to have arrived";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 something failed that you can look at; 2 usage;
            70 a fault of Waterline; 75 try again later";

#[derive(Debug, Parser)]
#[command(name = "waterline", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_CODES, max_term_width = 100)]
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
    ///
    /// Reads a sample of the records under PATH, shows the tables, keys and types that it finds, and writes a
    /// [sources.NAME] section. Comments and other sections of the file stay as they are.
    Add(AddArgs),
    /// Load a dump: the state of a table at a known moment
    ///
    /// Takes a full copy of a table (Parquet, CSV or JSON Lines; plain, gzip or zstd) as the state of the source at the
    /// moment --at. Events of later moments are folded onto it.
    Load(LoadArgs),
    /// Append new events to the changelogs; tables are merged later
    ///
    /// Cheap enough for every minute. What is given and what is left out means the same as for merge.
    Ingest(SyncArgs),
    /// Append new events to the changelogs and merge them into the tables
    ///
    /// With a TABLE and PATHs, reads those; with a TABLE alone, what waterline.toml says of it; with nothing, every
    /// source. Events that were read before are recognised and not applied again, so it can be repeated at any time.
    Merge(SyncArgs),
    /// Do what is due for every source in waterline.toml: the entry for a scheduled job
    ///
    /// Takes every enabled source and table in turn, goes on when one fails, and ends with the worst exit code.
    Run(RunArgs),
    /// Run SQL over the tables
    ///
    /// Tables are named NAMESPACE.TABLE, changelogs NAMESPACE.TABLE__changelog. JSON and CSV keep every value: decimals
    /// as stored, timestamps with a zone in UTC, infinite dates as infinity, binary as \x and hexadecimal digits,
    /// floats that are no numbers as "NaN" and "Infinity".
    Query(QueryArgs),
    /// Show what happened to a table's rows between two moments of the source
    ///
    /// Lists the events after --since and up to --until by event time, with the row of their key before and after. The
    /// rows as of --since with these changes applied are the rows as of --until. Rows that only a newer dump or snapshot run
    /// in between changes are listed at its time, after the events.
    Changes(ChangesArgs),
    /// Compare two tables, moments of a table, or dumps, row by row
    ///
    /// A side is TABLE, TABLE@T or a dump (CSV, JSON Lines or Parquet; plain, gzip or zstd). Rows are matched by the table's
    /// key or by --keys; those of a table without a key as whole rows. Null equals null, NaN equals NaN, and numbers and
    /// moments are compared by value; the columns of a dump have the types of the table on the other side, or of --ddl.
    Diff(DiffArgs),
    /// Write tables as files: Parquet, CSV or JSON Lines
    ///
    /// A file is called after its table, NAMESPACE.TABLE.FORMAT, and `load` reads it back to the same values. It appears when it is
    /// whole. All tables are read at one cut; with --as-of-each, each moment has a folder that is called after it.
    Export(ExportArgs),
    /// Keep past moments of tables as tags that any engine reads
    Tag(TagArgs),
    /// Write small files and files with deleted rows anew, as fewer ones; merges can go on beside it
    ///
    /// Takes the table and its changelog. Commits what is done from time to time; what another job changed meanwhile stays
    /// as it is, and every moment reads as before.
    #[command(visible_aliases = ["optimize", "rewrite-data-files"])]
    Compact(CompactArgs),
    /// Look for damage: in metadata, files, deletes and positions, and with --deep in all rows
    ///
    /// Prints what is found, and ends with exit code 1 where that is anything. Changes nothing.
    #[command(visible_alias = "fsck")]
    Check(CheckArgs),
    /// List the snapshots of a table, newest first
    ///
    /// JSON and CSV hold more columns.
    History(TableArgs),
    /// Show the columns, key and properties of a table
    Describe(TableArgs),
    /// List the data files of a table's newest snapshot
    Files(TableArgs),
    /// Show how far tables are: lag, complete until, last run, late and quarantined events
    ///
    /// JSON and CSV hold more than the table for people, such as the last error of a table that has recovered.
    Status(StatusArgs),
    /// Deal with records that were put aside as unreadable
    Quarantine(QuarantineArgs),
    /// Forget old snapshots of tables and their changelogs, and delete the files that only they needed
    ///
    /// What branches and tags name stays, and no moment of the source is lost: --as-of answers as before. Where waterline.toml
    /// has a retention policy for a table, the events leave that it does not keep.
    Expire(ExpireArgs),
    /// Delete files in the folders of tables and their changelogs that nothing refers to
    ///
    /// Nothing is deleted where anything is in doubt: metadata that cannot be read, a file of the table outside of its
    /// folder, a job that seems to be writing.
    Vacuum(VacuumArgs),
    /// Take a table back to an older snapshot
    ///
    /// The events that were merged or logged after it stay in the changelog and do not count any more, nor do dumps that were
    /// loaded after it. --committed-by still reads what was known before.
    Rollback(RollbackArgs),
    /// Do what is due for the upkeep of tables: the entry for a scheduled job
    ///
    /// Trims changelogs by their retention policies, expires old snapshots and deletes files that nothing refers to.
    Maintain(MaintainArgs),
    /// Make a small lake in a folder of its own and show what Waterline does
    ///
    /// Makes it from a sample that is built into the program, then loads, merges and queries it. Each step shows the
    /// command line that does the same.
    Demo(DemoArgs),
}
