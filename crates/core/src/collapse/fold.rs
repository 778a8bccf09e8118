//! The fold over row numbers.

use super::Outcome;
use crate::key::KeyId;

/// Where a row's columns come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Event row that gives all columns but the patched ones.
    pub row: u32,
    pub patches: Vec<(usize, Cell)>,
}

/// Where one unset column comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Event(u32),
    /// The row of this key in the state before, and else the cell that follows.
    Before(KeyId, Box<Cell>),
    Null,
}

impl Cell {
    /// The cell, and where it comes to nothing the other.
    fn or(self, other: Self) -> Self {
        match self {
            Self::Event(row) => Self::Event(row),
            Self::Before(key, rest) => Self::Before(key, Box::new(rest.or(other))),
            Self::Null => other,
        }
    }

    fn before_keys(&self) -> impl Iterator<Item = KeyId> {
        let mut at = self;
        std::iter::from_fn(move || {
            let Self::Before(key, rest) = at else { return None };
            at = rest;
            Some(*key)
        })
    }
}

impl Image {
    pub(super) fn before_keys(&self) -> impl Iterator<Item = KeyId> {
        self.patches.iter().flat_map(|(_, cell)| cell.before_keys())
    }
}

/// What a key has at a point of the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Nothing,
    /// Whatever the state before holds.
    Before(KeyId),
    Image(Image),
}

#[derive(Clone, Debug)]
enum Row {
    /// Whatever the state before holds.
    Before,
    Present(Image),
    /// Deleted, at a place of the order. What it was just before stays known, for a key change of the same place.
    Absent {
        was: Option<Was>,
        place: u32,
    },
}

impl Row {
    fn cell(&self, key: KeyId, column: usize) -> Cell {
        match self {
            Self::Before => Cell::Before(key, Box::new(Cell::Null)),
            Self::Present(image) => image.cell(column),
            Self::Absent { .. } => Cell::Null,
        }
    }
}

#[derive(Clone, Debug)]
enum Was {
    Before,
    Image(Image),
}

#[derive(Clone, Debug)]
struct KeyState {
    row: Row,
    /// Whether a change, not only snapshot reads, was folded since the last truncate.
    changed: bool,
    touched: bool,
    /// Number of truncates that this state has seen.
    truncates: u32,
}

impl KeyState {
    const BEFORE: Self = Self { row: Row::Before, changed: false, touched: false, truncates: 0 };
}

pub(super) struct Folder {
    states: Vec<KeyState>,
    truncates: u32,
    unresolved: u64,
    columns: usize,
    /// Number of the position of the events at hand.
    place: u32,
}

impl Folder {
    pub(super) fn new(columns: usize) -> Self {
        Self { states: Vec::new(), truncates: 0, unresolved: 0, columns, place: 0 }
    }

    /// The events from here on have another position than those before.
    pub(super) fn next_place(&mut self) {
        self.place += 1;
    }

    pub(super) fn truncate(&mut self) {
        self.truncates += 1;
    }

    pub(super) fn truncated(&self) -> bool {
        self.truncates > 0
    }

    pub(super) fn unresolved(&self) -> u64 {
        self.unresolved
    }

    pub(super) fn delete(&mut self, key: KeyId) {
        let place = self.place;
        let state = self.state(key);
        let was = match std::mem::replace(&mut state.row, Row::Before) {
            Row::Before => Some(Was::Before),
            Row::Present(image) => Some(Was::Image(image)),
            Row::Absent { .. } => None,
        };
        *state = KeyState { row: Row::Absent { was, place }, changed: true, touched: true, ..*state };
    }

    /// A snapshot read ranks below any change of its key: it fills only what the changes left without a value.
    pub(super) fn read(&mut self, key: KeyId, row: u32, unset: &[usize]) {
        let state = self.state(key);
        if !state.changed {
            return self.set(key, None, row, unset);
        }
        let Row::Present(image) = &mut state.row else { return };
        let mut filled = 0;
        for (_, cell) in image.patches.iter_mut().filter(|(column, _)| !unset.contains(column)) {
            filled += u64::from(matches!(cell, Cell::Null));
            *cell = std::mem::replace(cell, Cell::Null).or(Cell::Event(row));
        }
        self.unresolved -= filled;
    }

    pub(super) fn change(&mut self, key: KeyId, old: Option<KeyId>, row: u32, unset: &[usize]) {
        self.set(key, old, row, unset);
        self.state(key).changed = true;
    }

    fn set(&mut self, key: KeyId, old: Option<KeyId>, row: u32, unset: &[usize]) {
        let patches = unset.iter().map(|&column| (column, self.cell(key, old, column))).collect();
        let state = self.state(key);
        state.row = Row::Present(Image { row, patches });
        state.touched = true;
    }

    /// Where an unset column of an event on `key` comes from: the row before it, or the row that a key change continues. Where
    /// the old key has none, as when a dump holds the row under its new key already, it is the row of the key itself.
    fn cell(&mut self, key: KeyId, old: Option<KeyId>, column: usize) -> Cell {
        debug_assert!(column < self.columns);
        let (from, here) = (old.unwrap_or(key), self.place);
        let own = if old.is_some() { self.state(key).row.cell(key, column) } else { Cell::Null };
        let cell = match &self.state(from).row {
            Row::Absent { was: Some(Was::Image(image)), place } if old.is_some() && *place == here => image.cell(column),
            Row::Absent { was: Some(Was::Before), place } if old.is_some() && *place == here => Cell::Before(from, Box::new(own)),
            Row::Present(image) => image.cell(column),
            Row::Before => Cell::Before(from, Box::new(own)),
            Row::Absent { .. } => own,
        };
        if matches!(cell, Cell::Null) {
            self.unresolved += 1;
        }
        cell
    }

    /// The state of a key, with the truncates since it was last touched applied.
    fn state(&mut self, key: KeyId) -> &mut KeyState {
        if self.states.len() <= key.index() {
            self.states.resize(key.index() + 1, KeyState::BEFORE);
        }
        let truncates = self.truncates;
        let state = &mut self.states[key.index()];
        if state.truncates < truncates {
            *state = KeyState { row: Row::Absent { was: None, place: 0 }, changed: false, touched: true, truncates };
        }
        state
    }

    pub(super) fn slot(&mut self, key: KeyId) -> Slot {
        match &self.state(key).row {
            Row::Before => Slot::Before(key),
            Row::Present(image) => Slot::Image(image.clone()),
            Row::Absent { .. } => Slot::Nothing,
        }
    }

    /// Forgets what was folded of these keys, and all truncates.
    pub(super) fn restart(&mut self, keys: impl Iterator<Item = KeyId>) {
        self.truncates = 0;
        for key in keys {
            if let Some(state) = self.states.get_mut(key.index()) {
                *state = KeyState::BEFORE;
            }
        }
    }

    pub(super) fn outcomes(mut self, keys: usize) -> Vec<Outcome> {
        let truncates = self.truncates;
        self.states.resize(keys, KeyState { row: Row::Before, changed: false, touched: false, truncates });
        let outcome = |state: KeyState| match state.row {
            _ if state.truncates < truncates => Outcome::Deleted,
            Row::Before => Outcome::Untouched,
            Row::Present(image) => Outcome::Upserted(image),
            Row::Absent { .. } => Outcome::Deleted,
        };
        self.states.into_iter().map(outcome).collect()
    }
}

impl Image {
    fn cell(&self, column: usize) -> Cell {
        self.patches.iter().find(|(at, _)| *at == column).map_or(Cell::Event(self.row), |(_, cell)| cell.clone())
    }
}
