//! Position deletes: deleted rows are never seen, and the others always are.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use parquet::file::properties::WriterProperties;

use crate::lake::{Lake, batch, column};

fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    batch(vec![
        (column(1, "id", DataType::Int64), Arc::new(Int64Array::from_iter_values(range.clone()))),
        (column(2, "double", DataType::Int64), Arc::new(Int64Array::from_iter_values(range.map(|n| n * 2)))),
    ])
}

fn empty() -> Lake {
    Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "double", DataType::Int64)]))
}

/// Row groups of `rows` rows, pages of at most 100.
fn row_groups(rows: usize) -> WriterProperties {
    WriterProperties::builder().set_max_row_group_row_count(Some(rows)).set_data_page_row_count_limit(100).set_write_batch_size(100).build()
}

const SUMS: &str = "select count(*), count(id), sum(id), sum(double), min(id), max(id) from shop.orders";

/// The answer to `SUMS` for these ids.
fn sums(ids: impl IntoIterator<Item = i64>) -> Vec<String> {
    let ids: Vec<i64> = ids.into_iter().collect();
    let sum: i64 = ids.iter().sum();
    vec![format!("{0} {0} {sum} {1} {2} {3}", ids.len(), sum * 2, ids.iter().min().unwrap(), ids.iter().max().unwrap())]
}

#[tokio::test]
async fn the_first_and_the_last_row_of_a_file_can_be_deleted() {
    let mut lake = empty();
    lake.add(&numbers(0..10)).await;
    lake.add(&numbers(10..20)).await;
    lake.delete(0, [0]);
    lake.delete(1, [9]);
    assert_eq!(lake.rows(SUMS).await, sums(1..19));
    assert_eq!(lake.rows("select id from shop.orders where id < 2 or id > 17 order by id").await, ["1", "18"]);
}

#[tokio::test]
async fn positions_count_through_all_row_groups_of_a_file() {
    let mut lake = empty();
    lake.add_with(&numbers(0..1000), row_groups(300)).await;
    let deleted = [0, 299, 300, 301, 599, 600, 899, 900, 999];
    lake.delete(0, deleted);
    let live = || (0..1000).filter(|id| !deleted.contains(&(*id as u64)));
    assert_eq!(lake.rows(SUMS).await, sums(live()));
    for (low, high) in [(250, 350), (299, 302), (590, 610), (895, 1000), (0, 1)] {
        let sql = format!("select id from shop.orders where id >= {low} and id < {high} order by id");
        let expected: Vec<String> = live().filter(|id| (low..high).contains(id)).map(|id| id.to_string()).collect();
        assert_eq!(lake.rows(&sql).await, expected, "{low}..{high}");
    }
}

#[tokio::test]
async fn a_whole_row_group_and_a_whole_file_can_be_deleted() {
    let mut lake = empty();
    lake.add_with(&numbers(0..900), row_groups(300)).await;
    lake.add(&numbers(900..1000)).await;
    lake.delete(0, 300..600);
    lake.delete(1, 0..100);
    assert_eq!(lake.rows(SUMS).await, sums((0..300).chain(600..900)));
    lake.delete(0, 0..900);
    assert_eq!(lake.rows("select count(*), sum(id) from shop.orders").await, ["0 null"]);
    assert!(lake.rows("select * from shop.orders").await.is_empty());
}

#[tokio::test]
async fn files_of_about_one_batch_lose_exactly_the_deleted_rows() {
    for rows in [8191, 8192, 8193, 16384, 16385] {
        let mut lake = empty();
        lake.add(&numbers(0..rows)).await;
        let deleted = [0, 1, 4095, 8190, 8191, 8192, rows - 1];
        lake.delete(0, deleted.iter().map(|position| *position as u64));
        assert_eq!(lake.rows(SUMS).await, sums((0..rows).filter(|id| !deleted.contains(id))), "{rows} rows");
    }
}

#[tokio::test]
async fn every_second_and_every_tenth_row_can_be_deleted() {
    for step in [2, 10] {
        let mut lake = empty();
        lake.add_with(&numbers(0..20_000), row_groups(3_000)).await;
        lake.delete(0, (0..20_000).step_by(step));
        assert_eq!(lake.rows(SUMS).await, sums((0..20_000).filter(|id| id % step as i64 != 0)), "each {step}th");
        let sql = format!("select id from shop.orders where id between 2990 and 3010 and id % {step} < 2 order by id");
        let expected: Vec<String> = (2990..=3010).filter(|id| id % step as i64 == 1).map(|id: i64| id.to_string()).collect();
        assert_eq!(lake.rows(&sql).await, expected);
    }
}

#[tokio::test]
async fn positions_beyond_the_end_of_a_file_delete_nothing() {
    let mut lake = empty();
    lake.add(&numbers(0..10)).await;
    lake.delete(0, [3, 10, 11, 1 << 40]);
    assert_eq!(lake.rows(SUMS).await, sums((0..10).filter(|id| *id != 3)));
}

#[tokio::test]
async fn a_limit_is_filled_from_rows_that_are_left() {
    let mut lake = empty();
    for start in [0, 1000, 2000] {
        lake.add_with(&numbers(start..start + 1000), row_groups(100)).await;
    }
    lake.delete(0, 0..995);
    assert_eq!(lake.rows("select count(*) from (select id from shop.orders limit 10)").await, ["10"]);
    assert_eq!(lake.rows("select count(*) from (select id from shop.orders where id >= 0 limit 1500)").await, ["1500"]);
    assert_eq!(lake.rows("select id from shop.orders order by id desc limit 3").await, ["2999", "2998", "2997"]);
    assert_eq!(lake.rows("select id from shop.orders order by id limit 7").await, ["995", "996", "997", "998", "999", "1000", "1001"]);
}

#[tokio::test]
async fn a_count_of_rows_opens_no_data_file() {
    let mut lake = empty();
    lake.add(&numbers(0..10)).await;
    lake.delete(0, [1, 2]);
    lake.files[0].path = "memory:///lake/absent.parquet".into();
    lake.deleted = [(lake.files[0].path.clone(), [1, 2].into_iter().collect())].into();
    assert_eq!(lake.rows("select count(*) from shop.orders").await, ["8"]);
}
