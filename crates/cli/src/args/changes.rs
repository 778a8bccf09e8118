//! Arguments of `changes`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    /// The table, as NAMESPACE.TABLE
    pub(crate) table: String,
    /// Changes after this moment of the source
    #[arg(long, value_name = "TIME")]
    pub(crate) since: String,
    /// Changes up to this moment and at it
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    /// One change for each key whose row differs between the two moments
    #[arg(long)]
    pub(crate) net: bool,
    /// As far as it was known by this time
    #[arg(long, value_name = "TIME")]
    pub(crate) committed_by: Option<String>,
    /// Read on past the moment until which everything has arrived
    #[arg(long)]
    pub(crate) allow_incomplete: bool,
    /// Time zone of moments that are written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Memory to stay within, such as 512MiB [default: what waterline.toml says]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_limit: Option<String>,
}
