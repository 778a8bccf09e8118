//! Dumps as batches of rows: what `load` writes into a table, and `diff` compares with one.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use futures::stream::{self, BoxStream, StreamExt};
use waterline_core::dump::{
    CsvDecoder, DumpDecoder, DumpFormat, JsonLinesDecoder, cast_to_table, infer_csv_schema, infer_json_schema, schema_from_arrow,
};
use waterline_core::error::{Error, Result};
use waterline_core::schema::TableSchema;

use crate::bytes_in::{InputBytes, InputFile};
use crate::diff::comparable;
use crate::ingest::list_files;
use crate::lake::Lake;
use crate::read::{external, from_datafusion};

/// Bytes at the start of a text file by which an undeclared schema is told.
const SAMPLE_BYTES: usize = 1 << 20;
const PARQUET_BATCH_ROWS: usize = 1 << 14;

/// The rows of one file in the columns of `schema`, batch by batch.
pub(crate) async fn batches(
    lake: &Lake,
    schema: &TableSchema,
    format: &DumpFormat,
    file: &InputFile,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let url = file.url.clone();
    let rows = match format {
        DumpFormat::Parquet => {
            let (opened, schema) = (lake.files.open(&file.url, file.size_bytes).await?, schema.clone());
            let stored = opened.read_as_stored(PARQUET_BATCH_ROWS).await?;
            stored.map(move |batch| cast_to_table(&batch?, &schema)).boxed()
        }
        DumpFormat::Csv(options) => text_batches(lake, Box::new(CsvDecoder::new(schema, options)?), file)?,
        DumpFormat::JsonLines(options) => text_batches(lake, Box::new(JsonLinesDecoder::new(schema, options)?), file)?,
    };
    Ok(rows.map(move |batch| batch.map_err(|e| e.with("file", &url))).boxed())
}

fn text_batches(lake: &Lake, decoder: Box<dyn DumpDecoder>, file: &InputFile) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let rows = TextRows { input: InputBytes::open(&lake.env, file)?, decoder: Some(decoder), ready: VecDeque::new() };
    Ok(stream::try_unfold(rows, |mut rows| async move { Ok(rows.next().await?.map(|batch| (batch, rows))) }).boxed())
}

struct TextRows {
    input: InputBytes,
    /// Absent after the end of the file.
    decoder: Option<Box<dyn DumpDecoder>>,
    ready: VecDeque<RecordBatch>,
}

impl TextRows {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            match self.input.next_chunk().await? {
                Some(chunk) => self.ready.extend(decoder.decode(&chunk)?),
                None => {
                    self.ready.extend(decoder.finish()?);
                    self.decoder = None;
                }
            }
        }
    }
}

/// The columns that the files show by themselves: all text in CSV.
pub(crate) async fn shown_fields(lake: &Lake, format: &DumpFormat, files: &[InputFile]) -> Result<Vec<FieldRef>> {
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

/// Files of a dump as a table of queries. Its columns are those of the files.
#[derive(Debug)]
pub struct DumpTable {
    lake: Lake,
    files: Vec<InputFile>,
    format: DumpFormat,
    schema: TableSchema,
    arrow: SchemaRef,
}

impl DumpTable {
    /// Opens the files of a path or URL. A column has the type that it has in `known`, where files do not say theirs.
    pub async fn open(lake: &Lake, path: &str, format: DumpFormat, known: Option<&TableSchema>) -> Result<Arc<dyn TableProvider>> {
        let files: Vec<InputFile> = list_files(&lake.env, path).await?.into_iter().map(|landing| landing.file).collect();
        let fields = typed(&format, shown(lake, &format, &files, known).await?, known);
        let schema = TableSchema::new(fields, Vec::new())?;
        let arrow = schema.to_arrow();
        let table = Arc::new(Self { lake: lake.clone(), files, format, schema, arrow: arrow.clone() });
        Ok(Arc::new(StreamingTable::try_new(arrow, vec![table]).map_err(from_datafusion)?))
    }
}

async fn shown(lake: &Lake, format: &DumpFormat, files: &[InputFile], known: Option<&TableSchema>) -> Result<Vec<FieldRef>> {
    match (format, known) {
        (DumpFormat::Csv(options), Some(known)) if options.header == waterline_core::dump::Header::Absent => Ok(known.fields().to_vec()),
        // No rows have no members.
        (DumpFormat::JsonLines(_), Some(known)) if files.iter().all(|file| file.size_bytes == 0) => Ok(known.fields().to_vec()),
        // A member that is null everywhere may be left out of every line.
        (DumpFormat::JsonLines(_), Some(known)) => {
            let mut fields = known.fields().to_vec();
            fields.extend(shown_fields(lake, format, files).await?.into_iter().filter(|field| known.index_of(field.name()).is_none()));
            Ok(fields)
        }
        _ => shown_fields(lake, format, files).await,
    }
}

/// Text has the known types; Parquet has its own, where these can be compared with the known ones.
fn typed(format: &DumpFormat, shown: Vec<FieldRef>, known: Option<&TableSchema>) -> Vec<FieldRef> {
    let left_out = match format {
        DumpFormat::Csv(options) => options.general.except_columns.as_slice(),
        DumpFormat::JsonLines(options) => options.except_columns.as_slice(),
        DumpFormat::Parquet => &[],
    };
    let known = |name: &str| known.and_then(|known| known.fields().get(known.index_of(name)?));
    let typed = |shown: FieldRef| match (format, known(shown.name())) {
        (DumpFormat::Parquet, Some(known)) if comparable(shown.data_type(), known.data_type()) => shown,
        (_, Some(known)) => Arc::new(known.as_ref().clone().with_nullable(true)),
        (_, None) => shown,
    };
    shown.into_iter().filter(|field| !left_out.contains(field.name())).map(typed).collect()
}

impl PartitionStream for DumpTable {
    fn schema(&self) -> &SchemaRef {
        &self.arrow
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (lake, schema, format) = (self.lake.clone(), self.schema.clone(), self.format.clone());
        let rows = stream::iter(self.files.clone())
            .then(move |file| {
                let (lake, schema, format) = (lake.clone(), schema.clone(), format.clone());
                async move { batches(&lake, &schema, &format, &file).await }
            })
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(self.arrow.clone(), rows.map_err(external)))
    }
}
