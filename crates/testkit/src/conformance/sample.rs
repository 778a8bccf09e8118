//! A table with a column of every canonical type, and rows for it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use waterline_core::schema::{list_of, timestamp_local, timestamp_utc};

use crate::cell::{Cell, Row, row};

pub(super) fn schema() -> SchemaRef {
    let point = Fields::from(vec![Field::new("x", DataType::Float64, true), Field::new("y", DataType::Float64, true)]);
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("small", DataType::Int32, true),
        Field::new("ratio", DataType::Float32, true),
        Field::new("weight", DataType::Float64, true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("wide", DataType::Decimal128(38, 4), true),
        Field::new("name", DataType::Utf8, true),
        Field::new("raw", DataType::Binary, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("born", DataType::Date32, true),
        Field::new("opens", DataType::Time64(TimeUnit::Microsecond), true),
        Field::new("seen", timestamp_utc(), true),
        Field::new("local", timestamp_local(), true),
        Field::new("tags", list_of(DataType::Utf8), true),
        Field::new("codes", list_of(DataType::Int32), true),
        Field::new("point", DataType::Struct(point), true),
    ]))
}

/// A row of its own for each id; some hold nulls, some values from before 1970.
pub(super) fn sample(id: i64) -> Row {
    let mut sample = row([
        ("id", Cell::Int(id)),
        ("small", Cell::Int(id - 3)),
        ("ratio", Cell::from(id as f64 / 4.0)),
        ("weight", Cell::from(-1.5 * id as f64)),
        ("price", Cell::Decimal(i128::from(id) * 101 - 500)),
        ("wide", Cell::Decimal(i128::from(id) * -1_000_000_007)),
        ("name", Cell::Text(format!("näme {id}"))),
        ("raw", Cell::Bytes(vec![0, id as u8, 255])),
        ("flag", Cell::Bool(id % 2 == 0)),
        ("born", Cell::Int(id * 400 - 2_000)),
        ("opens", Cell::Int(id.rem_euclid(86_400) * 1_000_001)),
        ("seen", Cell::Int(id * 3_600_000_001 - 7_000_000_000)),
        ("local", Cell::Int(id * -86_400_000_000 - 1)),
        ("tags", Cell::List(vec![Some(Cell::Text(format!("tag {id}"))), None])),
        ("codes", Cell::List(vec![Some(Cell::Int(id))])),
        ("point", Cell::Struct(row([("x", Cell::from(id as f64))]))),
    ]);
    let nullable = ["small", "name", "price", "seen", "tags", "point"];
    if id % 5 == 0 {
        sample.remove(nullable[(id / 5).rem_euclid(6) as usize]);
    }
    sample
}

pub(super) fn samples(ids: impl IntoIterator<Item = i64>) -> Vec<Row> {
    ids.into_iter().map(sample).collect()
}

/// Rows of a table that has ids alone.
pub(super) fn ids(ids: impl IntoIterator<Item = i64>) -> Vec<Row> {
    ids.into_iter().map(|id| row([("id", Cell::Int(id))])).collect()
}

/// Rows at the ends of what the types hold.
pub(super) fn extremes() -> Vec<Row> {
    let max_decimal = 10i128.pow(38) - 1;
    // The one column that varies, and its value; each row gets an id of its own.
    let cells: Vec<(&str, Cell)> = vec![
        ("small", Cell::Int(i32::MIN.into())),
        ("small", Cell::Int(i32::MAX.into())),
        ("ratio", Cell::from(f64::from(f32::MIN))),
        ("ratio", Cell::from(f64::NAN)),
        ("ratio", Cell::from(f64::from(f32::MIN_POSITIVE))),
        ("weight", Cell::from(f64::NEG_INFINITY)),
        ("weight", Cell::from(f64::INFINITY)),
        ("weight", Cell::from(f64::NAN)),
        ("weight", Cell::from(-0.0)),
        ("weight", Cell::from(0.0)),
        ("price", Cell::Decimal(-9_999_999_999)),
        ("price", Cell::Decimal(9_999_999_999)),
        ("wide", Cell::Decimal(-max_decimal)),
        ("wide", Cell::Decimal(max_decimal)),
        ("name", Cell::from("")),
        ("name", Cell::Text("é".repeat(200))),
        ("name", Cell::Text("\u{10FFFF}".repeat(40))),
        ("name", Cell::Text(format!("{}\u{D7FF}", "a".repeat(15)))),
        ("name", Cell::from("\0\n\"'\\/ ,=%")),
        ("raw", Cell::Bytes(vec![])),
        ("raw", Cell::Bytes(vec![0xff; 100])),
        ("flag", Cell::Bool(false)),
        ("born", Cell::Int(-719_162)),
        ("born", Cell::Int(2_932_896)),
        ("opens", Cell::Int(0)),
        ("opens", Cell::Int(86_399_999_999)),
        ("seen", Cell::Int(-1)),
        ("seen", Cell::Int(-62_135_596_800_000_000)),
        ("seen", Cell::Int(253_402_300_799_999_999)),
        ("local", Cell::Int(i64::MIN)),
        ("local", Cell::Int(i64::MAX)),
        ("tags", Cell::List(vec![])),
        ("point", Cell::Struct(Row::new())),
    ];
    let ids = [i64::MIN, -1, 0, i64::MAX].into_iter().chain(1..);
    ids.zip(cells).map(|(id, (column, cell))| row([("id", Cell::Int(id)), (column, cell)])).collect()
}
