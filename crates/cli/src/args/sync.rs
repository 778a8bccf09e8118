//! Arguments of `ingest`, `merge` and `run`.

use clap::{Args, ValueEnum};

use crate::args::load::{MemoryArgs, SchemaArgs, TableFormatArg};

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// The table, as NAMESPACE.TABLE
    pub(crate) table: Option<String>,
    /// Files of change events, or folders of them, read in the order of their names
    #[arg(value_name = "PATH", requires = "table")]
    pub(crate) paths: Vec<String>,
    /// Format of the events
    #[arg(long, value_enum, requires = "paths")]
    pub(crate) format: Option<ChangeFormat>,
    /// Time zone of moments that are written without an offset
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Format of the table, when it is made
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) table_format: Option<TableFormatArg>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) schema: SchemaArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// How much is done at once, and what happens to what cannot be read.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Most events of one batch; each batch is a commit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) batch_rows: Option<u64>,
    /// State that everything up to this event time has arrived
    #[arg(long, value_name = "T")]
    pub(crate) complete_until: Option<String>,
    /// What a record that cannot be read does: stop its table, or go to quarantine [default: stop]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_error: Option<OnError>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangeFormat {
    /// Debezium's JSON, with or without schemas, as values or messages, also flattened
    DebeziumJson,
    /// Debezium's Avro, with schemas from `avro_schemas` of waterline.toml
    DebeziumAvro,
    /// {"op": ..., "updated_at": ..., "record": {...}}, names by `fields` of waterline.toml
    PlainJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    Stop,
    Quarantine,
}
