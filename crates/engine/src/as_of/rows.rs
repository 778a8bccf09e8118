//! The rows of a state at T, written to data files.

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, KeepAll, TableState};

use super::{Past, StateAt};
use crate::locate::columns_by_name;
use crate::parquet_io::{Rows, TableColumns};
use crate::read::Deletes;
use crate::write::DataWriter;

/// Rows of a batch on their way from file to file.
const BATCH_ROWS: usize = 1 << 14;

impl StateAt {
    /// Writes the rows that the base keeps. Returns their number.
    pub(crate) async fn write_base(&self, past: &Past<'_>, writer: &mut DataWriter) -> Result<u64> {
        let Some(base) = &self.base else { return Ok(0) };
        let deletes = Deletes::new(past.pair.mirror.clone(), base, past.lake.files.clone())?;
        let columns = TableColumns::of(base)?;
        let mut rows = 0;
        for file in past.pair.mirror.data_files(base, &KeepAll).await? {
            let mut gone = deletes.of(&file).await?;
            if let Some(more) = self.overlay.gone.of(&file.path) {
                gone |= more;
            }
            rows += copy(past, base, &columns, &file, Rows::Except(&gone), writer).await?;
        }
        Ok(rows)
    }

    /// Writes the rows that are there instead of rows of the base. Returns their number.
    pub(crate) async fn write_overlay(&self, past: &Past<'_>, writer: &mut DataWriter) -> Result<u64> {
        let columns = source_columns(past.log, &past.mirror.schema)?;
        let mut rows = 0;
        for (file, chosen) in self.overlay.images.iter() {
            rows += copy(past, past.log, &columns, file, Rows::Only(chosen), writer).await?;
        }
        for batch in &self.overlay.made {
            rows += batch.num_rows() as u64;
            writer.write(batch).await?;
        }
        Ok(rows)
    }
}

async fn copy(
    past: &Past<'_>,
    state: &TableState,
    columns: &TableColumns,
    file: &DataFile,
    rows: Rows<'_>,
    writer: &mut DataWriter,
) -> Result<u64> {
    let opened = past.lake.files.open_data_file(state, file).await?;
    let mut batches = opened.read(columns, rows, BATCH_ROWS).await?;
    let mut count = 0;
    while let Some(batch) = batches.try_next().await? {
        count += batch.num_rows() as u64;
        writer.write(&batch).await?;
    }
    Ok(count)
}

/// The columns of the table as they are in its changelog.
pub(crate) fn source_columns(log: &TableState, table: &SchemaRef) -> Result<TableColumns> {
    columns_by_name(log, table.fields().iter().map(|field| field.name().as_str()))
}
