//! What is not needed is not read, and what is left out can never hold an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::physical_plan::{ExecutionPlan, collect};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use waterline_core::format::{Bounds, FileSummary};
use waterline_core::partition::PartitionField;
use waterline_core::value::Value;
use waterline_engine::read::query;

use crate::lake::{Lake, batch, column, rows};

fn bounds(name: &str, lower: Value, upper: Value) -> FileSummary {
    FileSummary { bounds: BTreeMap::from([(name.to_owned(), Bounds { lower: Some(lower), upper: Some(upper) })]), ..Default::default() }
}

fn identity(column: &str, value: Option<Value>) -> FileSummary {
    FileSummary { partition: vec![(column.parse::<PartitionField>().unwrap(), value)], ..Default::default() }
}

fn longs(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from_iter_values(values)))])
}

/// Three files with ids 0..10, 10..20 and 20..30, and bounds that say so.
async fn three_files() -> Lake {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64)]));
    for start in [0, 10, 20] {
        lake.add(&longs(start..start + 10)).await.summary = bounds("id", Value::Int(start), Value::Int(start + 9));
    }
    lake
}

#[tokio::test]
async fn files_whose_bounds_cannot_match_are_not_scanned() {
    let lake = three_files().await;
    for (filter, answer, files) in [
        ("id = 15", "15", 1),
        ("id in (3, 25)", "3 25", 2),
        ("id between 8 and 11", "8 9 10 11", 2),
        ("id < 1 or id > 28", "0 29", 2),
        ("not (id < 29)", "29", 1),
        ("id = 99", "", 0),
        ("id + 1 = 16", "15", 3),
        ("id is null", "", 3),
    ] {
        let rows = lake.rows(&format!("select id from shop.orders where {filter} order by id")).await;
        assert_eq!(rows.join(" "), answer, "{filter}");
        assert_eq!(lake.files_scanned(), files, "{filter}");
    }
}

#[tokio::test]
async fn files_without_bounds_are_always_scanned() {
    let mut lake = three_files().await;
    lake.files[1].summary = FileSummary::default();
    assert_eq!(lake.rows("select id from shop.orders where id = 3").await, ["3"]);
    assert_eq!(lake.files_scanned(), 2);
}

#[tokio::test]
async fn nan_is_found_although_bounds_leave_it_out() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "x", DataType::Float64), column(2, "id", DataType::Int64)]));
    let floats = |values: Vec<f64>, ids: std::ops::Range<i64>| {
        batch(vec![
            (column(1, "x", DataType::Float64), Arc::new(Float64Array::from(values))),
            (column(2, "id", DataType::Int64), Arc::new(Int64Array::from_iter_values(ids))),
        ])
    };
    lake.add(&floats(vec![1.0, f64::NAN, 4.0], 0..3)).await.summary = bounds("x", Value::Float(1.0), Value::Float(4.0));
    lake.add(&floats(vec![-0.0, 0.0, 9.0], 3..6)).await.summary = bounds("x", Value::Float(-0.0), Value::Float(9.0));
    assert_eq!(lake.rows("select id from shop.orders where x > 5 order by id").await, ["1", "5"]);
    assert_eq!(lake.rows("select id from shop.orders where x <= 4 order by id").await, ["0", "2", "3", "4"]);
    assert_eq!(lake.rows("select id from shop.orders where x = 'NaN'").await, ["1"]);
    assert_eq!(lake.rows("select id from shop.orders where x < 5 order by id limit 10").await, ["0", "2", "3", "4"]);
}

#[tokio::test]
async fn a_partition_column_that_files_lack_has_the_partitions_value() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "region", DataType::Utf8)]));
    lake.add(&longs([1, 2])).await.summary = identity("region", Some(Value::Text("eu".into())));
    lake.add(&longs([3])).await.summary = identity("region", Some(Value::Text("us".into())));
    lake.add(&longs([4])).await.summary = identity("region", None);
    lake.delete(0, [0]);
    assert_eq!(lake.rows("select id, region from shop.orders order by id").await, ["2 eu", "3 us", "4 null"]);
    lake.files_scanned();
    for (filter, answer, files) in [
        ("region = 'eu'", "2", 1),
        ("region is null", "4", 1),
        ("region is not null", "2 3", 2),
        ("region > 'eu'", "3", 1),
        ("region = 'asia'", "", 0),
    ] {
        assert_eq!(lake.rows(&format!("select id from shop.orders where {filter} order by id")).await.join(" "), answer, "{filter}");
        assert_eq!(lake.files_scanned(), files, "{filter}");
    }
    assert_eq!(lake.rows("select region, count(*) from shop.orders group by region order by region").await, ["eu 1", "us 1", "null 1"]);
    assert_eq!(lake.rows("select count(region), min(region), max(region) from shop.orders").await, ["2 eu us"]);
}

