//! Position delete files in Parquet (Iceberg spec, "Position Delete Files").

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::statistics::Statistics;
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};
use waterline_core::format::FIELD_ID;

use crate::location;

/// Reserved ids of the columns (Iceberg spec, "Reserved Field IDs").
pub(crate) const FILE_PATH_ID: i32 = 2_147_483_546;
pub(crate) const POSITION_ID: i32 = 2_147_483_545;
const FILE_PATH: &str = "file_path";
const POSITION: &str = "pos";

const BATCH_ROWS: usize = 8192;

/// Deleted positions by data file, as [`location::key`].
pub(crate) type Positions = HashMap<String, RoaringTreemap>;

/// Reads a whole position delete file.
pub(crate) fn read(file: &str, bytes: Bytes) -> Result<Positions> {
    let corrupt = |e: ParquetError| Error::corrupt("a position delete file cannot be read").with("file", file).caused_by(e);
    // The types as Parquet has them: a writer's Arrow types may be dictionaries or views.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(corrupt)?.with_batch_size(BATCH_ROWS);
    let at = |id, name| column(builder.schema(), id, name).map_err(|e| e.with("file", file));
    let (path_at, position_at) = (at(FILE_PATH_ID, FILE_PATH)?, at(POSITION_ID, POSITION)?);
    let only = only_path(builder.metadata(), path_at);
    if only.is_some() {
        let positions = ProjectionMask::roots(builder.parquet_schema(), [position_at]);
        builder = builder.with_projection(positions);
    }
    let mut positions = Positions::new();
    for batch in builder.build().map_err(corrupt)? {
        let batch = batch.map_err(|e| Error::corrupt("a position delete file cannot be read").with("file", file).caused_by(e))?;
        let collected = match &only {
            Some(path) => add(batch.column(0), 0..batch.num_rows(), positions.entry(location::key(path).into_owned()).or_default()),
            None => collect(batch.column(path_at), batch.column(position_at), &mut positions),
        };
        collected.map_err(|e| e.with("file", file))?;
    }
    Ok(positions)
}

/// The data file that all positions are of, when the file's statistics say so.
fn only_path(metadata: &ParquetMetaData, path_at: usize) -> Option<String> {
    let mut only: Option<&[u8]> = None;
    for group in metadata.row_groups() {
        let Statistics::ByteArray(paths) = group.columns().get(path_at)?.statistics()? else { return None };
        let (lower, upper) = (paths.min_bytes_opt()?, paths.max_bytes_opt()?);
        let is_exact = paths.min_is_exact() && paths.max_is_exact() && paths.null_count_opt() == Some(0);
        if !is_exact || lower != upper || only.is_some_and(|only| only != lower) {
            return None;
        }
        only = Some(lower);
    }
    String::from_utf8(only?.to_vec()).ok()
}

fn collect(paths: &ArrayRef, rows: &ArrayRef, positions: &mut Positions) -> Result<()> {
    let paths = paths.as_string_opt::<i32>().ok_or_else(|| wrong_type(FILE_PATH, paths))?;
    let mut start = 0;
    while start < paths.len() {
        let path = paths.value(start);
        let end = (start..paths.len()).find(|&row| paths.value(row) != path).unwrap_or(paths.len());
        if (start..end).any(|row| paths.is_null(row)) {
            return Err(Error::corrupt("a position delete names no file"));
        }
        add(rows, start..end, positions.entry(location::key(path).into_owned()).or_default())?;
        start = end;
    }
    Ok(())
}

fn add(rows: &ArrayRef, range: Range<usize>, positions: &mut RoaringTreemap) -> Result<()> {
    let rows = rows.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type(POSITION, rows))?;
    for row in range {
        let position = u64::try_from(rows.value(row)).ok().filter(|_| rows.is_valid(row));
        positions.insert(position.ok_or_else(|| Error::corrupt("a position delete is null or negative"))?);
    }
    Ok(())
}

/// A column by its field id, or by its name where the file has no ids.
fn column(schema: &Schema, id: i32, name: &str) -> Result<usize> {
    let by_id = schema.fields().iter().position(|field| field.metadata().get(FIELD_ID).is_some_and(|found| *found == id.to_string()));
    let at = by_id.or_else(|| schema.index_of(name).ok());
    at.ok_or_else(|| Error::corrupt("a position delete file lacks a column").with("field", name))
}

fn wrong_type(name: &str, array: &ArrayRef) -> Error {
    Error::corrupt("a position delete file has a column of another type").with("field", name).with("type", array.data_type())
}

/// A position delete file for rows of one data file. The statistics of the path are kept whole: readers tell by them
/// that the file is of one data file.
pub(crate) fn write(data_path: &str, positions: &RoaringTreemap) -> Result<Bytes> {
    write_parquet(data_path, positions).map_err(|e| Error::internal("a position delete file cannot be written").caused_by(e))
}

fn write_parquet(data_path: &str, positions: &RoaringTreemap) -> Result<Bytes, ParquetError> {
    let field = |name: &str, kind, id: i32| Field::new(name, kind, false).with_metadata(HashMap::from([(FIELD_ID.into(), id.to_string())]));
    let schema = Arc::new(Schema::new(vec![field(FILE_PATH, DataType::Utf8, FILE_PATH_ID), field(POSITION, DataType::Int64, POSITION_ID)]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_truncate_length(None)
        .set_column_index_truncate_length(None)
        .set_column_dictionary_enabled(POSITION.into(), false)
        .set_column_encoding(POSITION.into(), Encoding::DELTA_BINARY_PACKED)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    let mut rows = positions.iter().map(|position| position as i64).peekable();
    while rows.peek().is_some() {
        let rows: Int64Array = rows.by_ref().take(BATCH_ROWS).collect();
        let paths = StringArray::from_iter_values(std::iter::repeat_n(data_path, rows.len()));
        writer.write(&RecordBatch::try_new(schema.clone(), vec![Arc::new(paths), Arc::new(rows)])?)?;
    }
    Ok(writer.into_inner()?.into())
}

#[cfg(test)]
mod tests;
