use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::*;
use crate::change::changelog_schema;

fn table(keys: &[&str]) -> TableSchema {
    let fields = ["id", "a"].map(|name| Arc::new(Field::new(name, DataType::Int64, name == "a")));
    TableSchema::new(fields.to_vec(), keys.iter().map(|key| (*key).to_owned()).collect()).unwrap()
}

/// Op, sequence, event time, key and value.
type Event = (Op, i64, i64, i64, i64);

fn events(table: &TableSchema, events: &[Event]) -> ChangeBatch {
    let schema = changelog_schema(table);
    let numbers = |number: fn(&Event) -> i64| Arc::new(events.iter().map(number).collect::<Int64Array>()) as ArrayRef;
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        OP => Arc::new(events.iter().map(|event| Some(event.0.as_str())).collect::<StringArray>()) as ArrayRef,
        SEQUENCE => Arc::new(events.iter().map(|event| Some(format!("{:016x}.0", event.1))).collect::<StringArray>()),
        DOMAIN => Arc::new(StringArray::from(vec!["d"; events.len()])),
        EVENT_TIME | "_ingested_at" => {
            Arc::new(events.iter().map(|event| Some(event.2)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        "id" => numbers(|event| event.3),
        "a" => numbers(|event| event.4),
        "_batch" => numbers(|_| 1),
        _ => new_null_array(field.data_type(), events.len()),
    });
    ChangeBatch::try_new(RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()).unwrap()
}

/// Op, event time, and the value of `a` before and after.
fn told(walked: &Walked<'_>) -> Vec<(String, i64, Option<i64>, Option<i64>)> {
    let rows = walked.assemble(0..walked.len(), &BeforeRows::default()).unwrap();
    let value = |column: &str, row: usize| {
        let structs = rows.column_by_name(column).unwrap().as_struct();
        structs.is_valid(row).then(|| structs.column(1).as_primitive::<Int64Type>().value(row))
    };
    let op = |row| rows.column(0).as_string::<i32>().value(row).to_owned();
    let time = |row| rows.column(1).as_primitive::<TimestampMicrosecondType>().value(row);
    (0..rows.num_rows()).map(|row| (op(row), time(row), value(BEFORE, row), value(AFTER, row))).collect()
}

fn row(op: &str, time: i64, before: Option<i64>, after: Option<i64>) -> (String, i64, Option<i64>, Option<i64>) {
    (op.to_owned(), time, before, after)
}

#[test]
fn an_event_below_what_its_key_has_seen_changes_nothing() {
    let table = table(&["id"]);
    let events = events(&table, &[(Op::Create, 1, 1, 7, 10), (Op::Update, 2, 9, 7, 20), (Op::Update, 3, 5, 7, 30)]);
    let walked = walk(&events, &table, 1, Detail::EveryEvent).unwrap();
    assert_eq!(told(&walked), [row("u", 5, Some(10), Some(30)), row("u", 9, Some(30), Some(30))]);
    let net = walk(&events, &table, 1, Detail::Net).unwrap();
    assert_eq!(told(&net), [row("u", 9, Some(10), Some(30))]);
    assert_eq!(told(&walk(&events, &table, 5, Detail::Net).unwrap()), []);
}

#[test]
fn a_row_that_outlives_a_truncate_is_told_again() {
    let table = table(&["id"]);
    let events = events(&table, &[(Op::Create, 3, 1, 7, 10), (Op::Truncate, 2, 5, 0, 0), (Op::Create, 1, 6, 8, 20)]);
    let walked = walk(&events, &table, 1, Detail::EveryEvent).unwrap();
    let mut every = told(&walked);
    every.sort_by_key(|row| row.1);
    assert_eq!(every, [row("c", 5, None, Some(10)), row("c", 6, None, None)]);
    let net = walk(&events, &table, 1, Detail::Net).unwrap();
    assert_eq!(told(&net), []);
}

#[test]
fn equal_rows_are_no_net_change() {
    let table = table(&["id"]);
    let events = events(&table, &[(Op::Create, 1, 1, 7, 10), (Op::Update, 2, 2, 7, 20), (Op::Update, 3, 3, 7, 10)]);
    assert_eq!(told(&walk(&events, &table, 1, Detail::Net).unwrap()), []);
    assert_eq!(told(&walk(&events, &table, 1, Detail::EveryEvent).unwrap()).len(), 2);
}

#[test]
fn without_a_key_a_truncate_takes_what_sorts_below_it() {
    let table = table(&[]);
    let events =
        events(&table, &[(Op::Create, 9, 1, 0, 90), (Op::Create, 1, 2, 0, 10), (Op::Truncate, 5, 3, 0, 0), (Op::Create, 2, 4, 0, 20)]);
    let every = appended(&events, &table, 1, Detail::EveryEvent).unwrap();
    let expected = [row("c", 2, None, Some(10)), row("t", 3, None, None), row("c", 3, None, Some(90)), row("c", 4, None, None)];
    assert_eq!(told(&every), expected);
    let net = appended(&events, &table, 1, Detail::Net).unwrap();
    assert_eq!(told(&net), [row("t", 3, None, None), row("c", 3, None, Some(90))]);
}

/// A feed of which a batch ends within the rows of a key.
#[test]
fn rows_of_one_key_are_joined_and_those_of_the_last_one_wait() {
    let table = table(&["id"]);
    let turn = Turn::to(&crate::record::Baseline::EMPTY, 5);
    let side = |side, step, rows: &[(i64, i64)]| {
        let column = |of: fn(&(i64, i64)) -> i64| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as ArrayRef;
        let rows = RecordBatch::try_from_iter([("id", column(|row| row.0)), ("a", column(|row| row.1))]).unwrap();
        keyed(&table, &turn.rows(&table, side, &rows).unwrap(), step).unwrap()
    };
    let rows = [
        side(Side::Before, 0, &[(1, 10)]),
        side(Side::After, 1, &[(1, 10)]),
        side(Side::Before, 0, &[(2, 20)]),
        side(Side::After, 1, &[(2, 21)]),
        side(Side::Before, 0, &[(3, 30)]),
        side(Side::After, 1, &[(4, 40)]),
    ];
    let rows = arrow::compute::concat_batches(&keyed_schema(&table), &rows).unwrap();
    let shown = |feed: &RecordBatch| {
        let value = |column: &str, row: usize| {
            let images = feed.column_by_name(column).unwrap().as_struct();
            images.is_valid(row).then(|| images.column(1).as_primitive::<Int64Type>().value(row))
        };
        let op = |row| feed.column(0).as_string::<i32>().value(row).to_owned();
        (0..feed.num_rows()).map(|row| (op(row), value(BEFORE, row), value(AFTER, row))).collect::<Vec<_>>()
    };
    let (feed, done) = joined(&table, &rows, false).unwrap();
    let expected = [("u".to_owned(), Some(20), Some(21)), ("d".to_owned(), Some(30), None)];
    assert_eq!((shown(&feed), done), (expected.to_vec(), 5));
    let (rest, done) = joined(&table, &rows.slice(5, 1), true).unwrap();
    assert_eq!((shown(&rest), done), (vec![("c".to_owned(), None, Some(40))], 1));
    assert_eq!(joined(&table, &rows.slice(0, 0), true).unwrap().1, 0);
}

#[test]
fn rows_without_a_key_cancel_each_other_as_often_as_they_occur() {
    let table = table(&[]);
    let turn = Turn::to(&crate::record::Baseline::EMPTY, 5);
    let side = |side, step, ids: &[i64]| {
        let ids: ArrayRef = Arc::new(ids.iter().copied().collect::<Int64Array>());
        let rows = RecordBatch::try_from_iter([("id", ids.clone()), ("a", ids)]).unwrap();
        keyed(&table, &turn.rows(&table, side, &rows).unwrap(), step).unwrap()
    };
    // Each number as often as it went, and as it came.
    let counts = [(1, 2, 2), (2, 3, 1), (3, 0, 2), (4, 1, 0), (5, 1, 3)];
    let rows =
        counts.iter().flat_map(|(id, went, came)| [side(Side::Before, 0, &vec![*id; *went]), side(Side::After, 1, &vec![*id; *came])]);
    let rows = arrow::compute::concat_batches(&keyed_schema(&table), &rows.collect::<Vec<_>>()).unwrap();
    let (feed, done) = joined(&table, &rows, true).unwrap();
    let told: Vec<(String, i64)> = (0..feed.num_rows())
        .map(|row| {
            let op = feed.column(0).as_string::<i32>().value(row).to_owned();
            let images = feed.column_by_name(if op == "d" { BEFORE } else { AFTER }).unwrap().as_struct().clone();
            (op, images.column(0).as_primitive::<Int64Type>().value(row))
        })
        .collect();
    let expected = [("d", 2), ("d", 2), ("c", 3), ("c", 3), ("d", 4), ("c", 5), ("c", 5)].map(|(op, id)| (op.to_owned(), id));
    assert_eq!((told, done), (expected.to_vec(), rows.num_rows()));
}
