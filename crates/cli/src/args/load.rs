//! Arguments of `load`, and what it shares with other commands.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// The table, as NAMESPACE.TABLE
    pub(crate) table: String,
    /// Files of the dump, or folders of them
    #[arg(required_unless_present = "adopt", conflicts_with = "adopt", value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Format of the files [default: by their names]
    #[arg(long, value_enum)]
    pub(crate) format: Option<DumpFormat>,
    /// The moment of the dump, or A..B when it is only known to lie between two
    #[arg(long, value_name = "T|A..B")]
    pub(crate) at: String,
    /// Time zone of moments that are written without an offset, in --at and in the dump
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Take over the rows that the table of another writer has now, as its state at --at
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Take the dump even where it differs from what the changelog says of that moment
    #[arg(long)]
    pub(crate) supersede: bool,
    /// Format of the table, when it is made
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) table_format: Option<TableFormatArg>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) schema: SchemaArgs,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DumpFormat {
    Csv,
    /// One JSON object a line
    #[value(alias = "ndjson")]
    Jsonl,
    Parquet,
}

/// How a CSV dump is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "CSV")]
pub(crate) struct CsvArgs {
    /// The unquoted text that stands for NULL [default: an empty field]
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Option<String>,
    /// The character between fields [default: ,]
    #[arg(long, value_name = "CHAR")]
    pub(crate) delimiter: Option<String>,
    /// The character around fields [default: "]
    #[arg(long, value_name = "CHAR")]
    pub(crate) quote: Option<String>,
    /// The first line is data; columns come in the order of the DDL
    #[arg(long)]
    pub(crate) no_header: bool,
}

/// Where the columns of a table are declared.
#[derive(Debug, Args)]
#[command(next_help_heading = "Schema")]
pub(crate) struct SchemaArgs {
    /// SQL file with the CREATE TABLE statements of the source; may be repeated [default: the data's own schema]
    #[arg(long, value_name = "FILE")]
    pub(crate) ddl: Vec<PathBuf>,
    /// SQL dialect of the DDL [default: postgres]
    #[arg(long, value_enum)]
    pub(crate) dialect: Option<DialectArg>,
    /// Key columns, comma separated [default: the primary key of the DDL or of the events]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) keys: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectArg {
    #[value(alias = "postgresql")]
    Postgres,
    #[value(alias = "mariadb")]
    Mysql,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormatArg {
    Iceberg,
    Delta,
}

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Memory to stay within, such as 512MiB [default: what waterline.toml says]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_limit: Option<String>,
}
