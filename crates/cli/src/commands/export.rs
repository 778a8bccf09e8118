//! `export`: tables as files.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use waterline_core::dump::TextFormat;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::table::TableName;
use waterline_engine::export::{ExportFormat, Exported, export, is_there};
use waterline_engine::read::{ReadAt, SessionOptions, from_datafusion, session};

use crate::args::{DumpFormat, ExportArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_catalog;
use crate::selection::selected;
use crate::settings::absolute;
use crate::settings::request::memory_bytes;

pub(crate) async fn run(context: &mut Context<'_>, args: &ExportArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let catalog = open_catalog(&settings.catalog, &context.env).await?;
    let (format, ending) = format(args)?;
    let folder = absolute(&args.to, &context.cwd)?;
    let tables = selected(&catalog.list().await?, &args.tables)?;
    let files: Vec<(TableName, String)> =
        tables.into_iter().map(|table| (table.clone(), format!("{}/{table}.{ending}", folder.trim_end_matches('/')))).collect();
    if !args.overwrite {
        refuse_what_is_there(context, &files).await?;
    }
    let options = SessionOptions { memory_bytes: memory_bytes(&settings, &args.memory)?, partitions: None };
    // One session opens each table once, so that all are read at the same cut.
    let session = session(catalog, &context.env, ReadAt::Head, &options)?;
    let mut written = Vec::new();
    for (table, file) in files {
        let rows = rows(&session, &table).await.map_err(|e| e.with("table", &table))?;
        let exported = export(&context.env, rows, &file, &format).await.map_err(|e| e.with("table", &table))?;
        written.push((table, file, exported));
    }
    context.printer.batch(&report(&written)?)
}

async fn rows(session: &SessionContext, table: &TableName) -> Result<datafusion::physical_plan::SendableRecordBatchStream> {
    let rows = session.table(TableReference::partial(table.namespace(), table.name())).await.map_err(from_datafusion)?;
    rows.execute_stream().await.map_err(from_datafusion)
}

fn format(args: &ExportArgs) -> Result<(ExportFormat, &'static str)> {
    if args.null.is_some() && args.format != DumpFormat::Csv {
        return Err(Error::usage("--null is for CSV only"));
    }
    Ok(match args.format {
        DumpFormat::Parquet => (ExportFormat::Parquet, "parquet"),
        DumpFormat::Csv => (ExportFormat::Text(TextFormat::Csv { null: args.null.clone().unwrap_or_default() }), "csv"),
        DumpFormat::Jsonl => (ExportFormat::Text(TextFormat::JsonLines), "jsonl"),
    })
}

async fn refuse_what_is_there(context: &Context<'_>, files: &[(TableName, String)]) -> Result<()> {
    for (_, file) in files {
        if is_there(&context.env, file).await? {
            return Err(Error::new(ErrorKind::BadInput, "the file is there already; --overwrite replaces it").with("file", file));
        }
    }
    Ok(())
}

fn report(written: &[(TableName, String, Exported)]) -> Result<RecordBatch> {
    let number = |of: fn(&Exported) -> u64| -> ArrayRef {
        Arc::new(written.iter().map(|(_, _, exported)| Some(of(exported))).collect::<UInt64Array>())
    };
    Ok(RecordBatch::try_from_iter([
        ("table", Arc::new(written.iter().map(|(table, ..)| Some(table.to_string())).collect::<StringArray>()) as ArrayRef),
        ("rows", number(|exported| exported.rows)),
        ("size_bytes", number(|exported| exported.bytes)),
        ("file", Arc::new(written.iter().map(|(_, file, _)| Some(file.as_str())).collect::<StringArray>())),
    ])?)
}