#[tokio::test]
async fn values_of_every_type_prune_in_their_own_order() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let cases: Vec<(DataType, ArrayRef, Value, Value, &str, &str)> = vec![
        (DataType::Int32, Arc::new(Int32Array::from(vec![-5])), Value::Int(-5), Value::Int(-5), "x = -5", "x > -5"),
        (DataType::Boolean, Arc::new(BooleanArray::from(vec![true])), Value::Bool(true), Value::Bool(true), "x", "not x"),
        (
            DataType::Decimal128(9, 2),
            Arc::new(Decimal128Array::from(vec![-150]).with_precision_and_scale(9, 2).unwrap()),
            Value::Decimal(-150),
            Value::Decimal(-150),
            "x < -1.4",
            "x < -1.5",
        ),
        (
            DataType::Date32,
            Arc::new(Date32Array::from(vec![-1])),
            Value::Int(-1),
            Value::Int(-1),
            "x = date '1969-12-31'",
            "x >= date '1970-01-01'",
        ),
        (
            utc.clone(),
            Arc::new(TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC")),
            Value::Int(-1),
            Value::Int(-1),
            "x < '1970-01-01T00:00:00Z'",
            "x >= '1970-01-01T00:00:00Z'",
        ),
        (DataType::Utf8, Arc::new(StringArray::from(vec!["Ω"])), Value::Text("Ω".into()), Value::Text("Ω".into()), "x > 'z'", "x < 'z'"),
        (
            DataType::Binary,
            Arc::new(BinaryArray::from_vec(vec![b"\xff"])),
            Value::Bytes(vec![0xff]),
            Value::Bytes(vec![0xff]),
            "x > X'7f'",
            "x < X'7f'",
        ),
    ];
    for (data_type, values, lower, upper, matches, excludes) in cases {
        let mut lake = Lake::new(Schema::new(vec![column(1, "x", data_type.clone())]));
        lake.add(&batch(vec![(column(1, "x", data_type.clone()), values)])).await.summary = bounds("x", lower, upper);
        assert_eq!(lake.rows(&format!("select count(*) from shop.orders where {matches}")).await, ["1"], "{matches}");
        assert_eq!(lake.files_scanned(), 1, "{matches}");
        assert_eq!(lake.rows(&format!("select count(*) from shop.orders where {excludes}")).await, ["0"], "{excludes}");
        assert_eq!(lake.files_scanned(), 0, "{excludes}");
    }
}

#[tokio::test]
async fn a_limit_takes_no_more_files_than_fill_it() {
    let mut lake = three_files().await;
    lake.delete(0, 0..9);
    let plan = query(&lake.session(), "select id from shop.orders limit 3").await.unwrap().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    assert_eq!([0, 1, 2].map(|n| text.contains(&format!("/{n}.parquet"))), [true, true, false], "{text}");
}

/// One file of 10 row groups of 1,000 ids with pages of 100, and a bloom filter on `key`; under other names than the table's, the ids in a narrower type.
async fn paged() -> Lake {
    let mut lake =
        Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "key", DataType::Utf8), column(3, "pad", DataType::Utf8)]));
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_bloom_filter_enabled("id".into(), true)
        .build();
    let rows = batch(vec![
        (column(1, "id", DataType::Int64), Arc::new(Int64Array::from_iter_values(0..10_000))),
        (
            column(2, "key", DataType::Utf8),
            Arc::new(StringArray::from_iter_values((0..10_000).map(|n| format!("{:04}", n * 7919 % 10_000)))),
        ),
        (column(3, "key", DataType::Utf8), Arc::new(StringArray::from_iter_values((0..10_000).map(|n| format!("{n:0100}"))))),
    ]);
    lake.add_with(&rows, properties).await;
    lake
}

/// The answer, and how many bytes of data files were read for it.
async fn measured(lake: &Lake, sql: &str) -> (usize, usize) {
    let session = lake.session();
    let plan = query(&session, sql).await.unwrap().create_physical_plan().await.unwrap();
    let batches = collect(plan.clone(), session.task_ctx()).await.unwrap();
    (batches.iter().map(RecordBatch::num_rows).sum(), bytes_scanned(plan.as_ref()))
}

