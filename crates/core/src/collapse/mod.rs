//! Collapse: many events of a key become its newest image (DESIGN.md rules 2, 5, 6, 7, 8).
//!
//! The fold works on row numbers; columns are touched once, when [`Collapsed::assemble`] gathers the images. What the
//! events do not say about a key is `Before`: the row that the key had in the state which they fold onto.

mod assemble;
mod fold;
mod split;

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StructArray, UInt32Array};
use arrow::datatypes::Schema;
use arrow::row::Rows;

pub(crate) use self::assemble::gather;
pub use self::assemble::{Assembled, BeforeRows};
use self::fold::Folder;
pub(crate) use self::fold::{Image, Slot};
pub use self::split::{Split, split};
use crate::change::{ChangeBatch, Op, key_fields};
use crate::conform::conform_batch;
use crate::error::Result;
use crate::key::{Key, KeyEncoder, KeyId, KeyIndex};
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
    let mut folding = Folding::new(events, schema)?;
    let (order, repeated) = fold_order(events);
    for row in order {
        folding.apply(row)?;
    }
    let Folding { keys, encoder, folder, .. } = folding;
    let truncated = folder.truncated();
    let unresolved = folder.unresolved();
    let outcomes = folder.outcomes(keys.len());
    Ok(Collapsed { keys: Arc::new(keys), encoder: Arc::new(encoder), outcomes, truncated, repeated, unresolved })
}

/// Events on their way onto a state, one after the other.
pub(crate) struct Folding<'a> {
    events: &'a ChangeBatch,
    key_rows: Rows,
    old_keys: Option<(&'a StructArray, Rows)>,
    unset: UnsetColumns,
    keys: KeyIndex,
    encoder: KeyEncoder,
    folder: Folder,
    /// Domain and position of the event that was applied last.
    here: Option<(&'a str, &'a str)>,
}

impl<'a> Folding<'a> {
    pub(crate) fn new(events: &'a ChangeBatch, schema: &TableSchema) -> Result<Self> {
        let fields = key_fields(schema);
        let encoder = KeyEncoder::new(&fields)?;
        let key_rows = encoder.encode(conform_batch(events.batch(), &Arc::new(Schema::new(fields)))?.columns())?;
        let old_keys = match events.old_keys() {
            Some(old) if old.null_count() < old.len() => Some((old, encoder.encode(old.columns())?)),
            _ => None,
        };
        let unset = UnsetColumns::of(events, schema)?;
        let folder = Folder::new(schema.fields().len());
        Ok(Self { events, key_rows, old_keys, unset, keys: KeyIndex::default(), encoder, folder, here: None })
    }

    pub(crate) fn apply(&mut self, row: u32) -> Result<()> {
        let at = row as usize;
        let here = (self.events.domains().value(at), position_of(self.events.sequences().value(at)));
        if self.here.replace(here) != Some(here) {
            self.folder.next_place();
        }
        let Some((key, old)) = self.keys_of(row)? else {
            self.folder.truncate();
            return Ok(());
        };
        match self.events.op(at)? {
            Op::Delete => self.folder.delete(key),
            Op::Read => self.folder.read(key, row, self.unset.of_row(at)),
            _ => self.folder.change(key, old, row, self.unset.of_row(at)),
        }
        Ok(())
    }

    /// The key of an event, and the one whose row it continues; `None` for a truncate.
    pub(crate) fn keys_of(&mut self, row: u32) -> Result<Option<(KeyId, Option<KeyId>)>> {
        let at = row as usize;
        if self.events.op(at)? == Op::Truncate {
            return Ok(None);
        }
        let key = self.keys.insert(self.key_rows.row(at));
        let continued = self.old_keys.as_ref().filter(|(old, _)| old.is_valid(at) && !self.unset.of_row(at).is_empty());
        Ok(Some((key, continued.map(|(_, rows)| self.keys.insert(rows.row(at))))))
    }

    /// Forgets what was applied to these keys, and all truncates.
    pub(crate) fn restart(&mut self, keys: impl Iterator<Item = KeyId>) {
        self.folder.restart(keys);
        self.here = None;
    }

    /// What a key has after the events that were applied.
    pub(crate) fn slot(&mut self, key: KeyId) -> Slot {
        self.folder.slot(key)
    }

    pub(crate) fn keys(&self) -> &KeyIndex {
        &self.keys
    }

    pub(crate) fn into_keys(self) -> KeyIndex {
        self.keys
    }
}

impl Collapsed {
    pub fn keys(&self) -> &Arc<KeyIndex> {
        &self.keys
    }

    pub fn key(&self, key: KeyId) -> Key<'_> {
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

/// By row, how an event ranks among those of its key: where none of them leaves a column unset and none is a truncate, the
/// greatest is what the fold leaves. 0 for repeats. A snapshot read ranks below any change (DESIGN.md rule 7).
pub fn precedence(events: &ChangeBatch) -> Result<Vec<u64>> {
    let mut ranks = vec![0; events.len()];
    for (place, row) in (1_u64..).zip(fold_order(events).0) {
        let is_change = events.op(row as usize)? != Op::Read;
        ranks[row as usize] = place | u64::from(is_change) << u32::BITS;
    }
    Ok(ranks)
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
