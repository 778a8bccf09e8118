//! Arguments of `diff`.

use clap::Args;

use crate::args::load::{CsvArgs, DumpFormat, MemoryArgs, SchemaArgs};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A TABLE, its state at a moment as TABLE@T, or a file or folder of a dump
    pub(crate) left: String,
    /// What to compare it with
    pub(crate) right: String,
    /// End with exit code 1 when the sides differ
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// How many differing rows to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
    /// Also compare states for which events may still arrive
    #[arg(long)]
    pub(crate) allow_incomplete: bool,
    /// Format of dumps [default: by their names]
    #[arg(long, value_enum)]
    pub(crate) format: Option<DumpFormat>,
    /// Time zone of moments that are written without an offset, in T and in dumps
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) schema: SchemaArgs,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}
