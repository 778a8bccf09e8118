//! Reading columns of one file, without a query engine.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type, Schema, SchemaRef};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::physical_expr_adapter::{BatchAdapter, BatchAdapterFactory};
use futures::stream::{BoxStream, StreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStream;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask, RowNumber};
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};

use super::columns::TableColumns;
use super::error::{from_chain, from_parquet};
use super::file::{ParquetFile, StoredFile};
use super::selection::{select_except, select_only, select_within};

/// Which rows of a file are read, by their positions in it.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    All,
    Except(&'a RoaringTreemap),
    Only(&'a RoaringTreemap),
    /// Ranges in order, apart from each other.
    Within(&'a [Range<u64>]),
}

/// Rows with their positions in the file.
#[derive(Clone, Debug)]
pub struct PositionedBatch {
    pub batch: RecordBatch,
    pub positions: Int64Array,
}

/// The reader's own column. No column of a file as the table sees it is called so.
const POSITION: &str = "\u{1}position";

impl ParquetFile {
    /// Reads rows as the columns of a table: in their order and types, null where the file has no such column.
    pub async fn read(&self, columns: &TableColumns, rows: Rows<'_>, batch_rows: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let (stream, adapter) = self.start(columns, rows, batch_rows, Vec::new()).await?;
        Ok(stream.map(move |batch| adapter.adapt(&batch.map_err(|e| adapter.failed(e))?)).boxed())
    }

    /// Reads all rows with the file's own columns, as a dump of another tool has them.
    pub async fn read_as_stored(&self, batch_rows: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let url = self.stored.url().to_owned();
        let failed = move |e| from_parquet(e, &url);
        let metadata = ArrowReaderMetadata::try_new(self.footer.clone(), ArrowReaderOptions::new()).map_err(&failed)?;
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self.stored.clone(), metadata).with_batch_size(batch_rows);
        let stream = builder.build().map_err(&failed)?;
        Ok(stream.map(move |batch| batch.map_err(&failed)).boxed())
    }

    /// [`Self::read`], with the position of each row.
    pub async fn read_with_positions(
        &self,
        columns: &TableColumns,
        rows: Rows<'_>,
        batch_rows: usize,
    ) -> Result<BoxStream<'static, Result<PositionedBatch>>> {
        let position = Field::new(POSITION, DataType::Int64, false).with_extension_type(RowNumber);
        let (stream, adapter) = self.start(columns, rows, batch_rows, vec![Arc::new(position)]).await?;
        Ok(stream.map(move |batch| adapter.adapt_positioned(&batch.map_err(|e| adapter.failed(e))?)).boxed())
    }

    async fn start(
        &self,
        columns: &TableColumns,
        rows: Rows<'_>,
        batch_rows: usize,
        virtual_columns: Vec<FieldRef>,
    ) -> Result<(ParquetRecordBatchStream<StoredFile>, Adapter)> {
        let stored_columns = self.stored_columns(columns);
        // Few of many rows: the page index says which pages hold them.
        let view = match rows {
            Rows::Only(_) => stored_columns.view_of(&self.footer_with_page_index().await?, self.stored.url())?,
            Rows::All | Rows::Except(_) | Rows::Within(_) => stored_columns.view_of(&self.footer, self.stored.url())?,
        };
        let failed = |e| from_parquet(e, self.stored.url());
        let options = ArrowReaderOptions::new().with_virtual_columns(virtual_columns).map_err(failed)?;
        let metadata = ArrowReaderMetadata::try_new(Arc::new(view), options).map_err(failed)?;
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self.stored.clone(), metadata);
        let mask = mask(builder.parquet_schema(), stored_columns.schema());
        builder = builder.with_projection(mask).with_batch_size(batch_rows);
        builder = match rows {
            Rows::All => builder,
            Rows::Except(skipped) => builder.with_row_selection(select_except(skipped, self.row_count())),
            Rows::Within(ranges) => builder.with_row_selection(select_within(ranges, self.row_count())),
            Rows::Only(chosen) => builder.with_row_selection(select_only(chosen, self.row_count())),
        };
        let stream = builder.build().map_err(failed)?;
        let adapter = Adapter::new(self, columns.schema(), stored_columns.schema(), stream.schema())?;
        Ok((stream, adapter))
    }

    /// The columns that are read from the file, and not the same in all of its rows.
    pub(super) fn stored_columns(&self, columns: &TableColumns) -> TableColumns {
        let is_constant = |field: &FieldRef| self.constants.iter().any(|(name, _)| name == field.name());
        columns.with_fields(columns.schema().fields().iter().filter(|field| !is_constant(field)).cloned().collect::<Fields>())
    }
}

/// The top-level columns of the file that the schema names.
fn mask(file: &SchemaDescriptor, schema: &Schema) -> ProjectionMask {
    let roots = file.root_schema().get_fields().iter().enumerate();
    ProjectionMask::roots(file, roots.filter(|(_, column)| schema.index_of(column.name()).is_ok()).map(|(at, _)| at))
}

/// Makes the table's columns from those of a file.
#[derive(Debug)]
struct Adapter {
    url: String,
    schema: SchemaRef,
    stored: BatchAdapter,
    /// By column of the schema; `None` for those that come from the file.
    constants: Vec<Option<ScalarValue>>,
}

impl Adapter {
    fn new(file: &ParquetFile, schema: &SchemaRef, stored: &SchemaRef, decoded: &SchemaRef) -> Result<Self> {
        let url = file.stored.url().to_owned();
        let stored = BatchAdapterFactory::new(stored.clone()).make_adapter(decoded).map_err(|e| failed(&url, e))?;
        let constant = |field: &FieldRef| file.constants.iter().find(|(name, _)| name == field.name()).map(|(_, value)| value.clone());
        let constants = schema.fields().iter().map(constant).collect();
        Ok(Self { url, schema: schema.clone(), stored, constants })
    }

    fn adapt(&self, decoded: &RecordBatch) -> Result<RecordBatch> {
        let rows = decoded.num_rows();
        let stored = self.stored.adapt_batch(decoded).map_err(|e| failed(&self.url, e))?;
        let mut from_file = stored.columns().iter();
        let mut columns = Vec::with_capacity(self.constants.len());
        for constant in &self.constants {
            match constant {
                Some(value) => columns.push(value.to_array_of_size(rows).map_err(|e| failed(&self.url, e))?),
                None => columns.extend(from_file.next().cloned()),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|e| Error::corrupt("a data file does not hold what the table's schema says").with("file", &self.url).caused_by(e))
    }

    fn adapt_positioned(&self, decoded: &RecordBatch) -> Result<PositionedBatch> {
        let positions = decoded.column_by_name(POSITION).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let positions = positions.ok_or_else(|| Error::internal("the Parquet reader gave no row positions"))?.clone();
        Ok(PositionedBatch { batch: self.adapt(decoded)?, positions })
    }

    fn failed(&self, error: ParquetError) -> Error {
        from_parquet(error, &self.url)
    }
}

fn failed(url: &str, error: DataFusionError) -> Error {
    from_chain(&error).unwrap_or_else(|| Error::corrupt("a data file does not fit the table's schema").with("file", url).caused_by(error))
}
