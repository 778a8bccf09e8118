//! Arguments of `check`.

use clap::Args;

use crate::args::load::MemoryArgs;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text. Their changelogs are checked with them
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Read all rows too: bounds, partitions, keys, and whether the table is the fold of its changelog
    #[arg(long)]
    pub(crate) deep: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}
