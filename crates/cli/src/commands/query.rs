//! `query`: SQL over tables, written as it comes.

use std::io::Read;

use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use waterline_core::error::{Error, Result};
use waterline_engine::read::{ReadAt, SessionOptions, from_datafusion, session};
use waterline_env::Env;

use crate::args::QueryArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_catalog;
use crate::settings::CatalogSettings;
use crate::settings::request::{Cut, QueryRequest};

/// Reads the query from standard input.
const STDIN: &str = "-";

pub(crate) async fn run(context: &mut Context<'_>, args: &QueryArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let sql = if args.sql == STDIN { read_stdin()? } else { args.sql.clone() };
    let request = QueryRequest::resolve(args, sql, &settings)?;
    let mut batches = query(&settings.catalog, &context.env, request).await?;
    let mut rows = context.printer.rows(batches.schema());
    while let Some(batch) = batches.try_next().await.map_err(from_datafusion)? {
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
async fn query(catalog: &CatalogSettings, env: &Env, request: QueryRequest) -> Result<SendableRecordBatchStream> {
    let at = match request.cut {
        Cut::Newest => ReadAt::Head,
        Cut::Snapshot(name) => ReadAt::snapshot(&name),
        Cut::CommittedBy(at_us) => ReadAt::CommittedBy(at_us.div_euclid(1000)),
    };
    let options = SessionOptions { memory_bytes: request.memory_bytes, ..SessionOptions::default() };
    let session = session(open_catalog(catalog, env).await?, env, at, &options)?;
    waterline_engine::read::query(&session, &request.sql).await?.execute_stream().await.map_err(from_datafusion)
}
