//! Events as the change batches of `waterline_core::change`, and what a table holds as rows to compare with the oracle.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use waterline_core::change::{ChangeBatch, changelog_schema, key_fields};
use waterline_core::schema::TableSchema;

use crate::cell::{Cell, Key, Row};
use crate::columns::{to_array, to_rows, to_struct};
use crate::oracle::{Event, State};

/// Events in the layout of a changelog, as log batch `ordinal`.
pub fn change_batch(table: &TableSchema, events: &[Event], ordinal: i64, ingested_at_us: i64) -> ChangeBatch {
    let texts = |text: fn(&Event) -> String| Arc::new(events.iter().map(|event| Some(text(event))).collect::<StringArray>()) as ArrayRef;
    let times = |time: &dyn Fn(&Event) -> i64| {
        Arc::new(TimestampMicrosecondArray::from_iter_values(events.iter().map(time)).with_timezone("UTC")) as ArrayRef
    };
    let mut columns = vec![
        texts(|event| event.op.as_str().into()),
        times(&|event| event.event_time_us),
        texts(|event| event.sequence.to_sequence().to_string()),
        texts(|event| event.domain.0.clone()),
        Arc::new(Int64Array::from_value(ordinal, events.len())),
        times(&|_| ingested_at_us),
        unset_column(events),
    ];
    if !table.keys().is_empty() {
        columns.push(old_key_column(table, events));
    }
    for field in table.fields() {
        let cells: Vec<Option<&Cell>> = events.iter().map(|event| event.image.get(field.name())).collect();
        columns.push(to_array(field.data_type(), &cells));
    }
    let batch = RecordBatch::try_new(changelog_schema(table), columns).expect("events fit the layout of a changelog");
    ChangeBatch::try_new(batch).expect("the layout is a changelog's")
}

fn unset_column(events: &[Event]) -> ArrayRef {
    let names = events.iter().flat_map(|event| &event.unset).map(Some).collect::<StringArray>();
    let offsets = OffsetBuffer::from_lengths(events.iter().map(|event| event.unset.len()));
    let some: NullBuffer = events.iter().map(|event| !event.unset.is_empty()).collect();
    Arc::new(ListArray::new(Arc::new(Field::new("element", DataType::Utf8, true)), offsets, Arc::new(names), Some(some)))
}

fn old_key_column(table: &TableSchema, events: &[Event]) -> ArrayRef {
    let old_key = |key: &Key| Cell::Struct(table.keys().iter().cloned().zip(key.iter().cloned()).collect());
    let cells: Vec<Option<Cell>> = events.iter().map(|event| event.old_key.as_ref().map(old_key)).collect();
    Arc::new(to_struct(&key_fields(table), &cells.iter().map(Option::as_ref).collect::<Vec<_>>()))
}

/// The rows of all batches, sorted. Two rows of one key stay two.
pub fn sorted_rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows: Vec<Row> = batches.iter().flat_map(to_rows).collect();
    rows.sort();
    rows
}

/// The rows of a table with these key columns as a state, for folding further. Panics when a key comes twice.
pub fn to_state(batches: &[RecordBatch], keys: &[String]) -> State {
    let mut state = State::default();
    for row in batches.iter().flat_map(to_rows) {
        if keys.is_empty() {
            state.appended.push(row);
            continue;
        }
        let key = keys.iter().map(|column| row.get(column).expect("a key is not null").clone()).collect();
        let twice = state.rows.insert(key, row);
        assert!(twice.is_none(), "a key has two rows: {twice:?}");
    }
    state
}

/// Panics with the first rows that differ unless `found` holds exactly the rows of `expected`.
#[track_caller]
pub fn assert_rows(expected: &State, found: &[RecordBatch]) {
    assert_same_rows(&expected.contents(), &sorted_rows(found));
}

/// Panics with the first rows that differ. Both are sorted.
#[track_caller]
pub fn assert_same_rows(expected: &[Row], found: &[Row]) {
    let missing = surplus(expected, found);
    let unexpected = surplus(found, expected);
    let first = |rows: &[&Row]| rows.iter().take(5).map(|row| format!("\n    {row:?}")).collect::<String>();
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "of {} rows {} are missing:{}\n  and {} are not expected:{}",
        expected.len(),
        missing.len(),
        first(&missing),
        unexpected.len(),
        first(&unexpected)
    );
}

/// Rows of sorted `left` beyond those of sorted `right`, each as often as it is surplus.
fn surplus<'a>(left: &'a [Row], right: &[Row]) -> Vec<&'a Row> {
    let mut right = right.iter().peekable();
    let mut surplus = Vec::new();
    for row in left {
        while right.next_if(|other| *other < row).is_some() {}
        if right.next_if_eq(&row).is_none() {
            surplus.push(row);
        }
    }
    surplus
}
