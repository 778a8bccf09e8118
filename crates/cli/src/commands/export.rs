//! `export`: tables as files, now or as of moments of their source.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use datafusion::common::TableReference;
use datafusion::prelude::{DataFrame, SessionContext};
use waterline_core::as_of::{Beyond, Cut};
use waterline_core::dump::TextFormat;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::Catalog;
use waterline_core::table::TableName;
use waterline_engine::export::{ExportFormat as Format, Exported, export, is_there};
use waterline_engine::read::{ReadAt, SessionOptions, from_datafusion, session};

use crate::args::ExportArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_catalog;
use crate::selection::selected;
use crate::settings::request::{ExportFormat, ExportRequest};

pub(crate) async fn run(context: &mut Context<'_>, args: &ExportArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let request = ExportRequest::resolve(args, &settings, &context.cwd)?;
    let catalog = open_catalog(&settings.lake, &context.env).await?;
    let tables = selected(&catalog.list().await?, &request.tables)?;
    let (format, ending) = format(&request.format);
    let exports = exports(&request, &tables, ending);
    if !args.overwrite {
        refuse_what_is_there(context, &exports).await?;
    }
    let options = SessionOptions { memory_bytes: request.memory_bytes, limits: job::limits(&settings.limits), ..SessionOptions::default() };
    let beyond = if args.allow_incomplete { Beyond::AsLogged } else { Beyond::Refuse };
    let mut written = Vec::new();
    for at_cut in exports.chunk_by(|a, b| a.at_us == b.at_us) {
        let at =
            at_cut.first().and_then(|export| export.at_us).map_or(ReadAt::Head, |at_us| ReadAt::AsOf(Cut { beyond, ..Cut::at(at_us) }));
        let session = session(catalog.clone() as Arc<dyn Catalog>, &context.env, at, &options)?;
        for (one, rows) in at_cut.iter().zip(open(&session, at_cut).await?) {
            written.push(write(context, one, rows, &format).await.map_err(|e| e.with("table", &one.table))?);
        }
    }
    context.printer.batch(&report(&exports, &written)?)
}

/// One file.
struct Export {
    table: TableName,
    at_us: Option<i64>,
    file: String,
}

fn exports(request: &ExportRequest, tables: &BTreeSet<TableName>, ending: &str) -> Vec<Export> {
    let at_cuts = request.cuts.iter().flat_map(|cut| tables.iter().map(move |table| (cut, table)));
    at_cuts
        .map(|(cut, table)| Export { table: table.clone(), at_us: cut.at_us, file: format!("{}/{table}.{ending}", cut.folder) })
        .collect()
}

/// Opens all tables before any is read, so that they are at one cut (DESIGN.md rule 15).
async fn open(session: &SessionContext, exports: &[Export]) -> Result<Vec<DataFrame>> {
    let mut opened = Vec::new();
    for Export { table, .. } in exports {
        let name = TableReference::partial(table.namespace(), table.name());
        opened.push(session.table(name).await.map_err(from_datafusion)?);
    }
    Ok(opened)
}

async fn write(context: &Context<'_>, one: &Export, rows: DataFrame, format: &Format) -> Result<Exported> {
    let rows = rows.execute_stream().await.map_err(from_datafusion)?;
    export(&context.env, rows, &one.file, format).await
}

fn format(format: &ExportFormat) -> (Format, &'static str) {
    match format {
        ExportFormat::Parquet => (Format::Parquet, "parquet"),
        ExportFormat::Csv { null } => (Format::Text(TextFormat::Csv { null: null.clone() }), "csv"),
        ExportFormat::JsonLines => (Format::Text(TextFormat::JsonLines), "jsonl"),
    }
}

async fn refuse_what_is_there(context: &Context<'_>, exports: &[Export]) -> Result<()> {
    for Export { file, .. } in exports {
        if is_there(&context.env, file).await? {
            return Err(Error::new(ErrorKind::BadInput, "the file is there already; --overwrite replaces it").with("file", file));
        }
    }
    Ok(())
}

fn report(exports: &[Export], written: &[Exported]) -> Result<RecordBatch> {
    let number = |of: fn(&Exported) -> u64| -> ArrayRef { Arc::new(written.iter().map(|one| Some(of(one))).collect::<UInt64Array>()) };
    let text = |of: fn(&Export) -> String| -> ArrayRef { Arc::new(exports.iter().map(|one| Some(of(one))).collect::<StringArray>()) };
    let moments: TimestampMicrosecondArray = exports.iter().map(|one| one.at_us).collect();
    Ok(RecordBatch::try_from_iter([
        ("table", text(|one| one.table.to_string())),
        ("as_of", Arc::new(moments.with_timezone("UTC")) as ArrayRef),
        ("rows", number(|one| one.rows)),
        ("size_bytes", number(|one| one.bytes)),
        ("file", text(|one| one.file.clone())),
    ])?)
}
