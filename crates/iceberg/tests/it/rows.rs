//! A small table's rows, written to and read from Parquet the way the engine does it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use waterline_core::format::{Bounds, ColumnStatistics, DataFile, FIELD_ID, KeepAll, NewDataFile, TableFormat, TableState};
use waterline_core::value::Value;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub id: i64,
    pub name: Option<String>,
    pub qty: i32,
    /// Unscaled, two digits after the point.
    pub price: i128,
}

pub fn row(id: i64) -> Row {
    Row { id, name: (id % 7 != 0).then(|| format!("the name of number {id:06}")), qty: id as i32 * 3, price: i128::from(id) * 125 - 3000 }
}

pub fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Row> {
    ids.into_iter().map(row).collect()
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("qty", DataType::Int32, true),
        Field::new("price", DataType::Decimal128(10, 2), true),
    ]))
}

pub fn field_id(state: &TableState, name: &str) -> i32 {
    state.schema.field_with_name(name).unwrap().metadata()[FIELD_ID].parse().unwrap()
}

pub fn local(url: &str) -> PathBuf {
    PathBuf::from(url.strip_prefix("file://").unwrap())
}

/// Writes a data file of the state's table; `name` is its path below the data folder.
pub fn write(state: &TableState, name: &str, rows: &[Row], partition: Vec<Option<Value>>) -> NewDataFile {
    let path = format!("{}/data/{name}.parquet", state.location);
    let schema = Arc::new(state.schema.project(&[0, 1, 2, 3]).unwrap());
    let columns: [ArrayRef; 4] = [
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.name.clone()))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.qty))),
        Arc::new(Decimal128Array::from_iter_values(rows.iter().map(|row| row.price)).with_precision_and_scale(10, 2).unwrap()),
    ];
    let columns = columns.iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()).unwrap()).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    std::fs::create_dir_all(local(&path).parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(local(&path)).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    let footer = writer.close().unwrap();
    NewDataFile {
        size_bytes: std::fs::metadata(local(&path)).unwrap().len(),
        path,
        record_count: rows.len() as u64,
        partition,
        statistics: statistics(state, rows),
        split_offsets: footer.row_groups().iter().map(|group| group.columns()[0].byte_range().0 as i64).collect(),
    }
}

fn statistics(state: &TableState, rows: &[Row]) -> BTreeMap<i32, ColumnStatistics> {
    let bounds = |values: Vec<Value>| {
        let least = |a: Value, b: Value| if b < a { b } else { a };
        let greatest = |a: Value, b: Value| if b > a { b } else { a };
        Bounds { lower: values.iter().cloned().reduce(least), upper: values.into_iter().reduce(greatest) }
    };
    let columns: [(&str, Vec<Value>); 4] = [
        ("id", rows.iter().map(|row| Value::Int(row.id)).collect()),
        ("name", rows.iter().filter_map(|row| row.name.clone().map(Value::Text)).collect()),
        ("qty", rows.iter().map(|row| Value::Int(row.qty.into())).collect()),
        ("price", rows.iter().map(|row| Value::Decimal(row.price)).collect()),
    ];
    let statistics = columns.into_iter().map(|(name, values)| {
        let null_count = Some((rows.len() - values.len()) as u64);
        (field_id(state, name), ColumnStatistics { size_bytes: 100, value_count: rows.len() as u64, null_count, bounds: bounds(values) })
    });
    statistics.collect()
}

/// The rows of a state, sorted.
pub async fn read(table: &dyn TableFormat, state: &TableState) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in table.data_files(state, &KeepAll).await.unwrap() {
        assert!(file.equality_deletes.is_empty());
        rows.extend(read_file(table, &file).await);
    }
    rows.sort();
    rows
}

pub async fn read_file(table: &dyn TableFormat, file: &DataFile) -> Vec<Row> {
    let deleted = table.deleted_rows(file).await.unwrap();
    let all = read_parquet(&file.path);
    assert_eq!(all.len() as u64, file.record_count);
    all.into_iter().enumerate().filter(|(position, _)| !deleted.contains(*position as u64)).map(|(_, row)| row).collect()
}

fn read_parquet(url: &str) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(local(url)).unwrap()).unwrap().build().unwrap();
    reader.flat_map(|batch| rows_of(&batch.unwrap())).collect()
}

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let (ids, names) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string::<i32>());
    let qtys = cast(batch.column(2), &DataType::Int32).unwrap();
    let (qtys, prices) = (qtys.as_primitive::<Int32Type>(), batch.column(3).as_primitive::<Decimal128Type>());
    let row = |i: usize| Row {
        id: ids.value(i),
        name: names.is_valid(i).then(|| names.value(i).to_owned()),
        qty: qtys.value(i),
        price: prices.value(i),
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The file that holds a row, and the row's position in it.
pub async fn position_of(table: &dyn TableFormat, state: &TableState, id: i64) -> (String, u32) {
    for file in table.data_files(state, &KeepAll).await.unwrap() {
        let deleted = table.deleted_rows(&file).await.unwrap();
        let found = read_parquet(&file.path).iter().enumerate().position(|(at, row)| row.id == id && !deleted.contains(at as u64));
        if let Some(position) = found {
            return (file.path, position as u32);
        }
    }
    panic!("no live row {id}");
}
