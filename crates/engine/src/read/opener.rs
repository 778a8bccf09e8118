//! How DataFusion's Parquet source gets at files: through the stores of the environment, and as the table sees them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use waterline_core::error::Error;

use super::error::external;
use crate::parquet_io::{ParquetFiles, StoredFile, TableColumns};

/// URL of a data file, as an extension of DataFusion's file.
#[derive(Debug)]
pub(super) struct DataFileUrl(pub(super) String);

#[derive(Debug)]
pub(super) struct DataFileOpener {
    pub(super) files: ParquetFiles,
    pub(super) columns: Arc<TableColumns>,
}

impl ParquetFileReaderFactory for DataFileOpener {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let DataFileUrl(url) = file.extension().ok_or_else(|| external(Error::internal("a file of the scan has no URL")))?;
        let stored = self.files.stored(url, file.object_meta.size).map_err(external)?;
        let metrics = ParquetFileMetrics::new(partition, url, metrics);
        Ok(Box::new(DataFileReader { stored, files: self.files.clone(), columns: self.columns.clone(), metrics }))
    }
}

struct DataFileReader {
    stored: StoredFile,
    files: ParquetFiles,
    columns: Arc<TableColumns>,
    metrics: ParquetFileMetrics,
}

impl DataFileReader {
    fn count(&self, ranges: &[Range<u64>]) {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.metrics.bytes_scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

impl AsyncFileReader for DataFileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.count(std::slice::from_ref(&range));
        self.stored.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.count(&ranges);
        self.stored.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(&'a mut self, _: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let footer = self.files.footer(&self.stored).await;
            let view = footer.and_then(|footer| self.columns.view_of(&footer, self.stored.url()));
            view.map(Arc::new).map_err(|e| ParquetError::External(Box::new(e)))
        }
        .boxed()
    }
}
