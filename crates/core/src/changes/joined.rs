//! Changes that are told by what stands there before and after, not by events: what a newer baseline says other than the events
//! before it, and the net change of a key over several epochs.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray, UInt32Array,
    new_null_array,
};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{filter_record_batch, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::row::Rows;

use super::{AFTER, BEFORE, RANK, difference, feed_schema};
use crate::change::{DOMAIN, EVENT_TIME, OLD_KEY, OP, Op, SEQUENCE, key_fields};
use crate::conform::conform_batch;
use crate::error::{Error, Result};
use crate::key::KeyEncoder;
use crate::record::Baseline;
use crate::schema::TableSchema;

/// How the names of the columns begin that hold the key of a row in [`keyed_schema`].
const KEY: &str = "_key.";
/// Tells rows of one key apart that follow upon each other.
const STEP: &str = "_step";

/// What stands in a feed in the place of an event's identity, for what a baseline says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// From when on the baseline counts.
    pub at_us: i64,
    domain: String,
    sequence: String,
}

/// Of which side of a turn a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

impl Turn {
    /// A run of snapshot reads goes by its domain and position, any other baseline by its tag and no sequence.
    pub fn to(baseline: &Baseline, at_us: i64) -> Self {
        let (domain, sequence) = match (&baseline.run, &baseline.anchor) {
            (Some(run), _) => (run.domain.0.clone(), run.position.clone()),
            (None, anchor) => (anchor.clone().unwrap_or_default(), String::new()),
        };
        Self { at_us, domain, sequence }
    }

    /// Rows of the table that are there on one side, in the layout of [`feed_schema`]: as if all went, and all came.
    pub fn rows(&self, table: &TableSchema, side: Side, rows: &RecordBatch) -> Result<RecordBatch> {
        let (feed, count) = (feed_schema(table), rows.num_rows());
        let (op, filled) = match side {
            Side::Before => (Op::Delete, BEFORE),
            Side::After => (Op::Create, AFTER),
        };
        let column = |field: &Arc<Field>| -> Result<ArrayRef> {
            Ok(match (field.name().as_str(), field.data_type()) {
                (OP, _) => Arc::new(StringArray::from(vec![op.as_str(); count])),
                (EVENT_TIME, _) => Arc::new(TimestampMicrosecondArray::from_value(self.at_us, count).with_timezone("UTC")),
                (SEQUENCE, _) => Arc::new(StringArray::from(vec![self.sequence.as_str(); count])),
                (DOMAIN, _) => Arc::new(StringArray::from(vec![self.domain.as_str(); count])),
                (RANK, _) => Arc::new(Int32Array::from_value(0, count)),
                (name, DataType::Struct(columns)) if name == filled => {
                    Arc::new(StructArray::from(conform_batch(rows, &Arc::new(Schema::new(columns.clone())))?))
                }
                (_, data_type) => new_null_array(data_type, count),
            })
        };
        Ok(RecordBatch::try_new(feed.clone(), feed.fields().iter().map(column).collect::<Result<_>>()?)?)
    }
}

/// The columns that tell which rows of a feed are of one thing: the table's key, and all columns where it has none.
fn identifying(table: &TableSchema) -> Fields {
    if table.keys().is_empty() { table.fields().iter().cloned().collect() } else { key_fields(table) }
}

/// The columns of [`feed_schema`], those of the key, and [`STEP`].
pub fn keyed_schema(table: &TableSchema) -> SchemaRef {
    let feed = feed_schema(table);
    let keys = identifying(table)
        .iter()
        .map(|field| Arc::new(field.as_ref().clone().with_name(format!("{KEY}{}", field.name())).with_nullable(true)))
        .collect::<Vec<_>>();
    let step = Arc::new(Field::new(STEP, DataType::Int32, false));
    Arc::new(Schema::new(feed.fields().iter().cloned().chain(keys).chain([step]).collect::<Vec<_>>()))
}

/// Names of the columns by which rows of [`keyed_schema`] are sorted for [`joined`].
pub fn joined_order(table: &TableSchema) -> Vec<String> {
    let keys = identifying(table);
    keys.iter().map(|field| format!("{KEY}{}", field.name())).chain([STEP.to_owned()]).collect()
}

