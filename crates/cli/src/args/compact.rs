//! Arguments of `compact`.

use clap::{Args, ValueEnum};

use crate::args::load::MemoryArgs;

#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// The table, as NAMESPACE.TABLE; its changelog is compacted with it
    pub(crate) table: String,
    /// How rows are laid out in the new files
    #[arg(long, value_enum, default_value_t = CompactStrategy::Binpack)]
    pub(crate) strategy: CompactStrategy,
    /// Columns to sort by, such as 'region, placed_at desc' [default: the table's key]
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) sort_order: Option<String>,
    /// Take only files that may hold rows of this predicate; the changelog is left alone
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) only: Option<String>,
    /// Size of the new files, such as 512MiB [default: what the table's properties say]
    #[arg(long, value_name = "SIZE")]
    pub(crate) target_file_size_bytes: Option<String>,
    /// Small files that lie together are taken from this many on
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) min_input_files: usize,
    /// A file is taken when at least this share of its rows is deleted
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub(crate) delete_ratio_threshold: f64,
    /// Take files of at most this size together, and leave the rest
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_bytes: Option<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompactStrategy {
    /// Rows stay in the order of their files
    Binpack,
    /// Rows are sorted; files whose ranges overlap are taken too
    Sort,
}
