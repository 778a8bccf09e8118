use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, ListBuilder,
    StringArray, StringBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field};

use super::*;
use crate::dump::{CsvDecoder, CsvOptions, DumpDecoder, DumpOptions, JsonLinesDecoder};
use crate::schema::{TableSchema, list_of};
use crate::text::{DATE_INFINITY, TIMESTAMP_INFINITY};

/// Every canonical type that text can hold, with values that are easily lost, and a row of nulls.
fn rows() -> RecordBatch {
    let texts = ["", "\\N", "a,b", "say \"hi\"", "two\nlines\r", " spaces ", "NULL", "{}", "\u{1F600}\u{0}"];
    let count = texts.len();
    let number = |row: usize| row as i64 - 4;
    let with_null = |array: ArrayRef| -> ArrayRef {
        let null = arrow::array::new_null_array(array.data_type(), 1);
        arrow::compute::concat(&[&array, &null]).unwrap()
    };
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    for row in 0..count {
        for text in &texts[..row] {
            lists.values().append_value(text);
        }
        if row % 2 == 1 {
            lists.values().append_null();
        }
        lists.append(true);
    }
    let floats = [0.1, -0.0, 1e300, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, 123_456_789.125];
    let timestamps =
        [0, 1, -1, TIMESTAMP_INFINITY, -TIMESTAMP_INFINITY, 1_795_225_774_473_380, -62_135_596_800_000_001, 1_000_000, 86_399_999_999];
    let dates = [0, -1, 20_000, DATE_INFINITY, -DATE_INFINITY, -800_000, 1, 2, 3];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from_iter_values(texts))),
        ("flag", Arc::new(BooleanArray::from_iter((0..count).map(|row| Some(row % 2 == 0))))),
        ("int", Arc::new(Int32Array::from_iter_values((0..count).map(|row| number(row) as i32)))),
        ("long", Arc::new(Int64Array::from_iter_values((0..count).map(|row| number(row) * 1_000_000_000_000_000_000)))),
        ("real", Arc::new(Float32Array::from_iter_values(floats.map(|float| float as f32)))),
        ("double", Arc::new(Float64Array::from_iter_values(floats))),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from_iter_values((0..count).map(|row| i128::from(number(row)) * 10i128.pow(30) + 7))
                    .with_precision_and_scale(38, 4)
                    .unwrap(),
            ),
        ),
        ("bytes", Arc::new(BinaryArray::from_iter_values(texts.map(str::as_bytes)))),
        ("day", Arc::new(Date32Array::from_iter_values(dates))),
        ("time", Arc::new(Time64MicrosecondArray::from_iter_values((0..count).map(|row| row as i64 * 10_800_000_000)))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(timestamps).with_timezone("UTC"))),
        ("local", Arc::new(TimestampMicrosecondArray::from_iter_values(timestamps))),
        ("list", Arc::new(lists.finish())),
    ];
    RecordBatch::try_from_iter(columns.into_iter().map(|(name, column)| (name, with_null(column)))).unwrap()
}

fn table(rows: &RecordBatch) -> TableSchema {
    let fields = rows.schema().fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect();
    TableSchema::new(fields, Vec::new()).unwrap()
}

fn encoded(rows: &RecordBatch, format: TextFormat) -> String {
    let encoder = DumpEncoder::new(&rows.schema(), format).unwrap();
    let mut text = encoder.header();
    encoder.encode(rows, &mut text).unwrap();
    text
}

/// Bit by bit, as NaN is not equal to itself.
#[track_caller]
fn assert_same(found: &RecordBatch, expected: &RecordBatch) {
    for (at, field) in expected.schema().fields().iter().enumerate() {
        assert!(found.column(at).to_data() == expected.column(at).to_data(), "{}: {:?}", field.name(), found.column(at));
    }
}

fn decoded(mut decoder: impl DumpDecoder, text: &str) -> RecordBatch {
    assert!(decoder.decode(text.as_bytes()).unwrap().is_empty());
    decoder.finish().unwrap().unwrap()
}

#[test]
fn csv_is_read_back_to_the_same_values() {
    let rows = rows();
    for null in ["", "\\N", "NULL"] {
        let text = encoded(&rows, TextFormat::Csv { null: null.into() });
        let options = CsvOptions { null: null.into(), ..CsvOptions::default() };
        assert_same(&decoded(CsvDecoder::new(&table(&rows), &options).unwrap(), &text), &rows);
    }
}

#[test]
fn json_lines_are_read_back_to_the_same_values() {
    let rows = rows();
    let text = encoded(&rows, TextFormat::JsonLines);
    assert_same(&decoded(JsonLinesDecoder::new(&table(&rows), &DumpOptions::default()).unwrap(), &text), &rows);
}

#[test]
fn one_column_of_nulls() {
    let column: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
    let rows = RecordBatch::try_from_iter([("x", column)]).unwrap();
    let text = encoded(&rows, TextFormat::Csv { null: String::new() });
    assert_eq!(text, "x\na\n\n\"\"\n");
    assert_same(&decoded(CsvDecoder::new(&table(&rows), &CsvOptions::default()).unwrap(), &text), &rows);
}

#[test]
fn what_text_cannot_hold_is_refused() {
    let lists = Schema::new(vec![Field::new("x", list_of(list_of(DataType::Int32)), true)]);
    let structs = Schema::new(vec![Field::new("x", DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into()), true)]);
    let refused = DumpEncoder::new(&structs, TextFormat::JsonLines).unwrap_err();
    assert!(refused.to_string().contains("Parquet") && refused.to_string().contains("field x"), "{refused}");
    assert!(DumpEncoder::new(&lists, TextFormat::Csv { null: String::new() }).is_err());
    let plain = Schema::new(vec![Field::new("x", DataType::Int32, true)]);
    assert!(DumpEncoder::new(&plain, TextFormat::Csv { null: "a,b".into() }).is_err());
}
