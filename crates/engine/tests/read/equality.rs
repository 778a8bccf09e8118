//! Equality deletes: rows with the values of a delete file are gone, as far as the delete applies to their file.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Schema};
use parquet::file::properties::WriterProperties;
use waterline_core::format::EqualityDelete;
use waterline_engine::read::all_deleted_rows;

use crate::lake::{Lake, batch, column};

fn rows(ids: Vec<Option<i64>>, names: Vec<Option<&str>>) -> RecordBatch {
    batch(vec![
        (column(1, "id", DataType::Int64), Arc::new(Int64Array::from(ids))),
        (column(2, "name", DataType::Utf8), Arc::new(StringArray::from(names))),
    ])
}

fn empty() -> Lake {
    Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "name", DataType::Utf8)]))
}

async fn four_rows() -> Lake {
    let mut lake = empty();
    lake.add(&rows(vec![Some(1), Some(2), None, Some(4)], vec![Some("a"), Some("b"), Some("c"), None])).await;
    lake
}

const ALL: &str = "select id, name from shop.orders order by id nulls last";

#[tokio::test]
async fn rows_with_the_values_are_deleted() {
    let mut lake = four_rows().await;
    let keys = batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(vec![2, 4, 77])))]);
    lake.delete_equal("deletes.parquet", &keys, &[1]).await;
    assert_eq!(lake.rows(ALL).await, ["1 a", "null c"]);
    assert_eq!(lake.rows("select count(*) from shop.orders").await, ["2"]);
}

#[tokio::test]
async fn null_equals_null_and_nothing_else() {
    let mut lake = four_rows().await;
    let keys = batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(vec![None::<i64>])))]);
    lake.delete_equal("deletes.parquet", &keys, &[1]).await;
    assert_eq!(lake.rows(ALL).await, ["1 a", "2 b", "4 null"]);
}

#[tokio::test]
async fn all_columns_of_a_delete_must_be_equal() {
    let mut lake = four_rows().await;
    let keys = rows(vec![Some(1), Some(2), Some(4)], vec![Some("a"), Some("a"), None]);
    lake.delete_equal("deletes.parquet", &keys, &[2, 1]).await;
    assert_eq!(lake.rows(ALL).await, ["2 b", "null c"]);
}

#[tokio::test]
async fn deletes_by_position_and_by_several_sets_of_columns_add_up() {
    let mut lake = four_rows().await;
    let by_id = batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(vec![1])))]);
    let by_name = batch(vec![(column(2, "name", DataType::Utf8), Arc::new(StringArray::from(vec!["c"])))]);
    lake.delete_equal("id.parquet", &by_id, &[1]).await;
    lake.delete_equal("name.parquet", &by_name, &[2]).await;
    lake.delete(0, [1]);
    assert_eq!(lake.rows(ALL).await, ["4 null"]);
    let deleted = all_deleted_rows(Arc::new(lake.clone()), &lake.env, &lake.state, &lake.files[0]).await.unwrap();
    assert_eq!(deleted.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test]
async fn a_delete_leaves_files_alone_that_it_does_not_apply_to() {
    let mut lake = four_rows().await;
    let keys = batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(vec![1, 2])))]);
    lake.delete_equal("deletes.parquet", &keys, &[1]).await;
    lake.add(&rows(vec![Some(1)], vec![Some("again")])).await;
    assert_eq!(lake.rows(ALL).await, ["1 again", "4 null", "null c"]);
}

#[tokio::test]
async fn promoted_renamed_and_missing_columns_are_compared_by_id() {
    let mut lake = empty();
    let ids = Arc::new(Int32Array::from(vec![1, 2, 3]));
    lake.add(&batch(vec![(column(1, "key", DataType::Int32), ids)])).await;
    let keys = batch(vec![
        (column(2, "n", DataType::Utf8), Arc::new(StringArray::from(vec![None, Some("x")]))),
        (column(1, "i", DataType::Int64), Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    lake.delete_equal("deletes.parquet", &keys, &[1, 2]).await;
    assert_eq!(lake.rows(ALL).await, ["2 null", "3 null"]);
}

#[tokio::test]
async fn a_delete_by_a_column_that_was_dropped_since_still_applies() {
    let mut lake = Lake::new(Schema::new(vec![column(2, "name", DataType::Utf8)]));
    lake.add(&rows(vec![Some(1), Some(2)], vec![Some("a"), Some("b")])).await;
    let keys = batch(vec![(column(1, "id", DataType::Int32), Arc::new(Int32Array::from(vec![1])))]);
    lake.delete_equal("deletes.parquet", &keys, &[1]).await;
    assert_eq!(lake.rows("select name from shop.orders").await, ["b"]);
}

#[tokio::test]
async fn matches_are_found_in_every_batch_and_row_group() {
    let mut lake = empty();
    let ids: Vec<Option<i64>> = (0..20_000).map(Some).collect();
    let names = vec![Some("n"); ids.len()];
    lake.add_with(&rows(ids, names), WriterProperties::builder().set_max_row_group_row_count(Some(6_000)).build()).await;
    let gone = [0, 5_999, 6_000, 8_191, 8_192, 11_999, 12_000, 19_999];
    let keys = batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(gone.to_vec())))]);
    lake.delete_equal("deletes.parquet", &keys, &[1]).await;
    lake.delete(0, [100]);
    let sum: i64 = (0..20_000).sum::<i64>() - gone.iter().sum::<i64>() - 100;
    assert_eq!(lake.rows("select count(*), sum(id) from shop.orders").await, [format!("{} {sum}", 20_000 - 9)]);
}

#[tokio::test]
async fn nan_equals_nan() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "x", DataType::Float64)]));
    let floats = |values: Vec<f64>| batch(vec![(column(1, "x", DataType::Float64), Arc::new(Float64Array::from(values)))]);
    lake.add(&floats(vec![1.0, f64::NAN, 2.0])).await;
    lake.delete_equal("deletes.parquet", &floats(vec![f64::NAN, 2.0]), &[1]).await;
    assert_eq!(lake.rows("select x from shop.orders").await, ["1.0"]);
}

#[tokio::test]
async fn a_delete_by_columns_that_no_one_has_is_an_error() {
    let mut lake = four_rows().await;
    let keys = batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(vec![1])))]);
    let (path, size_bytes) = lake.put("deletes.parquet", &keys, WriterProperties::builder().build()).await;
    lake.files[0].equality_deletes.push(EqualityDelete { path, size_bytes, field_ids: vec![9] });
    let error = all_deleted_rows(Arc::new(lake.clone()), &lake.env, &lake.state, &lake.files[0]).await.unwrap_err();
    assert_eq!(error.kind(), waterline_core::error::ErrorKind::Unsupported);
}
