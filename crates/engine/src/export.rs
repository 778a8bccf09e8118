//! Export: rows of a table as a file that `load` reads back, in bounded memory.

use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::{ObjectStoreExt, WriteMultipart};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use waterline_core::dump::{DumpEncoder, TextFormat};
use waterline_core::error::{Error, Result};
use waterline_env::Env;

use crate::read::from_datafusion;

/// Text is handed to the store when this much has come together.
const PART_BYTES: usize = 8 << 20;
/// Parts that are on their way at the same time.
const PARTS_AHEAD: usize = 2;
const ROW_GROUP_ROWS: usize = 1 << 18;
const ROW_GROUP_BYTES: usize = 64 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Parquet,
    Text(TextFormat),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub rows: u64,
    pub bytes: u64,
}

/// Whether there is a file at a URL.
pub async fn is_there(env: &Env, url: &str) -> Result<bool> {
    let (store, path) = env.stores.resolve(url)?;
    match store.head(&path).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(e) => Err(failed(url, e)),
    }
}

/// Writes all rows into one file. It gets its name when it is whole, and takes the place of one that has it: stores, the local one
/// too, show an upload only when it is completed.
pub async fn export(env: &Env, rows: SendableRecordBatchStream, url: &str, format: &ExportFormat) -> Result<Exported> {
    match format {
        ExportFormat::Parquet => export_parquet(env, rows, url).await,
        ExportFormat::Text(format) => {
            let encoder = DumpEncoder::new(&rows.schema(), format.clone())?;
            let (store, path) = env.stores.resolve(url)?;
            let upload = store.put_multipart(&path).await.map_err(|e| failed(url, e))?;
            let mut file = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            match write_text(&encoder, rows, &mut file, url).await {
                Ok(exported) => file.finish().await.map(|_| exported).map_err(|e| failed(url, e)),
                Err(error) => {
                    // The upload is not shown anyway; what matters is why it ended.
                    let _ = file.abort().await;
                    Err(error)
                }
            }
        }
    }
}

async fn write_text(encoder: &DumpEncoder, mut rows: SendableRecordBatchStream, file: &mut WriteMultipart, url: &str) -> Result<Exported> {
    let mut exported = Exported::default();
    let mut text = encoder.header();
    loop {
        exported.bytes += text.len() as u64;
        file.wait_for_capacity(PARTS_AHEAD).await.map_err(|e| failed(url, e))?;
        file.write(text.as_bytes());
        text.clear();
        let Some(batch) = rows.try_next().await.map_err(from_datafusion)? else { return Ok(exported) };
        encoder.encode(&batch, &mut text)?;
        exported.rows += batch.num_rows() as u64;
    }
}

async fn export_parquet(env: &Env, mut rows: SendableRecordBatchStream, url: &str) -> Result<Exported> {
    let (store, path) = env.stores.resolve(url)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by(concat!("waterline ", env!("CARGO_PKG_VERSION")).into())
        .build();
    let unwritten = |e| Error::unavailable("cannot write the export").with("file", url).caused_by(e);
    let mut file = AsyncArrowWriter::try_new(BufWriter::new(store, path), rows.schema(), Some(properties)).map_err(unwritten)?;
    let mut exported = Exported::default();
    while let Some(batch) = rows.try_next().await.map_err(from_datafusion)? {
        file.write(&batch).await.map_err(unwritten)?;
        exported.rows += batch.num_rows() as u64;
        if file.in_progress_size() >= ROW_GROUP_BYTES {
            file.flush().await.map_err(unwritten)?;
        }
    }
    file.finish().await.map_err(unwritten)?;
    exported.bytes = file.bytes_written() as u64;
    Ok(exported)
}

fn failed(url: &str, error: object_store::Error) -> Error {
    Error::unavailable("cannot write the export").with("file", url).caused_by(error)
}
