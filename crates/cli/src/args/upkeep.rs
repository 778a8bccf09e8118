//! Arguments of `expire`, `vacuum`, `rollback` and `maintain`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ExpireArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Keep snapshots that are younger [default: the property history.expire.max-snapshot-age-ms of the table, or 7d]
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: Option<String>,
    /// Keep so many of the newest snapshots [default: the property history.expire.min-snapshots-to-keep of the table, or 10]
    #[arg(long, value_name = "N")]
    pub(crate) retain_last: Option<usize>,
    #[command(flatten)]
    pub(crate) care: CareArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VacuumArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Keep files that are younger
    #[arg(long, value_name = "SPAN", default_value = "3d")]
    pub(crate) older_than: String,
    #[command(flatten)]
    pub(crate) care: CareArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CareArgs {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do it also where less than 24 hours are kept, a job seems to be writing, or more than 20 % of the files would go
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The table, as NAMESPACE.TABLE
    pub(crate) table: String,
    /// Go back to this snapshot: its id, or the name of a tag
    #[arg(long, value_name = "ID|TAG", required_unless_present = "committed_by", conflicts_with = "committed_by")]
    pub(crate) snapshot: Option<String>,
    /// Go back to the newest snapshot that was committed by this time
    #[arg(long, value_name = "TIME", required_unless_present = "snapshot")]
    pub(crate) committed_by: Option<String>,
    /// Let the next job read the events again that are taken back; else they never count
    #[arg(long)]
    pub(crate) replay: bool,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Time zone of a moment that is written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MaintainArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text [default: all]
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
