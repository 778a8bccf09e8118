//! Reading the files of a dump, and writing them as data files of its table.

use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use waterline_core::dump::{
    CsvDecoder, DumpDecoder, DumpFormat, JsonLinesDecoder, cast_to_table, infer_csv_schema, infer_json_schema, schema_from_arrow,
};
use waterline_core::error::{Error, Result};
use waterline_core::format::{NewDataFile, TableState, table_schema};
use waterline_core::schema::TableSchema;

use super::LoadRequest;
use crate::bytes_in::{InputBytes, InputFile};
use crate::lake::Lake;
use crate::progress::Progress;
use crate::write::DataWriter;

/// Bytes at the start of a text file by which an undeclared schema is told.
const SAMPLE_BYTES: usize = 1 << 20;

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
            let fields = dump_fields(lake, format, files).await?;
            match known {
                Some(known) => return Ok(known.evolve(&TableSchema::new(fields, Vec::new())?)?.unwrap_or(known)),
                None => fields,
            }
        }
    };
    TableSchema::new(fields, request.settings.keys.clone().unwrap_or_default())
}

async fn dump_fields(lake: &Lake, format: &DumpFormat, files: &[InputFile]) -> Result<Vec<arrow::datatypes::FieldRef>> {
    let file = files
        .iter()
        .find(|file| file.size_bytes > 0)
        .ok_or_else(|| Error::bad_input("the dump is empty, so nothing says which columns it has; give `--ddl`"))?;
    match format {
        DumpFormat::Parquet => {
            let opened = lake.files.open(&file.url, file.size_bytes).await?;
            let schema = parquet::arrow::parquet_to_arrow_schema(
                opened.footer().file_metadata().schema_descr(),
                opened.footer().file_metadata().key_value_metadata(),
            )
            .map_err(|e| Error::bad_input("not a Parquet schema that can be read").with("file", &file.url).caused_by(e))?;
            schema_from_arrow(&schema)
        }
        DumpFormat::Csv(options) => infer_csv_schema(&sample(lake, file).await?, options),
        DumpFormat::JsonLines(_) => infer_json_schema(&sample(lake, file).await?),
    }
    .map_err(|e| e.with("file", &file.url))
}

async fn sample(lake: &Lake, file: &InputFile) -> Result<Vec<u8>> {
    let mut input = InputBytes::open(&lake.env, file)?;
    let mut sample = Vec::new();
    while let Some(chunk) = input.next_chunk().await? {
        sample.extend_from_slice(&chunk);
        if sample.len() >= SAMPLE_BYTES {
            let end = memchr::memrchr(b'\n', &sample).map_or(sample.len(), |end| end + 1);
            sample.truncate(end);
            break;
        }
    }
    Ok(sample)
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
    let written = match format {
        DumpFormat::Parquet => write_parquet(lake, schema, file, &mut writer).await,
        DumpFormat::Csv(options) => write_text(lake, CsvDecoder::new(schema, options)?, file, &mut writer).await,
        DumpFormat::JsonLines(options) => write_text(lake, JsonLinesDecoder::new(schema, options)?, file, &mut writer).await,
    };
    written.map_err(|e| e.with("file", &file.url))?;
    writer.finish().await
}

async fn write_text(lake: &Lake, mut decoder: impl DumpDecoder, file: &InputFile, writer: &mut DataWriter) -> Result<()> {
    let mut input = InputBytes::open(&lake.env, file)?;
    while let Some(chunk) = input.next_chunk().await? {
        for batch in decoder.decode(&chunk)? {
            writer.write(&batch).await?;
        }
    }
    if let Some(batch) = decoder.finish()? {
        writer.write(&batch).await?;
    }
    Ok(())
}

async fn write_parquet(lake: &Lake, schema: &TableSchema, file: &InputFile, writer: &mut DataWriter) -> Result<()> {
    let opened = lake.files.open(&file.url, file.size_bytes).await?;
    let mut batches = opened.read_as_stored(1 << 14).await?;
    while let Some(batch) = batches.try_next().await? {
        writer.write(&cast_to_table(&batch, schema)?).await?;
    }
    Ok(())
}
