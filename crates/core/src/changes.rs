//! Changes: what happened to the rows of a table between two event times T1 and T2.
//!
//! The feed has the events of (T1, T2] by event time, domain and sequence. Before and after are the row of the event's key
//! as of everything that stands in the feed above the event, without it and with it. So the state at T1, with the feed applied
//! to it, is the state at T2, and the same holds for any moment in between.
//!
//! Event times mostly run as sequences do. Where they do not, an event comes into the middle of what its key has seen, and what it
//! changes there is told by folding anew: mostly nothing, but it may be another key whose row continues the event's, or rows that
//! outlive a truncate which comes after them in the feed. Such a consequence is a row of its own, directly after the event and
//! with its time and sequence.
//!
//! A baseline that begins to count between T1 and T2 may say other than the events before it. The rows that it changes follow upon
//! all events of its time.

mod appended;
mod joined;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch, StringArray, StructArray, UInt32Array, new_null_array};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

pub use self::appended::appended;
pub use self::joined::{Side, Turn, joined, joined_order, keyed, keyed_schema};
pub use self::walk::walk;
use crate::change::{ChangeBatch, DOMAIN, EVENT_TIME, OLD_KEY, OP, Op, SEQUENCE, key_fields};
use crate::collapse::{BeforeRows, Slot, gather};
use crate::conform::conform_batch;
use crate::error::Result;
use crate::key::KeyIndex;
use crate::schema::{TableSchema, timestamp_utc};

pub const BEFORE: &str = "before";
pub const AFTER: &str = "after";
/// Tells rows of one event apart: 0 for the event's own, 1 for its consequences. Not for users.
pub const RANK: &str = "_rank";

/// What is told of a key that changed more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    EveryEvent,
    /// One change from T1 to T2, and none where both have the same row.
    Net,
}

/// The columns of a feed, and [`RANK`]. `before` and `after` are structs of the table's columns.
pub fn feed_schema(table: &TableSchema) -> SchemaRef {
    let nullable: Fields = table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let mut fields = vec![
        Field::new(OP, DataType::Utf8, false),
        Field::new(EVENT_TIME, timestamp_utc(), false),
        Field::new(SEQUENCE, DataType::Utf8, false),
        Field::new(DOMAIN, DataType::Utf8, false),
    ];
    if !table.keys().is_empty() {
        fields.push(Field::new(OLD_KEY, DataType::Struct(key_fields(table)), true));
    }
    fields.push(Field::new(BEFORE, DataType::Struct(nullable.clone()), true));
    fields.push(Field::new(AFTER, DataType::Struct(nullable), true));
    fields.push(Field::new(RANK, DataType::Int32, false));
    Arc::new(Schema::new(fields))
}

/// The rows of a feed by where their values come from.
#[derive(Debug)]
pub struct Walked<'a> {
    events: &'a ChangeBatch,
    schema: &'a TableSchema,
    keys: KeyIndex,
    steps: Vec<Step>,
}

/// One row of a feed.
#[derive(Clone, Debug)]
struct Step {
    /// Row of the event.
    event: u32,
    before: Slot,
    after: Slot,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// As the source sent it.
    AsLogged,
    /// By the rows before and after; not at all when they are equal.
    ByRows,
}

impl Walked<'_> {
    /// The keys that the events are of, and those whose rows they continue.
    pub fn keys(&self) -> &KeyIndex {
        &self.keys
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// A part of the steps as rows in the layout of [`feed_schema`]. `before` has the rows that the keys have in the state which the
    /// events fold onto.
    pub fn assemble(&self, steps: Range<usize>, before: &BeforeRows) -> Result<RecordBatch> {
        let steps = &self.steps[steps];
        let was = gather(steps.iter().map(|step| &step.before), self.events, self.schema, before)?;
        let is = gather(steps.iter().map(|step| &step.after), self.events, self.schema, before)?;
        let mut ops = Vec::with_capacity(steps.len());
        for (row, step) in steps.iter().enumerate() {
            ops.push(match step.told {
                Told::AsLogged => Some(self.events.op(step.event as usize)?),
                Told::ByRows => difference(&was, &is, row),
            });
        }
        let told = ops.iter().map(|op| Some(op.is_some())).collect();
        let ops: StringArray = ops.iter().map(|op| Some(op.unwrap_or(Op::Update).as_str())).collect();
        let ranks = Int32Array::from_iter_values(steps.iter().map(|step| i32::from(step.told == Told::ByRows)));
        let rows = UInt32Array::from_iter_values(steps.iter().map(|step| step.event));
        let schema = feed_schema(self.schema);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(ops)];
        for system in [EVENT_TIME, SEQUENCE, DOMAIN] {
            columns.push(take(self.events.batch().column(self.events.batch().schema().index_of(system)?), &rows, None)?);
        }
        if !self.schema.keys().is_empty() {
            columns.push(self.old_keys(steps, &schema)?);
        }
        columns.extend([Arc::new(was) as ArrayRef, Arc::new(is), Arc::new(ranks)]);
        Ok(filter_record_batch(&RecordBatch::try_new(schema, columns)?, &told)?)
    }

    /// Of the create halves of key changes.
    fn old_keys(&self, steps: &[Step], schema: &Schema) -> Result<ArrayRef> {
        let field = schema.field_with_name(OLD_KEY)?;
        let Some(old) = self.events.old_keys() else { return Ok(new_null_array(field.data_type(), steps.len())) };
        let own = |step: &Step| (step.told == Told::AsLogged).then_some(step.event);
        let old = take(old, &steps.iter().map(own).collect::<UInt32Array>(), None)?;
        let old = RecordBatch::try_from_iter([(OLD_KEY, old)])?;
        Ok(conform_batch(&old, &Arc::new(Schema::new(vec![field.clone()])))?.column(0).clone())
    }
}

