use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::*;

const ROWS: i64 = 60_000;

/// Numbers in no order, each with a text that tells it.
fn rows() -> (SchemaRef, Batches) {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("text", DataType::Utf8, false)]));
    let batch = {
        let schema = schema.clone();
        move |start: i64| {
            let numbers: Vec<i64> = (start..start + 1_000).map(|n| n * 7_919 % ROWS).collect();
            let texts = StringArray::from_iter_values(numbers.iter().map(|n| format!("{n:0200}")));
            Ok(RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers)), Arc::new(texts)])?)
        }
    };
    let starts = (0..ROWS).step_by(1_000);
    (schema, futures::stream::iter(starts).map(batch).boxed())
}

/// 12 MiB of rows in a third of that.
#[tokio::test]
async fn what_does_not_fit_is_spilled() {
    let (schema, rows) = rows();
    let order: SortOrder = "n desc".parse().unwrap();
    let batches: Vec<RecordBatch> = sorted(rows, &schema, &order, 4 << 20).unwrap().try_collect().await.unwrap();
    let mut expected = (0..ROWS).rev();
    for batch in batches {
        let texts = batch.column(1).as_string::<i32>();
        for (n, text) in batch.column(0).as_primitive::<Int64Type>().values().iter().zip(texts) {
            assert_eq!((Some(*n), text), (expected.next(), Some(format!("{n:0200}").as_str())));
        }
    }
    assert_eq!(expected.next(), None);
}

#[tokio::test]
async fn an_error_on_the_way_comes_out() {
    let (schema, rows) = rows();
    let broken = rows.take(3).chain(futures::stream::iter([Err(Error::corrupt("half a file").with("file", "a.parquet"))])).boxed();
    let order: SortOrder = "n".parse().unwrap();
    let error = sorted(broken, &schema, &order, 4 << 20).unwrap().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("half a file"), "{error}");
}
