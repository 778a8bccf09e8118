//! `query`: SQL over tables, written as it comes.

use std::io::Read;

use datafusion::execution::context::SessionContext;
use futures::TryStreamExt;
use waterline_core::as_of::time_text;
use waterline_core::error::{Error, Result};
use waterline_core::record::Kind;
use waterline_core::table::TableName;
use waterline_engine::as_of::Explanation;
use waterline_engine::read::{
    ReadAt, SessionOptions, SweepQuery, as_of_tables, from_datafusion, schema_with_moment, session, torn_tables, with_moment,
};

use crate::args::QueryArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job::limits;
use crate::lake::open_catalog;
use crate::settings::request::{QueryRequest, ReadCut};

/// Reads the query from standard input.
const STDIN: &str = "-";

pub(crate) async fn run(context: &mut Context<'_>, args: &QueryArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let sql = if args.sql == STDIN { read_stdin()? } else { args.sql.clone() };
    let request = QueryRequest::resolve(args, sql, &settings, &context.cwd)?;
    let catalog = open_catalog(&settings.lake, &context.env).await?;
    let at = match &request.cut {
        ReadCut::Newest => ReadAt::Head,
        ReadCut::Snapshot(name) => ReadAt::snapshot(name),
        ReadCut::CommittedBy(at_us) => ReadAt::CommittedBy(at_us.div_euclid(1000)),
        ReadCut::AsOf(cut) => ReadAt::AsOf(*cut),
        ReadCut::AsOfEach { moments_us, known_by_ms } => {
            let options = session_options(&request);
            let sweep = SweepQuery::new(catalog, &context.env, &request.sql, moments_us, *known_by_ms, &options)?;
            return each_moment(context, sweep).await;
        }
    };
    let session = session(catalog, &context.env, at, &session_options(&request))?;
    let mut batches = waterline_engine::read::query(&session, &request.sql).await?.execute_stream().await.map_err(from_datafusion)?;
    let mut rows = context.printer.rows(batches.schema());
    while let Some(batch) = batches.try_next().await.map_err(from_datafusion)? {
        rows.write(&batch)?;
    }
    rows.finish()?;
    note_torn(context, &session).await;
    for (table, read) in as_of_tables(&session).await {
        if args.explain {
            context.printer.note(&explanation(&table, &read.as_of().explain().await?));
        }
    }
    Ok(())
}

async fn each_moment(context: &mut Context<'_>, mut sweep: SweepQuery) -> Result<(), Failure> {
    let Some((mut at_us, mut batches)) = sweep.next().await? else { return Ok(()) };
    let mut rows = context.printer.rows(schema_with_moment(&batches.schema()));
    loop {
        while let Some(batch) = batches.try_next().await.map_err(from_datafusion)? {
            rows.write(&with_moment(at_us, &batch)?)?;
        }
        match sweep.next().await? {
            Some(next) => (at_us, batches) = next,
            None => break,
        }
    }
    rows.finish()?;
    note_torn(context, sweep.session()).await;
    Ok(())
}

/// What an answer must say that does not keep the promise of rule 16.
async fn note_torn(context: &mut Context<'_>, session: &SessionContext) {
    for table in torn_tables(session).await {
        context.printer.note(&format!(
            "{table}: a transaction of the source may be visible in part; it stamps statements, and the end of some transactions was not known"
        ));
    }
}

fn read_stdin() -> Result<String> {
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql).map_err(|e| Error::usage("the query cannot be read from standard input").caused_by(e))?;
    Ok(sql)
}

fn session_options(request: &QueryRequest) -> SessionOptions {
    SessionOptions {
        memory_bytes: request.limits.memory_bytes,
        timezone: request.timezone,
        beyond: request.beyond,
        limits: limits(&request.limits),
        ..SessionOptions::default()
    }
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
