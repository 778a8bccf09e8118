//! Collapse: many events of a key become its newest image (DESIGN.md rules 2, 5, 6, 7, 8).
//!
//! The fold works on row numbers; columns are touched once, when [`Collapsed::assemble`] gathers the images. What the
//! events do not say about a key is `Before`: the row that the key had in the state which they fold onto.

mod assemble;
mod fold;
mod split;

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::datatypes::Schema;
use arrow::row::Row;

pub use self::assemble::{Assembled, BeforeRows};
use self::fold::{Folder, Image};
pub use self::split::{Split, split};
use crate::change::{ChangeBatch, Op, key_fields};
use crate::conform::conform_batch;
use crate::error::Result;
use crate::key::{KeyEncoder, KeyId, KeyIndex};
use crate::schema::TableSchema;
use crate::sequence::position_of;

/// What the events leave of each key that they touch.
#[derive(Debug)]
pub struct Collapsed {
    keys: Arc<KeyIndex>,
    encoder: Arc<KeyEncoder>,
    outcomes: Vec<Outcome>,
    /// Whether all rows of the state before go, because the source truncated the table.
    pub truncated: bool,
    /// Events that were in the batch more than once.
    pub repeated: u64,
    /// Unset columns without any row to take them from.
    unresolved: u64,
}

/// What is left of one key.
#[derive(Debug)]
enum Outcome {
    /// Only named, as the old key of a change: stays as it is.
    Untouched,
    Deleted,
    Upserted(Image),
}

/// Folds `events`, in any order, onto a state that is not read yet. The table has a key. Of the source's columns only those
/// of the key are looked at.
pub fn collapse(events: &ChangeBatch, schema: &TableSchema) -> Result<Collapsed> {
    let fields = key_fields(schema);
    let encoder = KeyEncoder::new(&fields)?;
    let mut keys = KeyIndex::default();
    let key_rows = encoder.encode(conform_batch(events.batch(), &Arc::new(Schema::new(fields)))?.columns())?;
    let old_keys = match events.old_keys() {
        Some(old) if old.null_count() < old.len() => Some((old, encoder.encode(old.columns())?)),
        _ => None,
    };
    let unset = UnsetColumns::of(events, schema)?;
    let (order, repeated) = fold_order(events);

    let mut folder = Folder::new(schema.fields().len());
    let mut position = None;
    for row in order {
        let at = row as usize;
        let here = (events.domains().value(at), position_of(events.sequences().value(at)));
        if position.replace(here) != Some(here) {
            folder.next_place();
        }
        let op = events.op(at)?;
        if op == Op::Truncate {
            folder.truncate();
            continue;
        }
        let key = keys.insert(key_rows.row(at));
        let old = old_keys.as_ref().filter(|(old, _)| old.is_valid(at)).map(|(_, rows)| keys.insert(rows.row(at)));
        match op {
            Op::Delete => folder.delete(key),
            Op::Read => folder.read(key, row, unset.of_row(at)),
            _ => folder.change(key, old, row, unset.of_row(at)),
        }
    }
    let truncated = folder.truncated();
    let unresolved = folder.unresolved();
    let outcomes = folder.outcomes(keys.len());
    Ok(Collapsed { keys: Arc::new(keys), encoder: Arc::new(encoder), outcomes, truncated, repeated, unresolved })
}

impl Collapsed {
    pub fn keys(&self) -> &Arc<KeyIndex> {
        &self.keys
    }

    pub fn key(&self, key: KeyId) -> Row<'_> {
        self.keys.key(key)
    }

    pub fn encoder(&self) -> &Arc<KeyEncoder> {
        &self.encoder
    }

    /// Keys whose row in the state before leaves or is replaced.
    pub fn touched(&self) -> impl Iterator<Item = KeyId> {
        self.keys.ids().filter(|id| self.touches(*id))
    }

    pub fn touches(&self, key: KeyId) -> bool {
        !matches!(self.outcomes[key.index()], Outcome::Untouched)
    }

    pub fn is_deleted(&self, key: KeyId) -> bool {
        matches!(self.outcomes[key.index()], Outcome::Deleted)
    }

    /// Keys that have a row in the end, and the event that gives all of its columns; `None` where several rows give them.
    pub fn images(&self) -> impl Iterator<Item = (KeyId, Option<u32>)> {
        self.keys.ids().zip(&self.outcomes).filter_map(|(key, outcome)| match outcome {
            Outcome::Upserted(image) => Some((key, image.patches.is_empty().then_some(image.row))),
            Outcome::Untouched | Outcome::Deleted => None,
        })
    }

    /// Keys whose row in the state before is needed to fill unset columns.
    pub fn needed_before(&self) -> Vec<KeyId> {
        let mut needed: Vec<KeyId> = self
            .outcomes
            .iter()
            .filter_map(|o| if let Outcome::Upserted(image) = o { Some(image) } else { None })
            .flat_map(Image::before_keys)
            .collect();
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}

/// The source's columns as the table has them, but nullable, since a delete carries its key only.
fn source_columns(events: &ChangeBatch, schema: &TableSchema) -> Result<RecordBatch> {
    let nullable: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    conform_batch(events.batch(), &Arc::new(Schema::new(nullable)))
}

/// Row numbers in the order of their domain and sequence, each event once, and how many were repeats.
pub fn fold_order(events: &ChangeBatch) -> (Vec<u32>, u64) {
    let (domains, sequences) = (events.domains(), events.sequences());
    let position = |row: u32| (domains.value(row as usize), sequences.value(row as usize));
    let mut order: Vec<u32> = (0..events.len() as u32).collect();
    if !order.is_sorted_by(|a, b| position(*a) < position(*b)) {
        order.sort_by(|a, b| position(*a).cmp(&position(*b)));
        order.dedup_by(|b, a| position(*a) == position(*b));
    }
    let repeated = events.len() - order.len();
    (order, repeated as u64)
}

/// Which columns of each row the source did not send, as indices into the table's columns.
struct UnsetColumns {
    by_row: Vec<Option<Box<[usize]>>>,
}

impl UnsetColumns {
    fn of(events: &ChangeBatch, schema: &TableSchema) -> Result<Self> {
        let all_set = events.batch().column_by_name(crate::change::UNSET).is_none_or(|c| c.null_count() == c.len());
        if all_set {
            return Ok(Self { by_row: Vec::new() });
        }
        let by_row = (0..events.len())
            .map(|row| {
                let columns: Box<[usize]> = events.unset(row).iter().filter_map(|name| schema.index_of(name)).collect();
                (!columns.is_empty()).then_some(columns)
            })
            .collect();
        Ok(Self { by_row })
    }

    fn of_row(&self, row: usize) -> &[usize] {
        self.by_row.get(row).and_then(Option::as_deref).unwrap_or_default()
    }
}

/// Rows of `batch` by number.
pub fn take_rows(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    Ok(arrow::compute::take_record_batch(batch, &UInt32Array::from(rows.to_vec()))?)
}
