//! Merges a folder of Debezium files into Iceberg tables. Run it again when files were added: what was read is skipped.
//!
//!     cargo run --example merge_folder -- /tmp/warehouse examples/sample/landing examples/sample/ddl.sql

use std::fmt::Write;
use std::sync::Arc;

use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::ChangeFormat;
use waterline_core::error::{Error, Result};
use waterline_engine::ingest::{IngestOptions, Mode, Source, ingest};
use waterline_engine::lake::Lake;
use waterline_engine::progress::Silent;
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, landing, ddl] = arguments.as_slice() else {
        return Err(Error::usage("arguments: WAREHOUSE_FOLDER LANDING_FOLDER DDL_FILE"));
    };
    print!("{}", run(warehouse, landing, ddl).await?);
    Ok(())
}

/// Merges what is new in `landing`; tells what became of each table.
pub async fn run(warehouse: &str, landing: &str, ddl: &str) -> Result<String> {
    // The environment is everything outside of the program: files and object stores, the clock, random ids.
    let env = Env::system();

    // A lake is a catalog and its environment. This catalog needs no server: the folders are the tables.
    let catalog = FilesystemCatalog::new(warehouse, env.clone())?;
    let lake = Lake::new(Arc::new(catalog), env);

    // A source is where change events come from. Its name stands in for the connector's where events do not say theirs.
    let mut source = Source::new("shop", ChangeFormat::DebeziumJson, vec![landing.to_owned()]);

    // Events without an embedded schema do not say the types of their columns, or which of them are the key. The
    // statements that made the source's tables do.
    let sql = std::fs::read_to_string(ddl).map_err(|e| Error::usage("the DDL cannot be read").with("file", ddl).caused_by(e))?;
    source.schema.ddl = Some(parse_ddl(&sql, SqlDialect::Postgres)?);

    // Each table's events are first appended to its changelog and then merged into the table, a commit each.
    let report = ingest(&lake, &source, &IngestOptions::new(Mode::Merge), &Silent).await?;

    let mut text = String::new();
    for table in report.tables {
        // One table may fail while the others go on.
        table.result?;
        let (name, merge) = (table.report.table, table.report.merge);
        let _ = writeln!(text, "{name}: {} inserted, {} updated, {} deleted", merge.inserted, merge.updated, merge.deleted);
    }
    Ok(text)
}
