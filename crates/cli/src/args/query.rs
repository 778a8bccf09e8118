//! Arguments of `query`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The query, or `-` to read it from standard input
    pub(crate) sql: String,
    /// Read this snapshot: its id, or the name of a tag or branch
    #[arg(long, value_name = "ID|TAG|BRANCH", conflicts_with = "committed_by")]
    pub(crate) snapshot: Option<String>,
    /// Read the newest snapshot of each table that was committed by this time
    #[arg(long, value_name = "TIME")]
    pub(crate) committed_by: Option<String>,
    /// Read all tables as they were in their source at this moment of it; with --committed-by, as far as that was known by then
    #[arg(long, value_name = "TIME", conflicts_with = "snapshot")]
    pub(crate) as_of: Option<String>,
    /// Run the query at each moment of a file: one a line, or the first column of a CSV file; results have the moment as first column
    #[arg(long, value_name = "FILE", conflicts_with_all = ["snapshot", "as_of"])]
    pub(crate) as_of_each: Option<PathBuf>,
    /// Read on past the moment until which everything has arrived
    #[arg(long)]
    pub(crate) allow_incomplete: bool,
    /// Say on standard error what was read as of a moment: base, events folded onto it, completeness
    #[arg(long)]
    pub(crate) explain: bool,
    /// Time zone of moments that are written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Memory to stay within, such as 512MiB [default: what waterline.toml says]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_limit: Option<String>,
}
