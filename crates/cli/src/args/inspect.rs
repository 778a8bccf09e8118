//! Arguments of the commands that look at tables: `history`, `describe`, `files`, `status` and `quarantine`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// The table, as NAMESPACE.TABLE
    pub(crate) table: String,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text [default: all]
    pub(crate) tables: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    #[command(subcommand)]
    pub(crate) command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List the records that were put aside, with position and reason
    List(TableArgs),
    /// Read them again, and merge those that can be read now
    Retry(TableArgs),
    /// Forget them
    Drop(TableArgs),
}
