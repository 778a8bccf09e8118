use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use waterline_core::error::ErrorKind;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn table(batches: Vec<RecordBatch>) -> Arc<dyn TableProvider> {
    let schema = batches[0].schema();
    Arc::new(MemTable::try_new(schema, vec![batches]).unwrap())
}

async fn of(left: RecordBatch, right: RecordBatch, keys: &[&str]) -> Result<DiffReport> {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    diff(&SessionContext::new(), table(vec![left]), table(vec![right]), &keys, 10).await
}

fn longs<const N: usize>(values: [i64; N]) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// `-1`, `+3` and `2: name, amount`: rows of one side, and columns that differ, by the first column.
fn shown(examples: &[Example]) -> Vec<String> {
    let id = |row: &RecordBatch| row.column_by_name("id").unwrap().as_primitive::<Int64Type>().value(0);
    examples
        .iter()
        .map(|example| match example {
            Example::OnlyLeft(row) => format!("-{}", id(row)),
            Example::OnlyRight(row) => format!("+{}", id(row)),
            Example::Changed { left, right, columns } => {
                assert_eq!(id(left), id(right));
                format!("{}: {}", id(left), columns.join(", "))
            }
        })
        .collect()
}

#[tokio::test]
async fn rows_are_matched_by_key_in_whatever_order_they_are_stored() {
    let text = |values: [&str; 4]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
    let left = batch(vec![("id", longs([4, 1, 2, 3])), ("name", text(["d", "a", "b", "c"])), ("n", longs([4, 1, 2, 3]))]);
    let right = batch(vec![("n", longs([2, 30, 5, 4])), ("name", text(["B", "c", "e", "d"])), ("id", longs([2, 3, 5, 4]))]);
    let report = of(left, right, &["id"]).await.unwrap();
    assert_eq!(shown(&report.examples), ["-1", "2: name", "3: n", "+5"]);
    assert_eq!(report.columns, [("name".to_owned(), 1), ("n".to_owned(), 1)]);
    assert_eq!((report.left.rows, report.left.only_rows, report.right.rows, report.right.only_rows), (4, 1, 4, 1));
    assert_eq!((report.changed_rows, report.same_rows(), report.is_same()), (2, false, false));
}

#[tokio::test]
async fn values_are_compared_and_not_their_notation() {
    let odd_nan = f64::from_bits(f64::NAN.to_bits() | 1);
    let decimals = |unscaled: [i128; 3], scale| {
        let column = Decimal128Array::from_iter_values(unscaled).with_precision_and_scale(12, scale).unwrap();
        Arc::new(column) as ArrayRef
    };
    let list = |last: i32| -> ArrayRef {
        let of = |values: &[i32]| Some(values.iter().map(|value| Some(*value)).collect::<Vec<_>>());
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([of(&[1, 2]), None, of(&[last])]))
    };
    let left = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
        ("float", Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(0.0), None]))),
        ("decimal", decimals([150, 200, 1], 2)),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_000, 2_000, 3_000]).with_timezone("UTC"))),
        ("text", Arc::new(StringArray::from(vec![None, Some("a "), Some("")]))),
        ("list", list(3)),
    ]);
    let right = batch(vec![
        ("id", longs([1, 2, 3])),
        ("float", Arc::new(Float64Array::from(vec![Some(odd_nan), Some(-0.0), None]))),
        ("decimal", decimals([15_000, 20_000, 101], 4)),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]).with_timezone("+09:00"))),
        ("text", Arc::new(StringArray::from(vec![None, Some("a"), None]))),
        ("list", list(4)),
    ]);
    let report = of(left, right, &["id"]).await.unwrap();
    let differing: BTreeMap<&str, u64> = report.columns.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(differing, BTreeMap::from([("float", 0), ("decimal", 1), ("at", 0), ("text", 2), ("list", 1)]));
    assert_eq!(report.changed_rows, 2);
}

#[tokio::test]
async fn without_a_key_whole_rows_are_counted() {
    let floats = |values: [f64; 4]| Arc::new(Float64Array::from_iter_values(values)) as ArrayRef;
    let left = batch(vec![("id", longs([1, 1, 2, 3])), ("x", floats([0.5, 0.5, f64::NAN, 1.0]))]);
    let right = batch(vec![("id", longs([3, 2, 1, 4])), ("x", floats([1.0, f64::NAN, 0.5, 1.0]))]);
    let report = of(left.clone(), right, &[]).await.unwrap();
    assert_eq!(shown(&report.examples), ["-1", "+4"]);
    assert_eq!((report.left.only_rows, report.right.only_rows, report.changed_rows), (1, 1, 0));
    assert!(of(left.clone(), left, &[]).await.unwrap().is_same());
}

#[tokio::test]
async fn columns_of_one_side_are_named() {
    let left = batch(vec![("id", longs([1])), ("old", longs([1]))]);
    let right = batch(vec![("id", longs([1])), ("new", longs([1])), ("newer", longs([1]))]);
    let report = of(left, right, &["id"]).await.unwrap();
    assert_eq!(report.left.only_columns, ["old"]);
    assert_eq!(report.right.only_columns, ["new", "newer"]);
    assert!(report.same_rows() && !report.is_same());
}

