//! The files of a dump as data files of its table.

use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use waterline_core::dump::DumpFormat;
use waterline_core::error::{Error, Result};
use waterline_core::format::{NewDataFile, TableState, table_schema};
use waterline_core::schema::TableSchema;

use super::LoadRequest;
use crate::bytes_in::InputFile;
use crate::dump::{batches, shown_fields};
use crate::lake::Lake;
use crate::progress::Progress;
use crate::write::DataWriter;

/// The declared schema; else the table's own, grown by the dump's; else the dump's.
pub(super) async fn schema_of(lake: &Lake, request: &LoadRequest, files: &[InputFile]) -> Result<TableSchema> {
    if let Some(declared) = request.schema.declared(&request.table, &request.settings)? {
        return Ok(declared);
    }
    let known = match lake.catalog.open(&request.table).await? {
        Some(table) => Some(table_schema(&table.head().await?)?),
        None => None,
    };
    let fields = match (&request.format, known) {
        (DumpFormat::Csv(_) | DumpFormat::JsonLines(_), Some(known)) => return Ok(known),
        (format, known) => {
            let fields = shown_fields(lake, format, files).await?;
            match known {
                Some(known) => return Ok(known.evolve(&TableSchema::new(fields, Vec::new())?)?.unwrap_or(known)),
                None => fields,
            }
        }
    };
    TableSchema::new(fields, request.settings.keys.clone().unwrap_or_default())
}

/// Writes the files of the dump, one per core at a time.
pub(super) async fn write(
    lake: &Lake,
    request: &LoadRequest,
    state: &TableState,
    files: &[InputFile],
    progress: &dyn Progress,
) -> Result<Vec<NewDataFile>> {
    let schema = table_schema(state)?;
    let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
    let write = |file: InputFile| {
        let (lake, state, schema, format) = (lake.clone(), state.clone(), schema.clone(), request.format.clone());
        tokio::spawn(async move { write_file(&lake, &state, &schema, &format, &file).await.map(|added| (file.size_bytes, added)) })
    };
    let mut writes = stream::iter(files.iter().cloned().map(write)).buffered(concurrency);
    let mut added = Vec::new();
    while let Some(written) = writes.next().await {
        let (bytes, files) = written.map_err(|e| Error::internal("loading a file stopped").caused_by(e))??;
        progress.advance(bytes, files.iter().map(|file| file.record_count).sum());
        added.extend(files);
    }
    Ok(added)
}

async fn write_file(
    lake: &Lake,
    state: &TableState,
    schema: &TableSchema,
    format: &DumpFormat,
    file: &InputFile,
) -> Result<Vec<NewDataFile>> {
    let mut writer = DataWriter::new(&lake.env, state)?;
    let mut rows = batches(lake, schema, format, file).await.map_err(|e| e.with("file", &file.url))?;
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch).await?;
    }
    writer.finish().await
}
