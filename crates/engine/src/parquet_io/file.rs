//! Opening Parquet files in object stores.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::ScalarValue;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use waterline_core::error::Result;
use waterline_core::format::{DataFile, TableState};
use waterline_env::{Env, Stores};

use super::cache::FooterCache;
use super::error::{from_parquet, from_store};
use super::scalar::constants;

/// Footers that are kept in memory, together.
const FOOTER_CACHE_BYTES: usize = 64 << 20;
/// Fetched at first from the end of a file: most footers are smaller.
const FOOTER_HINT_BYTES: u64 = 64 << 10;

/// Opens Parquet files and remembers their footers. Cheap to clone; clones share the footers.
#[derive(Clone, Debug)]
pub struct ParquetFiles {
    stores: Arc<dyn Stores>,
    footers: Arc<FooterCache>,
}

impl ParquetFiles {
    pub fn new(env: &Env) -> Self {
        Self { stores: env.stores.clone(), footers: Arc::new(FooterCache::new(FOOTER_CACHE_BYTES)) }
    }

    /// Opens the file of a URL, which is `size_bytes` long.
    pub async fn open(&self, url: &str, size_bytes: u64) -> Result<ParquetFile> {
        let stored = self.stored(url, size_bytes)?;
        let footer = self.footer(&stored).await?;
        Ok(ParquetFile { stored, footer, constants: Vec::new() })
    }

    /// Opens a data file of `state`; columns that the table is partitioned by have the values of the file's partition.
    pub async fn open_data_file(&self, state: &TableState, file: &DataFile) -> Result<ParquetFile> {
        let opened = self.open(&file.path, file.size_bytes).await?;
        Ok(ParquetFile { constants: constants(&state.schema, &file.summary), ..opened })
    }

    pub(crate) fn stored(&self, url: &str, size_bytes: u64) -> Result<StoredFile> {
        let (store, path) = self.stores.resolve(url)?;
        Ok(StoredFile { store, path, url: url.into(), size_bytes })
    }

    pub(crate) async fn footer(&self, file: &StoredFile) -> Result<Arc<ParquetMetaData>> {
        if let Some(footer) = self.footers.get(&file.url) {
            return Ok(footer);
        }
        let footer = Arc::new(file.load_footer().await?);
        self.footers.put(&file.url, footer.clone());
        Ok(footer)
    }
}

/// An open Parquet file.
#[derive(Clone, Debug)]
pub struct ParquetFile {
    pub(super) stored: StoredFile,
    pub(super) footer: Arc<ParquetMetaData>,
    /// Values of columns that are the same in all rows.
    pub(super) constants: Vec<(String, ScalarValue)>,
}

impl ParquetFile {
    /// The footer as it is in the file.
    pub fn footer(&self) -> &Arc<ParquetMetaData> {
        &self.footer
    }

    pub fn row_count(&self) -> u64 {
        u64::try_from(self.footer.file_metadata().num_rows()).unwrap_or_default()
    }

    /// The footer with the page index, where the file has one.
    pub async fn footer_with_page_index(&self) -> Result<ParquetMetaData> {
        let mut reader =
            ParquetMetaDataReader::new_with_metadata(self.footer.as_ref().clone()).with_page_index_policy(PageIndexPolicy::Optional);
        let loaded = reader.load_page_index(&mut self.stored.clone()).await;
        loaded.and_then(|()| reader.finish()).map_err(|e| from_parquet(e, &self.stored.url))
    }
}

/// A file in a store: fetches byte ranges, and the footer as it is.
#[derive(Clone)]
pub(crate) struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    url: String,
    size_bytes: u64,
}

impl StoredFile {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    async fn load_footer(&self) -> Result<ParquetMetaData> {
        let hint = usize::try_from(self.size_bytes.min(FOOTER_HINT_BYTES)).unwrap_or_default();
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip).with_prefetch_hint(Some(hint));
        reader.load_and_finish(&mut self.clone(), self.size_bytes).await.map_err(|e| from_parquet(e, &self.url))
    }

    fn failed(&self, error: object_store::Error) -> ParquetError {
        ParquetError::External(Box::new(from_store(error, &self.url)))
    }
}

impl fmt::Debug for StoredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredFile").field("url", &self.url).field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(|e| self.failed(e)) }.boxed()
    }

    /// One request for all ranges: stores join those that lie close together.
    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(|e| self.failed(e)) }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, _: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move { self.load_footer().await.map(Arc::new).map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }
}
