//! Data files without the engine: a plain Parquet writer that reports exact statistics, and a reader that shows the rows
//! of a state with its deletes applied. Columns are found by field id, as every reader of an open format finds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::Field;
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, ColumnStatistics, DataFile, DeleteState, FIELD_ID, KeepAll, NewDataFile, TableFormat, TableState};
use waterline_core::value::Value;
use waterline_env::Env;

use crate::cell::{Cell, Row};
use crate::columns::{to_batch, to_cell, to_rows};

/// Writes rows into one file in the folder of the table, under the schema of the state.
pub async fn write_file(env: &Env, state: &TableState, rows: &[Row], partition: Vec<Option<Value>>) -> Result<NewDataFile> {
    let batch = to_batch(&state.schema, rows);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).map_err(parquet_failed)?;
    writer.write(&batch).map_err(parquet_failed)?;
    let metadata = writer.close().map_err(parquet_failed)?;
    let file = NewDataFile {
        path: format!("{}/data/{}.parquet", state.location, env.ids.uuid()),
        size_bytes: bytes.len() as u64,
        record_count: rows.len() as u64,
        partition,
        statistics: statistics(&batch),
        split_offsets: metadata.row_groups().iter().filter_map(|group| group.file_offset()).collect(),
    };
    let (store, path) = env.stores.resolve(&file.path)?;
    store.put(&path, bytes.into()).await.map_err(store_failed)?;
    Ok(file)
}

/// All rows of a state, sorted; deleted ones are left out.
pub async fn read_rows(env: &Env, table: &dyn TableFormat, state: &TableState) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for file in table.data_files(state, &KeepAll).await? {
        rows.extend(read_file(env, table, state, &file).await?);
    }
    rows.sort();
    Ok(rows)
}

/// The rows of one file that are not deleted, in its order.
pub async fn read_file(env: &Env, table: &dyn TableFormat, state: &TableState, file: &DataFile) -> Result<Vec<Row>> {
    if !file.equality_deletes.is_empty() {
        return Err(Error::unsupported("this reader knows no equality deletes").with("file", &file.path));
    }
    let deleted = match file.deletes {
        DeleteState::None => Default::default(),
        DeleteState::Some => table.deleted_rows(file).await?,
    };
    let rows = physical_rows(env, state, &file.path).await?;
    if rows.len() as u64 != file.record_count {
        return Err(Error::corrupt("a data file holds another number of rows than its entry says").with("file", &file.path));
    }
    Ok((0u64..).zip(rows).filter(|(at, _)| !deleted.contains(*at)).map(|(_, row)| row).collect())
}

/// All rows of a file, deleted ones too, under the schema of the state.
pub async fn physical_rows(env: &Env, state: &TableState, url: &str) -> Result<Vec<Row>> {
    let (store, path) = env.stores.resolve(url)?;
    let bytes = store.get(&path).await.map_err(store_failed)?.bytes().await.map_err(store_failed)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(parquet_failed)?.build().map_err(parquet_failed)?;
    let mut rows = Vec::new();
    for batch in reader {
        rows.extend(to_rows(&under_schema(&batch?, state)?));
    }
    Ok(rows)
}

/// The columns of `state`, found by field id; those that the file lacks are null.
fn under_schema(batch: &RecordBatch, state: &TableState) -> Result<RecordBatch> {
    let column = |field: &Field| -> Result<ArrayRef> {
        let id = field.metadata().get(FIELD_ID);
        match batch.schema().fields().iter().position(|own| own.metadata().get(FIELD_ID) == id) {
            Some(at) if batch.column(at).data_type() == field.data_type() => Ok(batch.column(at).clone()),
            Some(at) => Ok(cast(batch.column(at), field.data_type())?),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    };
    let columns = state.schema.fields().iter().map(|field| column(field)).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = arrow::datatypes::Schema::new(
        state.schema.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect::<Vec<_>>(),
    );
    Ok(RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?)
}

/// By field id, for the columns that are not nested.
fn statistics(batch: &RecordBatch) -> BTreeMap<i32, ColumnStatistics> {
    let schema = batch.schema();
    let flat = schema.fields().iter().zip(batch.columns()).filter(|(field, _)| !field.data_type().is_nested());
    flat.filter_map(|(field, array)| Some((field.metadata().get(FIELD_ID)?.parse().ok()?, column_statistics(array)))).collect()
}

fn column_statistics(array: &dyn Array) -> ColumnStatistics {
    ColumnStatistics {
        size_bytes: array.get_array_memory_size() as u64,
        value_count: array.len() as u64,
        null_count: Some(array.null_count() as u64),
        bounds: bounds(array),
    }
}

/// The least and the greatest value; NaN is neither, and of the zeros the negative one is less.
fn bounds(array: &dyn Array) -> Bounds {
    let values = (0..array.len()).filter_map(|at| to_value(&to_cell(array, at)?));
    let mut values: Vec<Value> = values.filter(|value| !matches!(value, Value::Float(float) if float.is_nan())).collect();
    values.sort_by(|a, b| match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        _ => a.partial_cmp(b).expect("values of one column compare"),
    });
    Bounds { lower: values.first().cloned(), upper: values.last().cloned() }
}

/// A cell as a bound. `None` for nested ones.
pub fn to_value(cell: &Cell) -> Option<Value> {
    Some(match cell {
        Cell::Bool(value) => Value::Bool(*value),
        Cell::Int(value) => Value::Int(*value),
        Cell::Float(value) => Value::Float(value.get()),
        Cell::Decimal(value) => Value::Decimal(*value),
        Cell::Text(value) => Value::Text(value.clone()),
        Cell::Bytes(value) => Value::Bytes(value.clone()),
        Cell::List(_) | Cell::Struct(_) => return None,
    })
}

fn parquet_failed(error: parquet::errors::ParquetError) -> Error {
    Error::corrupt("a Parquet file cannot be written or read").caused_by(error)
}

fn store_failed(error: object_store::Error) -> Error {
    Error::unavailable("the store failed").caused_by(error)
}
