//! The rows of a state at T, written to data files.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use waterline_core::error::Result;
use waterline_core::format::{Commit, DataFile, KeepAll, Operation, TableState, Target, copy_folder};

use super::{Past, StateAt};
use crate::locate::columns_by_name;
use crate::parquet_io::{Rows, TableColumns};
use crate::read::Deletes;
use crate::write::DataWriter;

/// Rows of a batch on their way from file to file.
const BATCH_ROWS: usize = 1 << 14;

impl StateAt {
    /// A commit that makes the state a snapshot beside the main branch: writes the rows that its base lacks, and says which of the
    /// base's rows go. It has no name yet.
    pub(crate) async fn aside(&self, past: &Past<'_>) -> Result<Commit> {
        let mut writer = DataWriter::new(&past.lake.env, past.mirror)?;
        self.write_overlay(past, &mut writer).await?;
        let delete_rows = self.base.as_ref().map_or_else(BTreeMap::new, |_| self.overlay.gone.to_map());
        let operation = if delete_rows.is_empty() { Operation::Append } else { Operation::Overwrite };
        let target = Target::Aside { parent: self.base.as_ref().and_then(|base| base.version) };
        Ok(Commit { target, add: writer.finish().await?, delete_rows, ..past.lake.draft(operation) })
    }

    /// A commit that makes the state a snapshot with files of its own, which lie in a folder of their own. It has no name yet.
    pub(crate) async fn copied_aside(&self, past: &Past<'_>) -> Result<Commit> {
        let folder = copy_folder(past.mirror, past.lake.env.ids.uuid());
        let mut writer = DataWriter::new(&past.lake.env, past.mirror)?.with_folder(folder);
        self.write_base(past, &mut writer).await?;
        self.write_overlay(past, &mut writer).await?;
        let target = Target::Aside { parent: None };
        Ok(Commit { target, add: writer.finish().await?, ..past.lake.draft(Operation::Append) })
    }

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
