//! Arguments of `tag`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    #[command(subcommand)]
    pub(crate) command: TagCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Make the state of tables at a past moment a tag that any engine reads
    ///
    /// The moment and what counts of each table are fixed before anything is written. When it is interrupted, the same
    /// command completes it, whatever was logged meanwhile.
    ///
    /// A tag shares files with its table. Of an Iceberg table any engine reads it by its name. Of a Delta table it is a shallow clone
    /// in a folder, which is printed: delta-rs and DuckDB open it; Polars, ClickHouse and Sail do not, and read a copy (--copy).
    Create(TagCreateArgs),
    /// List the tagged moments
    List(TagListArgs),
    /// Remove a tag
    Delete(TagDeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TagCreateArgs {
    /// The tag's name
    pub(crate) name: String,
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// The moment, in the source's time
    #[arg(long, value_name = "T")]
    pub(crate) as_of: String,
    /// Write all rows anew, so that the tag shares no file with its table: for engines that open no shallow clones
    #[arg(long)]
    pub(crate) copy: bool,
    /// Take what is logged, also where events until then may still arrive
    #[arg(long)]
    pub(crate) allow_incomplete: bool,
    /// Time zone of a moment that is written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Memory to stay within, such as 512MiB [default: what waterline.toml says]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_limit: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TagListArgs {
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text [default: all]
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TagDeleteArgs {
    /// The tag's name
    pub(crate) name: String,
    /// Tables, as NAMESPACE.TABLE; `*` stands for any text [default: all that have it]
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
}
