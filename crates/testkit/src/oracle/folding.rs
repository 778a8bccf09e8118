//! One event after the other onto rows.

use std::collections::{BTreeMap, BTreeSet};

use waterline_core::change::Op;

use super::{Event, Order, Refusal, State};
use crate::cell::{Key, Row};

/// A row, with the columns that had no row to come from.
#[derive(Clone, Debug, Default)]
struct Image {
    cells: Row,
    unresolved: BTreeSet<String>,
}

/// The row that a delete took away, for the other half of a key change.
struct Removed {
    sequence: Order,
    key: Key,
    image: Option<Image>,
}

pub(super) struct Folding {
    rows: BTreeMap<Key, Image>,
    appended: Vec<Row>,
    /// Keys with a change since the last truncate: reads rank below it.
    changed: BTreeSet<Key>,
    removed: Option<Removed>,
}

impl Folding {
    pub(super) fn onto(start: &State) -> Self {
        let mut rows: BTreeMap<Key, Image> = BTreeMap::new();
        for (key, row) in &start.rows {
            rows.insert(key.clone(), Image { cells: row.clone(), unresolved: BTreeSet::new() });
        }
        for (key, column) in &start.unresolved {
            rows.entry(key.clone()).or_default().unresolved.insert(column.clone());
        }
        Self { rows, appended: start.appended.clone(), changed: BTreeSet::new(), removed: None }
    }

    pub(super) fn apply(&mut self, event: &Event) -> Result<(), Refusal> {
        match (event.op, &event.key) {
            (Op::Truncate, _) => self.truncate(),
            (Op::Create | Op::Read, None) => self.appended.push(event.image.clone()),
            (Op::Update | Op::Delete, None) => return Err(Refusal::ChangeWithoutKey),
            (Op::Create | Op::Update, Some(key)) => self.upsert(key, event),
            (Op::Delete, Some(key)) => self.delete(key, event.sequence),
            (Op::Read, Some(key)) => self.read(key, event),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> State {
        let mut state = State { appended: self.appended, ..State::default() };
        for (key, image) in self.rows {
            state.unresolved.extend(image.unresolved.into_iter().map(|column| (key.clone(), column)));
            state.rows.insert(key, image.cells);
        }
        state.appended.sort();
        state
    }

    fn truncate(&mut self) {
        self.rows.clear();
        self.appended.clear();
        self.changed.clear();
    }

    fn upsert(&mut self, key: &Key, event: &Event) {
        let continued = event.old_key.as_ref().and_then(|old| self.just_before(old, event.sequence));
        let image = completed(event, continued.or_else(|| self.rows.get(key)));
        self.rows.insert(key.clone(), image);
        self.changed.insert(key.clone());
    }

    fn delete(&mut self, key: &Key, sequence: Order) {
        let image = self.rows.remove(key);
        self.removed = Some(Removed { sequence, key: key.clone(), image });
        self.changed.insert(key.clone());
    }

    fn read(&mut self, key: &Key, event: &Event) {
        if self.changed.contains(key) {
            if let Some(image) = self.rows.get_mut(key) {
                fill_unresolved(image, event);
            }
        } else {
            self.rows.insert(key.clone(), completed(event, None));
        }
    }

    /// The row of `old` just before a key change, whose delete half stands directly before its create half.
    fn just_before(&self, old: &Key, sequence: Order) -> Option<&Image> {
        match &self.removed {
            Some(removed) if &removed.key == old && removed.sequence.is_same_position(sequence) => removed.image.as_ref(),
            _ => self.rows.get(old),
        }
    }
}

/// The event's image, with its unset columns taken from `before`.
fn completed(event: &Event, before: Option<&Image>) -> Image {
    let mut image = Image { cells: event.image.clone(), unresolved: BTreeSet::new() };
    for column in &event.unset {
        if let Some(cell) = before.and_then(|before| before.cells.get(column)) {
            image.cells.insert(column.clone(), cell.clone());
        }
        if before.is_none_or(|before| before.unresolved.contains(column)) {
            image.unresolved.insert(column.clone());
        }
    }
    image
}

fn fill_unresolved(image: &mut Image, read: &Event) {
    for column in std::mem::take(&mut image.unresolved) {
        if read.unset.contains(&column) {
            image.unresolved.insert(column);
        } else if let Some(cell) = read.image.get(&column) {
            image.cells.insert(column, cell.clone());
        }
    }
}
