//! The rows of a dump as a table of a query, for a comparison.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt, stream};
use waterline_core::conform::conform_batch;
use waterline_core::error::Result;
use waterline_core::format::{NewDataFile, TableState};

use crate::parquet_io::{ParquetFiles, Rows, TableColumns};
use crate::read::{external, from_datafusion};

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 13;

/// All rows of data files that were written for the table and are not part of it yet.
pub(super) fn written(files: &ParquetFiles, added: &[NewDataFile], table: &TableState) -> Result<Arc<dyn TableProvider>> {
    let columns = Arc::new(TableColumns::of(table)?);
    let schema = columns.plain_schema();
    let part = |file: &NewDataFile| -> Arc<dyn PartitionStream> {
        Arc::new(WrittenFile { file: file.clone(), files: files.clone(), columns: columns.clone(), schema: schema.clone() })
    };
    let table = StreamingTable::try_new(schema.clone(), added.iter().map(part).collect()).map_err(from_datafusion)?;
    Ok(Arc::new(table))
}

struct WrittenFile {
    file: NewDataFile,
    files: ParquetFiles,
    columns: Arc<TableColumns>,
    schema: SchemaRef,
}

impl fmt::Debug for WrittenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrittenFile").field("path", &self.file.path).finish_non_exhaustive()
    }
}

impl PartitionStream for WrittenFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (file, files, columns, schema) = (self.file.clone(), self.files.clone(), self.columns.clone(), self.schema.clone());
        let rows = async move {
            let opened = files.open(&file.path, file.size_bytes).await?;
            opened.read(&columns, Rows::All, BATCH_ROWS).await
        };
        let rows = stream::once(rows).try_flatten();
        let conformed = rows.map(move |batch| batch.and_then(|batch| conform_batch(&batch, &schema)).map_err(external));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), conformed))
    }
}
