//! One Parquet file while it is written.

use arrow::array::RecordBatch;
use object_store::buffered::BufWriter;
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use waterline_core::change::logged_keys;
use waterline_core::error::{Error, Result};
use waterline_core::format::{NewDataFile, TableState};
use waterline_core::value::Value;
use waterline_env::Env;

use super::statistics;

pub(super) const ROW_GROUP_ROWS: usize = 1 << 18;
/// Encoded: what is kept in memory until a row group is whole. Wide rows make smaller groups.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// Bounds of longer text are cut, upwards for the upper one.
const STATISTICS_BYTES: usize = 64;
/// A Bloom filter of this takes 1.2 bytes for each distinct value.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

pub(super) struct OpenFile {
    path: String,
    partition: Vec<Option<Value>>,
    state: TableState,
    writer: AsyncArrowWriter<BufWriter>,
}

impl OpenFile {
    pub(super) fn create(env: &Env, state: &TableState, partition: Vec<Option<Value>>, row_group_rows: usize) -> Result<Self> {
        let path = format!("{}/data/{}.parquet", state.location, env.ids.uuid());
        let (store, at) = env.stores.resolve(&path)?;
        let writer = AsyncArrowWriter::try_new(BufWriter::new(store, at), state.schema.clone(), Some(properties(state, row_group_rows)))
            .map_err(|e| failed(&path, e))?;
        Ok(Self { path, partition, state: state.clone(), writer })
    }

    pub(super) async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows).await.map_err(|e| failed(&self.path, e))
    }

    /// Written and still buffered bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    pub(super) async fn close(mut self) -> Result<NewDataFile> {
        let footer = self.writer.finish().await.map_err(|e| failed(&self.path, e))?;
        Ok(NewDataFile {
            size_bytes: self.writer.bytes_written() as u64,
            record_count: footer.file_metadata().num_rows().cast_unsigned(),
            partition: self.partition,
            statistics: statistics::of_file(&footer, &self.state.schema),
            split_offsets: footer
                .row_groups()
                .iter()
                .filter_map(|group| group.columns().first().map(|c| c.byte_range().0.cast_signed()))
                .collect(),
            path: self.path,
        })
    }
}

fn properties(state: &TableState, row_group_rows: usize) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_created_by(concat!("waterline ", env!("CARGO_PKG_VERSION")).into());
    for field in state.schema.fields().iter().filter(|field| has_bloom_filter(state, field.name())) {
        properties = properties.set_column_bloom_filter_fpp(ColumnPath::new(vec![field.name().clone()]), BLOOM_FALSE_POSITIVES);
    }
    properties.build()
}

/// As the table's properties say. Else the key of a changelog has one: the history of a few keys is looked for in all of its
/// files, where each has keys of every kind.
fn has_bloom_filter(state: &TableState, column: &str) -> bool {
    match state.properties.get(&format!("write.parquet.bloom-filter-enabled.column.{column}")) {
        Some(enabled) => enabled == "true",
        None => logged_keys(&state.schema).is_some_and(|keys| keys.iter().any(|key| key.name() == column)),
    }
}

fn failed(path: &str, error: parquet::errors::ParquetError) -> Error {
    Error::unavailable("cannot write a data file").with("file", path).caused_by(error)
}