/// What makes one row out of the other.
fn difference(was: &StructArray, is: &StructArray, row: usize) -> Option<Op> {
    match (was.is_valid(row), is.is_valid(row)) {
        (false, false) => None,
        (false, true) => Some(Op::Create),
        (true, false) => Some(Op::Delete),
        (true, true) => (was.slice(row, 1).to_data() != is.slice(row, 1).to_data()).then_some(Op::Update),
    }
}

/// Truncates as rows of a feed, given by their rows in `events`.
pub fn truncates(schema: &TableSchema, events: &ChangeBatch, rows: &[u32]) -> Result<RecordBatch> {
    let feed = feed_schema(schema);
    let rows = UInt32Array::from(rows.to_vec());
    let columns = feed.fields().iter().map(|field| -> Result<ArrayRef> {
        Ok(match field.data_type() {
            DataType::Struct(_) => new_null_array(field.data_type(), rows.len()),
            DataType::Int32 => Arc::new(Int32Array::from_value(0, rows.len())),
            _ => take(events.batch().column(events.batch().schema().index_of(field.name())?), &rows, None)?,
        })
    });
    Ok(RecordBatch::try_new(feed.clone(), columns.collect::<Result<_>>()?)?)
}

/// The net changes of rows that went because the table was truncated, by the event in this row of `events`.
pub fn truncated(schema: &TableSchema, events: &ChangeBatch, truncate: u32, rows: &RecordBatch) -> Result<RecordBatch> {
    let told = truncates(schema, events, &vec![truncate; rows.num_rows()])?;
    let feed = told.schema();
    let columns = feed.fields().iter().zip(told.columns()).map(|(field, column)| -> Result<ArrayRef> {
        Ok(match (field.name().as_str(), field.data_type()) {
            (OP, _) => Arc::new(StringArray::from(vec![Op::Delete.as_str(); rows.num_rows()])),
            (BEFORE, DataType::Struct(columns)) => {
                Arc::new(StructArray::from(conform_batch(rows, &Arc::new(Schema::new(columns.clone())))?))
            }
            _ => column.clone(),
        })
    });
    Ok(RecordBatch::try_new(feed.clone(), columns.collect::<Result<_>>()?)?)
}

/// Rows of the truncates after a time, in the order of a feed.
pub fn truncates_after(events: &ChangeBatch, since_us: i64) -> Vec<u32> {
    let times = events.event_times();
    let is_truncate = |row: &usize| events.ops().value(*row) == Op::Truncate.as_str() && times.value(*row) > since_us;
    let mut rows: BTreeSet<_> = BTreeSet::new();
    for row in (0..events.len()).filter(is_truncate) {
        rows.insert((times.value(row), events.domains().value(row), events.sequences().value(row), row as u32));
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.dedup_by_key(|(_, domain, sequence, _)| (*domain, *sequence));
    rows.into_iter().map(|(.., row)| row).collect()
}

/// Which events have a part in what changes after a time: those of later times, and, where the table is truncated after it, those
/// that outlive the truncate.
pub fn takes_part(events: &ChangeBatch, since_us: i64) -> impl Fn(usize) -> bool {
    let lowest = truncates_after(events, since_us).into_iter().map(|row| place(events, row as usize)).min();
    move |row| events.event_times().value(row) > since_us || lowest.is_some_and(|lowest| place(events, row) > lowest)
}

/// Domain and sequence.
fn place(events: &ChangeBatch, row: usize) -> (&str, &str) {
    (events.domains().value(row), events.sequences().value(row))
}
