//! `files`: the data files of a table's newest snapshot.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt, stream};
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, DeleteState, KeepAll, TableFormat};
use waterline_core::partition::PartitionField;
use waterline_core::table::TableName;
use waterline_core::value::Value;

use crate::args::TableArgs;
use crate::context::Context;
use crate::failure::Failure;

/// Delete files that are read at once.
const CONCURRENT_READS: usize = 8;

pub(crate) async fn run(context: &mut Context<'_>, args: &TableArgs) -> Result<(), Failure> {
    let name: TableName = args.table.parse()?;
    let table = context
        .catalog()
        .await?
        .open(&name)
        .await?
        .ok_or_else(|| Error::not_found("the catalog has no such table").with("table", &name))?;
    let state = table.head().await?;
    let mut files = table.data_files(&state, &KeepAll).await?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let table = table.as_ref();
    let deleted: Vec<u64> = stream::iter(&files).map(|file| deleted_rows(table, file)).buffered(CONCURRENT_READS).try_collect().await?;
    context.printer.batch(&rows(&files, deleted)?)
}

async fn deleted_rows(table: &dyn TableFormat, file: &DataFile) -> Result<u64> {
    match file.deletes {
        DeleteState::None => Ok(0),
        DeleteState::Some => Ok(table.deleted_rows(file).await?.len()),
    }
}

fn rows(files: &[DataFile], deleted: Vec<u64>) -> Result<RecordBatch> {
    let number =
        |value: fn(&DataFile) -> u64| -> ArrayRef { Arc::new(files.iter().map(|file| Some(value(file))).collect::<UInt64Array>()) };
    Ok(RecordBatch::try_from_iter([
        ("path", Arc::new(files.iter().map(|file| Some(file.path.as_str())).collect::<StringArray>()) as ArrayRef),
        ("size_bytes", number(|file| file.size_bytes)),
        ("rows", number(|file| file.record_count)),
        ("deleted_rows", Arc::new(UInt64Array::from(deleted))),
        ("equality_deletes", number(|file| file.equality_deletes.len() as u64)),
        ("partition", Arc::new(files.iter().map(|file| partition(&file.summary.partition)).collect::<StringArray>())),
    ])?)
}

/// `day(at)=20413, region=eu`; values are those of the partition, dates as days.
pub(super) fn partition(values: &[(PartitionField, Option<Value>)]) -> Option<String> {
    let parts: Vec<String> =
        values.iter().map(|(field, value)| format!("{field}={}", value.as_ref().map_or_else(|| "null".to_owned(), value_text))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
