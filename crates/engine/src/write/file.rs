//! One Parquet file while it is written.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, RecordBatch, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use object_store::buffered::BufWriter;
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use waterline_core::change::{EVENT_TIME, logged_keys};
use waterline_core::error::{Error, Result};
use waterline_core::format::{AS_INTEGER, NewDataFile, STORED_AS, STORED_NAME, TableState};
use waterline_core::value::Value;
use waterline_env::Env;

use super::dictionary::varied_columns;
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
    /// The table's columns in the types that files hold, by the names that they have there.
    stored: SchemaRef,
    writer: AsyncArrowWriter<BufWriter>,
}

impl OpenFile {
    /// `first` are the rows that will be written first, by which columns are encoded.
    pub(super) fn create(
        env: &Env,
        state: &TableState,
        folder: &str,
        partition: Vec<Option<Value>>,
        row_group_rows: usize,
        first: &RecordBatch,
    ) -> Result<Self> {
        let path = format!("{folder}/{}.parquet", env.ids.uuid());
        let (store, at) = env.stores.resolve(&path)?;
        let stored = stored_schema(&state.schema);
        let properties = properties(state, row_group_rows, &varied_columns(first)?);
        let writer =
            AsyncArrowWriter::try_new(BufWriter::new(store, at), stored.clone(), Some(properties)).map_err(|e| failed(&path, e))?;
        Ok(Self { path, partition, state: state.clone(), stored, writer })
    }

    pub(super) async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let written = match self.stored == self.state.schema {
            true => self.writer.write(rows).await,
            false => self.writer.write(&as_stored(rows, &self.stored)?).await,
        };
        written.map_err(|e| failed(&self.path, e))
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

fn stored_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Fields = schema.fields().iter().map(stored_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn stored_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(stored_field(element)),
        DataType::Struct(members) => DataType::Struct(members.iter().map(stored_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(stored_field(entries), *sorted),
        _ if field.metadata().get(STORED_AS).is_some_and(|stored| stored == AS_INTEGER) => DataType::Int64,
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_name(stored_name(field)).with_data_type(data_type))
}

fn stored_name(field: &Field) -> &str {
    field.metadata().get(STORED_NAME).unwrap_or(field.name())
}

fn as_stored(rows: &RecordBatch, stored: &SchemaRef) -> Result<RecordBatch> {
    let columns = rows.columns().iter().zip(stored.fields());
    let columns = columns.map(|(column, field)| Ok(make_array(retyped(column.to_data(), field.data_type())?)));
    Ok(RecordBatch::try_new(stored.clone(), columns.collect::<Result<_>>()?)?)
}

/// The same values under a type that lies in memory as theirs does.
fn retyped(values: ArrayData, data_type: &DataType) -> Result<ArrayData> {
    let inside: Vec<&FieldRef> = match data_type {
        DataType::Struct(members) => members.iter().collect(),
        DataType::List(part) | DataType::Map(part, _) => vec![part],
        _ => Vec::new(),
    };
    let children = values.child_data().iter().zip(inside).map(|(child, field)| retyped(child.clone(), field.data_type()));
    let children = children.collect::<Result<_>>()?;
    Ok(values.into_builder().data_type(data_type.clone()).child_data(children).build()?)
}

fn properties(state: &TableState, row_group_rows: usize, varied: &[String]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_created_by(concat!("waterline ", env!("CARGO_PKG_VERSION")).into());
    for field in state.schema.fields() {
        let column = ColumnPath::new(vec![stored_name(field).to_owned()]);
        if has_bloom_filter(state, field.name()) {
            properties = properties.set_column_bloom_filter_fpp(column.clone(), BLOOM_FALSE_POSITIVES);
        }
        let is_packed = is_packed(state, field);
        if is_packed || varied.contains(field.name()) {
            properties = properties.set_column_dictionary_enabled(column.clone(), false);
        }
        if is_packed {
            properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    properties.build()
}

/// Whether numbers are stored as packed differences. Keys have few equal values, so that a dictionary does nothing for them, and
/// all of them are read by each merge: unpacking takes a fraction of the time of decompressing.
fn is_packed(state: &TableState, field: &Field) -> bool {
    let is_key = || is_key(state, field.name());
    match field.data_type() {
        DataType::Int32 | DataType::Int64 => is_key(),
        DataType::Timestamp(..) => field.name() == EVENT_TIME || is_key(),
        _ => false,
    }
}

fn is_key(state: &TableState, column: &str) -> bool {
    state.keys.iter().any(|key| key == column) || is_logged_key(state, column)
}

fn is_logged_key(changelog: &TableState, column: &str) -> bool {
    logged_keys(&changelog.schema).is_some_and(|keys| keys.iter().any(|key| key.name() == column))
}

/// As the table's properties say. Else the key of a changelog has one: the history of a few keys is looked for in all of its
/// files, where each has keys of every kind.
fn has_bloom_filter(state: &TableState, column: &str) -> bool {
    match state.properties.get(&format!("write.parquet.bloom-filter-enabled.column.{column}")) {
        Some(enabled) => enabled == "true",
        None => is_logged_key(state, column),
    }
}

fn failed(path: &str, error: parquet::errors::ParquetError) -> Error {
    Error::unavailable("cannot write a data file").with("file", path).caused_by(error)
}
