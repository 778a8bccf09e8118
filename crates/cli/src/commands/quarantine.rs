//! `quarantine`: the records that were put aside.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use waterline_core::error::Result;
use waterline_core::table::TableName;
use waterline_engine::lake::Lake;
use waterline_engine::quarantine::{BadRecord, Quarantine};

use crate::args::{QuarantineArgs, QuarantineCommand};
use crate::commands::sync;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::printer::counted;
use crate::settings::request::SyncRequest;

pub(crate) async fn run(context: &mut Context<'_>, args: &QuarantineArgs) -> Result<(), Failure> {
    let lake = open_lake(&context.settings()?.lake, &context.env).await?;
    match &args.command {
        QuarantineCommand::List(args) => list(context, &lake, &args.table.parse()?).await,
        QuarantineCommand::Retry(args) => retry(context, &lake, &args.table.parse()?).await,
        QuarantineCommand::Drop(args) => forget(context, &lake, &args.table.parse()?).await,
    }
}

async fn open(lake: &Lake, table: &TableName) -> Result<(Quarantine, Vec<(String, BadRecord)>)> {
    let quarantine = Quarantine::of(lake, &lake.table(table).await?.head().await?);
    let records = quarantine.list().await?;
    Ok((quarantine, records))
}

async fn list(context: &mut Context<'_>, lake: &Lake, table: &TableName) -> Result<(), Failure> {
    let (_, records) = open(lake, table).await?;
    let texts =
        |of: fn(&BadRecord) -> &str| Arc::new(records.iter().map(|(_, record)| Some(of(record))).collect::<StringArray>()) as ArrayRef;
    let numbers =
        |of: fn(&BadRecord) -> u64| Arc::new(records.iter().map(|(_, record)| Some(of(record))).collect::<UInt64Array>()) as ArrayRef;
    let rows = RecordBatch::try_from_iter([
        ("file", texts(|record| &record.file)),
        ("record", numbers(|record| record.record)),
        ("offset_bytes", numbers(|record| record.offset_bytes)),
        ("reason", texts(|record| &record.reason)),
    ]);
    context.printer.batch(&rows.map_err(waterline_core::error::Error::from)?)
}

/// Reads the records again, as the table's source reads them; those that still cannot be taken are put aside again.
async fn retry(context: &mut Context<'_>, lake: &Lake, table: &TableName) -> Result<(), Failure> {
    let (quarantine, records) = open(lake, table).await?;
    if records.is_empty() {
        context.printer.note("The quarantine is empty.");
        return Ok(());
    }
    let retried = quarantine.stage_retry(&records).await?;
    let settings = context.settings()?;
    sync::sync(context, &settings.lake, SyncRequest::retry(table, retried.clone(), &settings)?, "quarantine retry").await?;
    Ok(quarantine.end_retry(&retried, &records).await?)
}

async fn forget(context: &mut Context<'_>, lake: &Lake, table: &TableName) -> Result<(), Failure> {
    let (quarantine, records) = open(lake, table).await?;
    quarantine.drop_files(&files(&records)).await?;
    context.printer.note(&format!("Dropped {}.", counted(records.len() as u64, "record")));
    Ok(())
}

fn files(records: &[(String, BadRecord)]) -> Vec<String> {
    let mut files: Vec<String> = records.iter().map(|(file, _)| file.clone()).collect();
    files.dedup();
    files
}
