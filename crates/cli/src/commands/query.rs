//! `query`: SQL over tables, written as it comes.

use std::io::Read;

use datafusion::execution::context::SessionContext;
use futures::TryStreamExt;
use waterline_core::as_of::time_text;
use waterline_core::error::{Error, Result};
use waterline_core::record::Kind;
use waterline_core::table::TableName;
use waterline_engine::as_of::Explanation;
use waterline_engine::read::{ReadAt, SessionOptions, as_of_tables, from_datafusion, session};
use waterline_env::Env;

use crate::args::QueryArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job::limits;
use crate::lake::open_catalog;
use crate::settings::CatalogSettings;
use crate::settings::request::{QueryRequest, ReadCut};

/// Reads the query from standard input.
const STDIN: &str = "-";

pub(crate) async fn run(context: &mut Context<'_>, args: &QueryArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let sql = if args.sql == STDIN { read_stdin()? } else { args.sql.clone() };
    let request = QueryRequest::resolve(args, sql, &settings)?;
    let session = open_session(&settings.catalog, &context.env, &request).await?;
    let mut batches = waterline_engine::read::query(&session, &request.sql).await?.execute_stream().await.map_err(from_datafusion)?;
    let mut rows = context.printer.rows(batches.schema());
    while let Some(batch) = batches.try_next().await.map_err(from_datafusion)? {
        rows.write(&batch)?;
    }
    rows.finish()?;
    for (table, read) in as_of_tables(&session).await {
        let torn = read.as_of().torn();
        if torn > 0 {
            context.printer.note(&format!(
                "{table}: transactions of {torn} events may be visible in part, since the source did not say when they ended"
            ));
        }
        if args.explain {
            context.printer.note(&explanation(&table, &read.as_of().explain().await?));
        }
    }
    Ok(())
}

fn read_stdin() -> Result<String> {
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql).map_err(|e| Error::usage("the query cannot be read from standard input").caused_by(e))?;
    Ok(sql)
}

async fn open_session(catalog: &CatalogSettings, env: &Env, request: &QueryRequest) -> Result<SessionContext> {
    let at = match &request.cut {
        ReadCut::Newest => ReadAt::Head,
        ReadCut::Snapshot(name) => ReadAt::snapshot(name),
        ReadCut::CommittedBy(at_us) => ReadAt::CommittedBy(at_us.div_euclid(1000)),
        ReadCut::AsOf(cut) => ReadAt::AsOf(*cut),
    };
    let options = SessionOptions {
        memory_bytes: request.limits.memory_bytes,
        timezone: request.timezone,
        beyond: request.beyond,
        limits: limits(&request.limits),
        ..SessionOptions::default()
    };
    session(open_catalog(catalog, env).await?, env, at, &options)
}

fn explanation(table: &TableName, read: &Explanation) -> String {
    let moment = |at_us: Option<i64>| at_us.map_or_else(|| "unknown".to_owned(), time_text);
    let base = match (&read.base.version, read.base.record.kind) {
        (None, _) => "nothing".to_owned(),
        (Some(version), Kind::Baseline) => format!("baseline {}", version.0),
        (Some(version), _) => format!("snapshot {} (log batches to {})", version.0, read.base.record.folded.0),
    };
    format!(
        "{table} as of {}: base {base}, {} residual rows to log batch {}, {} keys folded again from the baseline of {}, complete until {}",
        time_text(read.at_us),
        read.residual_rows,
        read.upto.0,
        read.late_keys,
        moment(read.baseline_at_us),
        moment(read.answerable.until_us),
    )
}