fn bytes_scanned(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned")).map_or(0, |bytes| bytes.as_usize());
    own + plan.children().into_iter().map(|child| bytes_scanned(child.as_ref())).sum::<usize>()
}

#[tokio::test]
async fn only_the_columns_row_groups_and_pages_of_an_answer_are_read() {
    let lake = paged().await;
    let (rows, everything) = measured(&lake, "select id, key, pad from shop.orders").await;
    assert_eq!(rows, 10_000);
    let (rows, one_column) = measured(&lake, "select id from shop.orders").await;
    assert_eq!(rows, 10_000);
    assert!(one_column * 10 < everything, "one column of three: {one_column} of {everything} bytes");
    let (rows, one_group) = measured(&lake, "select pad from shop.orders where id between 3000 and 3999").await;
    assert_eq!(rows, 1_000);
    assert!(one_group * 7 < everything, "one row group of ten: {one_group} of {everything} bytes");
    let (rows, one_page) = measured(&lake, "select pad from shop.orders where id between 3210 and 3220").await;
    assert_eq!(rows, 11);
    assert!(one_page * 3 < one_group, "one page of ten: {one_page} of {one_group} bytes");
    let (rows, by_bloom) = measured(&lake, "select id from shop.orders where key = '0000'").await;
    let (_, all_keys) = measured(&lake, "select id from shop.orders where key like '%0000'").await;
    assert_eq!(rows, 1);
    assert!(by_bloom * 2 < all_keys, "by bloom filter {by_bloom}, by all keys {all_keys} bytes");
}

#[tokio::test]
async fn filters_on_pages_and_deletes_of_rows_work_together() {
    let mut lake = paged().await;
    lake.delete(0, (0..10_000).filter(|n| n % 3 == 0));
    let rows = lake.rows("select id from shop.orders where id between 2995 and 3005 and pad > '0' order by id").await;
    assert_eq!(rows, ["2995", "2996", "2998", "2999", "3001", "3002", "3004", "3005"]);
    assert_eq!(lake.rows("select id from shop.orders where key = '7919'").await, ["1"]);
    assert_eq!(lake.rows("select id from shop.orders where key = '0000'").await, [""; 0]);
    assert_eq!(lake.rows("select id from shop.orders where id in (3, 4, 9999, 9998) order by id").await, ["4", "9998"]);
}

#[tokio::test]
async fn bloom_filters_of_promoted_columns_lose_no_row() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "amount", DataType::Decimal128(20, 2))]));
    let amounts = Decimal128Array::from_iter_values((0..1000).map(|n| n * 1000)).with_precision_and_scale(9, 2).unwrap();
    let rows = batch(vec![
        (column(1, "id", DataType::Int32), Arc::new(Int32Array::from_iter_values((0..1000).map(|n| n * 1000)))),
        (column(2, "amount", DataType::Decimal128(9, 2)), Arc::new(amounts)),
    ]);
    lake.add_with(&rows, WriterProperties::builder().set_bloom_filter_enabled(true).build()).await;
    for n in [0, 1, 500, 999] {
        let sql = format!("select count(*) from shop.orders where id = {} and amount = {}", n * 1000, n * 10);
        assert_eq!(lake.rows(&sql).await, ["1"], "{n}");
    }
    assert_eq!(lake.rows("select count(*) from shop.orders where id in (1, 1000, 2000) or amount = 10.01").await, ["2"]);
}

#[tokio::test]
async fn a_file_split_over_partitions_gives_each_row_once() {
    let mut lake = paged().await;
    lake.delete(0, (0..10_000).filter(|n| n % 7 == 0 || (2000..4000).contains(n)));
    let live: Vec<i64> = (0..10_000).filter(|n| n % 7 != 0 && !(2000..4000).contains(n)).collect();
    let session = lake.session();
    {
        let state = session.state_ref();
        let mut state = state.write();
        let options = state.config_mut().options_mut();
        options.optimizer.repartition_file_min_size = 1;
        options.execution.target_partitions = 7;
    }
    let plan = query(&session, "select id from shop.orders where pad > '0'").await.unwrap().create_physical_plan().await.unwrap();
    assert_eq!(plan.properties().partitioning.partition_count(), 7);
    let expected = format!("{} {}", live.len(), live.iter().sum::<i64>());
    assert_eq!(rows(&session, "select count(id), sum(id) from shop.orders where pad > '0'").await, [expected]);
    assert_eq!(rows(&session, "select count(*) from (select id from shop.orders limit 3)").await, ["3"]);
}
