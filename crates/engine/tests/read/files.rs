//! The plain reader of single files, which merges use.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Int32Type, Int64Type, Schema};
use futures::TryStreamExt;
use parquet::file::properties::WriterProperties;
use roaring::RoaringTreemap;
use waterline_core::error::ErrorKind;
use waterline_core::format::FileSummary;
use waterline_core::value::Value;
use waterline_engine::parquet_io::{ParquetFile, ParquetFiles, Rows, TableColumns};

use crate::lake::{Lake, batch, column};

/// A table of id, name and region; its file has ids 0..rows in row groups of 100 and another order, and no region.
async fn lake_of(rows: i32) -> Lake {
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "id", DataType::Int64),
        column(2, "name", DataType::Utf8),
        column(3, "region", DataType::Utf8),
    ]));
    let stored = batch(vec![
        (column(2, "n", DataType::Utf8), Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("n{n}"))))),
        (column(1, "i", DataType::Int32), Arc::new(Int32Array::from_iter_values(0..rows))),
    ]);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .build();
    let file = lake.add_with(&stored, properties).await;
    file.summary = FileSummary { partition: vec![("region".parse().unwrap(), Some(Value::Text("eu".into())))], ..Default::default() };
    lake
}

async fn open(lake: &Lake) -> ParquetFile {
    ParquetFiles::new(&lake.env).open_data_file(&lake.state, &lake.files[0]).await.unwrap()
}

/// Ids and positions that a read gives.
async fn read(lake: &Lake, rows: Rows<'_>, batch_rows: usize) -> Vec<(i64, i64)> {
    let columns = TableColumns::of(&lake.state).unwrap();
    let batches: Vec<_> = open(lake).await.read_with_positions(&columns, rows, batch_rows).await.unwrap().try_collect().await.unwrap();
    let mut found = Vec::new();
    for rows in batches {
        assert!(rows.batch.num_rows() <= batch_rows);
        let ids = rows.batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        found.extend(ids.into_iter().zip(rows.positions.values().iter().copied()));
    }
    found
}

fn positions(positions: impl IntoIterator<Item = u64>) -> RoaringTreemap {
    positions.into_iter().collect()
}

#[tokio::test]
async fn rows_come_as_the_table_has_them_with_the_partitions_values() {
    let lake = lake_of(250).await;
    let columns = TableColumns::of(&lake.state).unwrap();
    let batches: Vec<RecordBatch> = open(&lake).await.read(&columns, Rows::All, 64).await.unwrap().try_collect().await.unwrap();
    let rows = arrow::compute::concat_batches(&lake.state.schema, &batches).unwrap();
    assert_eq!(rows.schema(), lake.state.schema);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values().to_vec(), (0..250).collect::<Vec<i64>>());
    assert!(rows.column(1).as_string::<i32>().iter().enumerate().all(|(n, name)| name == Some(format!("n{n}").as_str())));
    assert!(rows.column(2).as_string::<i32>().iter().all(|region| region == Some("eu")));
}

#[tokio::test]
async fn positions_are_those_in_the_file_whatever_rows_are_read() {
    let lake = lake_of(250).await;
    let all: Vec<(i64, i64)> = (0..250).map(|n| (n, n)).collect();
    let skipped = positions([0, 1, 99, 100, 150, 199, 249, 250, 1 << 33]);
    let chosen = positions([0, 99, 100, 101, 205, 249, 250, 1 << 33]);
    for batch_rows in [1, 7, 100, 1000] {
        assert_eq!(read(&lake, Rows::All, batch_rows).await, all);
        let kept: Vec<_> = all.iter().copied().filter(|(n, _)| !skipped.contains(*n as u64)).collect();
        assert_eq!(read(&lake, Rows::Except(&skipped), batch_rows).await, kept);
        let picked: Vec<_> = all.iter().copied().filter(|(n, _)| chosen.contains(*n as u64)).collect();
        assert_eq!(read(&lake, Rows::Only(&chosen), batch_rows).await, picked);
    }
    // Few of many rows: the reader is told ranges instead of bits.
    let sparse = lake_of(20_000).await;
    let few = positions([0, 1, 99, 100, 8191, 8192, 19_999, 20_000, 1 << 33]);
    let (picked, kept): (Vec<_>, Vec<_>) = (0..20_000).map(|n| (n, n)).partition(|(n, _)| few.contains(*n as u64));
    assert_eq!(read(&sparse, Rows::Only(&few), 8192).await, picked);
    assert_eq!(read(&sparse, Rows::Except(&few), 8192).await, kept);
    let everything = positions(0..250);
    assert_eq!(read(&lake, Rows::Except(&everything), 100).await, []);
    assert_eq!(read(&lake, Rows::Only(&RoaringTreemap::new()), 100).await, []);
    assert_eq!(read(&lake, Rows::Except(&RoaringTreemap::new()), 100).await, all);
    assert_eq!(read(&lake, Rows::Only(&everything), 100).await, all);
}

#[tokio::test]
async fn a_read_of_no_stored_column_still_counts_rows() {
    let lake = lake_of(250).await;
    let columns = TableColumns::of(&lake.state).unwrap().with_fields(vec![lake.state.schema.field(2).clone()]);
    let batches: Vec<RecordBatch> =
        open(&lake).await.read(&columns, Rows::Except(&positions([3])), 100).await.unwrap().try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 249);
    assert!(batches.iter().all(|rows| rows.column(0).as_string::<i32>().iter().all(|region| region == Some("eu"))));
}

#[tokio::test]
async fn a_column_that_must_not_be_null_and_is_absent_is_an_error() {
    let lake = lake_of(10).await;
    let columns = TableColumns::of(&lake.state).unwrap().with_fields(vec![column(9, "must", DataType::Int64).with_nullable(false)]);
    let error = open(&lake).await.read(&columns, Rows::All, 100).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&lake.files[0].path), "{error}");
}

#[tokio::test]
async fn files_that_are_absent_or_no_parquet_are_named() {
    let lake = lake_of(10).await;
    let files = ParquetFiles::new(&lake.env);
    let absent = files.open("memory:///lake/absent.parquet", 100).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert!(absent.to_string().contains("absent.parquet"));
    for content in [vec![], b"PAR1".to_vec(), vec![7; 100], [b"PAR1", vec![255; 100].as_slice(), b"\xff\xff\xff\x7fPAR1"].concat()] {
        let (url, size) = lake.put_bytes("odd.parquet", content).await;
        let odd = files.open(&url, size).await.unwrap_err();
        assert_eq!(odd.kind(), ErrorKind::Corrupt, "{odd}");
        assert!(odd.to_string().contains("odd.parquet"));
    }
}

#[tokio::test]
async fn values_that_writers_stored_as_dictionaries_come_plain() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "name", DataType::Utf8)]));
    let names: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    lake.add(&batch(vec![(column(2, "name", names.data_type().clone()), Arc::new(names))])).await;
    let columns = TableColumns::of(&lake.state).unwrap();
    let batches: Vec<RecordBatch> = open(&lake).await.read(&columns, Rows::All, 100).await.unwrap().try_collect().await.unwrap();
    assert_eq!(batches[0].column(1).as_string::<i32>(), &StringArray::from(vec![Some("a"), None, Some("a")]));
    assert_eq!(batches[0].column(0).null_count(), 3);
}
