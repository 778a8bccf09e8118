//! `query`: SQL over tables, written as it comes.

use std::io::Read;

use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use waterline_core::error::{Error, ErrorKind, Result};

use crate::args::QueryArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::not_connected;
use crate::settings::CatalogSettings;
use crate::settings::request::QueryRequest;

/// Reads the query from standard input.
const STDIN: &str = "-";

pub(crate) async fn run(context: &mut Context<'_>, args: &QueryArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let sql = if args.sql == STDIN { read_stdin()? } else { args.sql.clone() };
    let request = QueryRequest::resolve(args, sql, &settings)?;
    let mut batches = query(&settings.catalog, request).await?;
    let mut rows = context.printer.rows(batches.schema());
    while let Some(batch) = batches.try_next().await.map_err(|e| Error::new(ErrorKind::BadInput, "the query failed").caused_by(e))? {
        rows.write(&batch)?;
    }
    rows.finish()
}

fn read_stdin() -> Result<String> {
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql).map_err(|e| Error::usage("the query cannot be read from standard input").caused_by(e))?;
    Ok(sql)
}

/// The call into the engine.
async fn query(_catalog: &CatalogSettings, _request: QueryRequest) -> Result<SendableRecordBatchStream> {
    Err(not_connected())
}