/// Rows of a feed with their keys and a step, in the layout of [`keyed_schema`].
pub fn keyed(table: &TableSchema, rows: &RecordBatch, step: i32) -> Result<RecordBatch> {
    let (before, after) = (images(rows, BEFORE)?, images(rows, AFTER)?);
    let was_there: BooleanArray = (0..rows.num_rows()).map(|row| Some(before.is_valid(row))).collect();
    let mut columns = rows.columns().to_vec();
    for field in &identifying(table) {
        let of = |images: &StructArray| {
            images.column_by_name(field.name()).cloned().ok_or_else(|| Error::internal("a feed lacks a column of the table"))
        };
        columns.push(zip(&was_there, &of(before)?, &of(after)?)?);
    }
    columns.push(Arc::new(Int32Array::from_value(step, rows.num_rows())));
    Ok(RecordBatch::try_new(keyed_schema(table), columns)?)
}

fn images<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a StructArray> {
    rows.column_by_name(name).and_then(|images| images.as_struct_opt()).ok_or_else(|| Error::internal("a feed lacks its images"))
}

/// The rows of one key as one change, in the layout of [`feed_schema`]: from what stood before the first to what stands after the
/// last, and none where both are equal. Rows without a key that went and came as often are none. Rows are sorted by [`joined_order`].
/// Returns also how many of the rows were joined: all but those of the last key, of which more may follow unless `is_end`.
pub fn joined(table: &TableSchema, rows: &RecordBatch, is_end: bool) -> Result<(RecordBatch, usize)> {
    let feed = feed_schema(table);
    let (width, step) = (feed.fields().len(), rows.num_columns() - 1);
    let keys = KeyEncoder::new(&identifying(table))?.encode(&rows.columns()[width..step])?;
    let groups = groups(&keys, is_end);
    let done = groups.last().map_or(0, |last| last.end);
    let (mut first, mut last) = (Vec::new(), Vec::new());
    if table.keys().is_empty() {
        let went = images(rows, BEFORE)?;
        for row in groups.into_iter().flat_map(|group| left_over(went, group)) {
            first.push(row as u32);
            last.push(row as u32);
        }
    } else {
        first.extend(groups.iter().map(|group| group.start as u32));
        last.extend(groups.iter().map(|group| group.end as u32 - 1));
    }
    let told = rows.project(&(0..width).collect::<Vec<_>>())?;
    Ok((spans(&feed, &told, first, last)?, done))
}

/// Rows that follow upon each other with one key.
fn groups(keys: &Rows, is_end: bool) -> Vec<Range<usize>> {
    let (mut groups, mut from) = (Vec::new(), 0);
    for end in 1..=keys.num_rows() {
        let is_last = end == keys.num_rows();
        if if is_last { is_end } else { keys.row(end) != keys.row(from) } {
            groups.push(from..end);
            from = end;
        }
    }
    groups
}

/// Of equal rows, those that went and then those that came, the ones that have no counterpart.
fn left_over(went: &StructArray, group: Range<usize>) -> impl Iterator<Item = usize> {
    let came = group.clone().find(|row| went.is_null(*row)).unwrap_or(group.end);
    let pairs = (came - group.start).min(group.end - came);
    (group.start + pairs..came).chain(came + pairs..group.end)
}

/// Changes from before some rows to after others.
fn spans(feed: &SchemaRef, rows: &RecordBatch, first: Vec<u32>, last: Vec<u32>) -> Result<RecordBatch> {
    let was = take(images(rows, BEFORE)?, &UInt32Array::from(first), None)?;
    let spans = take_record_batch(rows, &UInt32Array::from(last))?;
    let is = images(&spans, AFTER)?;
    let images = KeyEncoder::new(&vec![Field::new(BEFORE, was.data_type().clone(), true)].into())?;
    let (was_rows, is_rows) = (images.encode(std::slice::from_ref(&was))?, images.encode(&[Arc::new(is.clone()) as ArrayRef])?);
    let op = |row: usize| if was_rows.row(row) == is_rows.row(row) { None } else { difference(was.as_struct(), is, row) };
    let ops: Vec<Option<Op>> = (0..spans.num_rows()).map(op).collect();
    let differs: BooleanArray = ops.iter().map(|op| Some(op.is_some())).collect();
    let ops: ArrayRef = Arc::new(ops.iter().map(|op| Some(op.unwrap_or(Op::Update).as_str())).collect::<StringArray>());
    let column = |(field, column): (&Arc<Field>, &ArrayRef)| match field.name().as_str() {
        OP => ops.clone(),
        BEFORE => was.clone(),
        OLD_KEY => new_null_array(field.data_type(), spans.num_rows()),
        _ => column.clone(),
    };
    let columns = feed.fields().iter().zip(spans.columns()).map(column).collect();
    Ok(filter_record_batch(&RecordBatch::try_new(feed.clone(), columns)?, &differs)?)
}
