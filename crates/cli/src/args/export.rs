//! Arguments of `export`.

use std::path::PathBuf;

use clap::Args;

use crate::args::load::{DumpFormat, MemoryArgs};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text
    #[arg(value_name = "TABLE", required_unless_present = "all")]
    pub(crate) tables: Vec<String>,
    /// Every table of the catalog
    #[arg(long, conflicts_with = "tables")]
    pub(crate) all: bool,
    /// Folder or URL to write to; one file a table
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: String,
    /// The moment of the source whose state is written [default: what was merged]
    #[arg(long, value_name = "T", conflicts_with = "as_of_each")]
    pub(crate) as_of: Option<String>,
    /// A CSV file with a moment in the first field of each line; each gets a folder of its own
    #[arg(long, value_name = "FILE")]
    pub(crate) as_of_each: Option<PathBuf>,
    /// Also write states for which events may still arrive
    #[arg(long)]
    pub(crate) allow_incomplete: bool,
    /// Time zone of moments that are written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Format of the files
    #[arg(long, value_enum, default_value_t = DumpFormat::Parquet)]
    pub(crate) format: DumpFormat,
    /// What NULL is written as in CSV [default: an empty field]
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}
