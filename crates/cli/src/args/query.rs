//! Arguments of `query`.

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
    /// Time zone of moments that are written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Memory to stay within, such as 512MiB [default: what waterline.toml says]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_limit: Option<String>,
}