#[tokio::test]
async fn what_cannot_be_compared_is_an_error() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let refused = of(batch(vec![("id", longs([1]))]), batch(vec![("id", text)]), &["id"]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("column id"), "{refused}");
    let refused = of(batch(vec![("id", longs([1]))]), batch(vec![("id", longs([1]))]), &["key"]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage);
    let refused = of(batch(vec![("id", longs([1]))]), batch(vec![("key", longs([1]))]), &[]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().map(Ok))))
}

#[tokio::test]
async fn a_stream_out_of_order_is_an_error() {
    let rows = |ids: [i64; 2]| vec![batch(vec![("id", longs(ids))])];
    let refused = compare(stream(rows([2, 1])), stream(rows([1, 2])), &["id".into()], 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Internal);
    let across = [rows([1, 5]), rows([4, 6])].concat();
    let refused = compare(stream(across), stream(rows([1, 9])), &["id".into()], 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn repeated_keys_match_in_turn_and_are_counted() {
    let rows = |ids: &[i64], values: &[i64]| {
        let column = |values: &[i64]| Arc::new(Int64Array::from_iter_values(values.iter().copied())) as ArrayRef;
        batch(vec![("id", column(ids)), ("n", column(values))])
    };
    let left = vec![rows(&[1, 1], &[1, 2]), rows(&[1, 2], &[3, 4])];
    let right = vec![rows(&[1], &[1]), rows(&[1, 2], &[9, 4])];
    let report = compare(stream(left), stream(right), &["id".into()], 10).await.unwrap();
    assert_eq!((report.left.repeated_keys, report.right.repeated_keys), (2, 1));
    assert_eq!(shown(&report.examples), ["1: n", "-1"]);
}

/// Rows of a side: key to value, made of a number that says which.
fn side(mut seed: u64) -> BTreeMap<i64, i64> {
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    (0..next(60)).map(|_| (next(50) as i64, next(3) as i64)).collect()
}

/// However rows are cut into batches, the report is that of two maps.
#[tokio::test]
async fn however_rows_are_cut_into_batches() {
    for seed in 0..60 {
        let (left, right) = (side(seed), side(seed + 1_000));
        let whole = |rows: &BTreeMap<i64, i64>| {
            let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
            batch(vec![("id", column(rows.keys().copied().collect())), ("n", column(rows.values().copied().collect()))])
        };
        let cut = |rows: &BTreeMap<i64, i64>, length: usize| -> Vec<RecordBatch> {
            let whole = whole(rows);
            // The empty batch at the start gives the schema, and must not end the walk.
            std::iter::once(whole.slice(0, 0))
                .chain((0..whole.num_rows()).step_by(length).map(|from| whole.slice(from, length.min(whole.num_rows() - from))))
                .collect()
        };
        let (length, other) = (1 + seed as usize % 7, 1 + seed as usize % 5);
        let report = compare(stream(cut(&left, length)), stream(cut(&right, other)), &["id".into()], 1_000).await.unwrap();
        let expected: Vec<String> = (0..50)
            .filter_map(|id| match (left.get(&id), right.get(&id)) {
                (Some(a), Some(b)) if a != b => Some(format!("{id}: n")),
                (Some(_), None) => Some(format!("-{id}")),
                (None, Some(_)) => Some(format!("+{id}")),
                _ => None,
            })
            .collect();
        assert_eq!(shown(&report.examples), expected, "seed {seed}");
        let changed = expected.iter().filter(|line| line.ends_with('n')).count() as u64;
        assert_eq!((report.left.rows, report.right.rows), (left.len() as u64, right.len() as u64));
        assert_eq!((report.changed_rows, report.columns[0].1), (changed, changed));
    }
}

/// Both sides are several times the memory that the session may use.
#[tokio::test]
async fn sides_larger_than_memory() {
    use datafusion::execution::memory_pool::FairSpillPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    let rows = |changed: bool| {
        let batches = (0..200).map(|part| {
            let ids: Vec<i64> = (0..1_000).map(|row| (row * 200 + part) * 7_919 % 200_003).collect();
            let text: StringArray = ids.iter().map(|id| Some(format!("{id:0>60}{}", i32::from(changed && id % 50_000 == 3)))).collect();
            batch(vec![("id", Arc::new(Int64Array::from(ids)) as ArrayRef), ("text", Arc::new(text))])
        });
        batches.collect::<Vec<_>>()
    };
    let (left, right) = (rows(false), rows(true));
    let bytes: usize = left.iter().map(RecordBatch::get_array_memory_size).sum();
    let limit = 6 << 20;
    assert!(bytes > 2 * limit, "{bytes}");
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(limit))).build_arc().unwrap();
    let config = SessionConfig::new().with_target_partitions(2).with_sort_spill_reservation_bytes(1 << 20);
    let session = SessionContext::new_with_config_rt(config, runtime);
    let whole = concat_batches(&right[0].schema(), &right).unwrap();
    let ids: BTreeSet<i64> = whole.column(0).as_primitive::<Int64Type>().values().iter().copied().filter(|id| id % 50_000 == 3).collect();
    let report = diff(&session, table(left), table(right), &["id".into()], 10).await.unwrap();
    assert_eq!(shown(&report.examples), ids.iter().map(|id| format!("{id}: text")).collect::<Vec<_>>());
    assert_eq!((report.left.rows, report.changed_rows), (200_000, ids.len() as u64));
}
