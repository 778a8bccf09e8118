//! The small database behind a history.

use std::collections::{BTreeMap, BTreeSet};

use waterline_core::change::Op;
use waterline_core::sequence::Domain;

use super::{Feature, History, Start, Step};
use crate::cell::{Cell, Key, Row};
use crate::oracle::{Baseline, Event, Mark, Order, State};

/// 2025-11-12 18:54:11 UTC.
const EPOCH_US: i64 = 1_762_973_651_000_000;
/// Whole milliseconds, so that no format of events loses any of it.
const TICK_US: i64 = 1_000;
const KEYS_PER_DOMAIN: i64 = 4;

pub(super) struct Source {
    start: Start,
    features: BTreeSet<Feature>,
    rows: BTreeMap<Key, Row>,
    events: Vec<Event>,
    moments: Vec<(i64, State)>,
    now_us: i64,
    transaction: u64,
    /// Events in the open transaction.
    in_transaction: u64,
    /// Makes every value new, so that a stale one shows.
    next_value: i64,
}

impl Source {
    pub(super) fn new(start: Start, features: BTreeSet<Feature>) -> Self {
        Self {
            start,
            features,
            rows: BTreeMap::new(),
            events: Vec::new(),
            moments: Vec::new(),
            now_us: EPOCH_US,
            transaction: 1,
            in_transaction: 0,
            next_value: 0,
        }
    }

    /// Puts the first rows in, unless the history starts empty.
    pub(super) fn open(&mut self, dice: u8) {
        if self.start != Start::Empty {
            for key in self.keys().into_iter().take(usize::from(dice % 3)) {
                let row = self.new_row(&key, dice);
                self.rows.insert(key, row);
            }
        }
        if self.start == Start::Run {
            self.emit_run(None);
        }
        self.remember();
        self.step_aside();
    }

    pub(super) fn act(&mut self, step: Step) {
        self.tick(step.time);
        let live: Vec<Key> = self.rows.keys().cloned().collect();
        let dead: Vec<Key> = self.keys().into_iter().filter(|key| !self.rows.contains_key(key)).collect();
        let live = pick(&live, step.key);
        let dead = pick(&dead, step.other);
        match (step.action % 16, live, dead) {
            (0, ..) if self.may_truncate() => self.truncate(),
            (1, ..) if self.may_run() => self.rerun(),
            (2 | 3, Some(live), _) if self.has(Feature::Read) => self.read(live),
            (4 | 5, Some(old), Some(new)) if self.has(Feature::KeyChange) && old[1].domain() == new[1].domain() => {
                self.change_key(old, new, step.columns)
            }
            (6..=8, Some(live), _) => self.delete(live),
            (9..=12, _, Some(dead)) => self.create(dead, step.columns),
            (_, Some(live), _) => self.update(live, step.columns),
            (_, None, Some(dead)) => self.create(dead, step.columns),
            (_, None, None) => {}
        }
        self.remember();
    }

    pub(super) fn into_history(self, dice: u8) -> History {
        let baseline = self.baseline(usize::from(dice));
        let mut moments = self.moments;
        if self.features.contains(&Feature::Backdated) {
            let last_us = self.events.iter().map(|event| event.event_time_us).max().unwrap_or(EPOCH_US);
            let truth = moments.pop().expect("the opening is a moment").1;
            moments = vec![(last_us, truth)];
        }
        History { baseline, events: self.events, moments }
    }

    fn baseline(&self, dice: usize) -> Baseline {
        let (open_us, open) = self.moments[0].clone();
        let (cut_us, cut) = self.moments[dice % self.moments.len()].clone();
        // A backdated event after the cut belongs to the dump by its time, though the dump lacks it.
        let cut_is_clean = !self.has(Feature::Backdated);
        match self.start {
            Start::Empty | Start::Run => Baseline::empty(),
            Start::DumpInside if cut_is_clean => Baseline::at(cut, cut_us),
            Start::DumpWithin if cut_is_clean => {
                let from_us = self.moments[(dice % self.moments.len()) / 2].0;
                let until_us = self.moments[(dice % self.moments.len() + self.moments.len()) / 2].0;
                Baseline::within(cut, from_us, until_us.max(cut_us))
            }
            Start::Dump | Start::DumpInside | Start::DumpWithin => Baseline::at(open, open_us),
        }
    }

    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    fn may_truncate(&self) -> bool {
        self.has(Feature::Truncate) && !self.has(Feature::TwoDomains)
    }

    fn may_run(&self) -> bool {
        self.has(Feature::Run) && !self.has(Feature::TwoDomains) && !self.has(Feature::Backdated) && !self.rows.is_empty()
    }

    fn keys(&self) -> Vec<Key> {
        let domains = if self.has(Feature::TwoDomains) { 2 } else { 1 };
        (0..domains * KEYS_PER_DOMAIN).map(|id| vec![Cell::from(["north", "söuth"][(id % 2) as usize]), Cell::Int(id)]).collect()
    }

    /// Moves to the next transaction, or stays in the open one.
    fn tick(&mut self, dice: u8) {
        let tie = self.has(Feature::Tie);
        if tie && dice.is_multiple_of(4) && self.in_transaction > 0 {
            return;
        }
        self.transaction += 1;
        self.in_transaction = 0;
        self.now_us += TICK_US * if tie { [0, 1, 1, 2][usize::from(dice / 4 % 4)] } else { [1, 1, 2, 5][usize::from(dice / 4 % 4)] };
    }

    /// The transaction ends and time moves, so that a moment holds nothing but what comes next.
    fn step_aside(&mut self) {
        self.transaction += 1;
        self.in_transaction = 0;
        self.now_us += TICK_US;
    }

    fn remember(&mut self) {
        let state = State::of_rows(self.rows.clone());
        match self.moments.last_mut() {
            Some((time, last)) if *time == self.now_us => *last = state,
            _ => self.moments.push((self.now_us, state)),
        }
    }

    /// The next place in the log. Transactions overlap there, so that positions alone are not the order of commits.
    fn next_order(&mut self) -> Order {
        self.in_transaction += 1;
        let position = 1_000 * (self.transaction + 4) - 1_500 * (self.transaction % 3) + 8 * self.in_transaction;
        Order { commit: Some(1_000 * self.transaction), position, ordinal: 0 }
    }

    fn event(&mut self, op: Op, key: Option<&Key>) -> Event {
        let sequence = self.next_order();
        let backdated = self.has(Feature::Backdated) && self.next_value % 3 == 0;
        Event {
            domain: Domain(format!("d{}", key.map_or(0, |key| key[1].domain()))),
            sequence,
            op,
            key: key.cloned(),
            old_key: None,
            event_time_us: if backdated { (self.now_us - 2 * TICK_US).max(EPOCH_US + TICK_US) } else { self.now_us },
            image: key.map(key_columns).unwrap_or_default(),
            unset: BTreeSet::new(),
            mark: Mark::None,
        }
    }

    fn create(&mut self, key: &Key, dice: u8) {
        let image = self.new_row(key, dice);
        let event = Event { image: image.clone(), ..self.event(Op::Create, Some(key)) };
        self.rows.insert(key.clone(), image);
        self.events.push(event);
    }

    fn update(&mut self, key: &Key, dice: u8) {
        let mut row = self.rows[key].clone();
        let fresh = self.new_row(key, dice);
        for (bit, column) in ["amount", "price", "note", "body"].iter().enumerate() {
            if dice >> bit & 1 == 1 {
                match fresh.get(*column) {
                    Some(cell) => drop(row.insert((*column).into(), cell.clone())),
                    None => drop(row.remove(*column)),
                }
            }
        }
        let unset = self.unset(dice >> 2 & 3, dice >> 4);
        let event = Event { image: without(&row, &unset), unset, ..self.event(Op::Update, Some(key)) };
        self.rows.insert(key.clone(), row);
        self.events.push(event);
    }

    fn delete(&mut self, key: &Key) {
        self.rows.remove(key);
        let event = self.event(Op::Delete, Some(key));
        self.events.push(event);
    }

    fn change_key(&mut self, old: &Key, new: &Key, dice: u8) {
        let mut row = self.rows.remove(old).expect("the old key is live");
        row.extend(key_columns(new));
        let unset = if self.start == Start::DumpWithin { BTreeSet::new() } else { self.unset(0, dice) };
        let delete = self.event(Op::Delete, Some(old));
        let create = Event {
            op: Op::Create,
            sequence: Order { ordinal: 1, ..delete.sequence },
            key: Some(new.clone()),
            old_key: Some(old.clone()),
            image: without(&row, &unset),
            unset,
            ..delete.clone()
        };
        self.rows.insert(new.clone(), row);
        self.events.extend([delete, create]);
    }

    fn truncate(&mut self) {
        self.rows.clear();
        let event = self.event(Op::Truncate, None);
        self.events.push(event);
    }

    fn read(&mut self, key: &Key) {
        let image = self.rows[key].clone();
        let event = Event { image, ..self.event(Op::Read, Some(key)) };
        self.events.push(Event { event_time_us: self.now_us, ..event });
    }

    fn rerun(&mut self) {
        self.step_aside();
        self.emit_run(Some(1_000 * self.transaction));
        self.step_aside();
    }

    /// Reads of all rows at one position, as after a restart without a stored offset: no commit is known.
    fn emit_run(&mut self, position: Option<u64>) {
        let position = position.unwrap_or(500);
        let last = self.rows.len().saturating_sub(1);
        for (at, (key, row)) in self.rows.clone().iter().enumerate() {
            let mark = match at {
                _ if last == 0 => Mark::Only,
                0 => Mark::First,
                _ if at == last => Mark::Last,
                _ => Mark::Middle,
            };
            let read = self.event(Op::Read, Some(key));
            let sequence = Order { commit: None, position, ordinal: at as u64 };
            self.events.push(Event { sequence, image: row.clone(), mark, event_time_us: self.now_us, ..read });
        }
    }

    /// Columns that an event leaves out. Bits stand for `note` and `body`: only one that did not change can be left out.
    fn unset(&self, changed: u8, dice: u8) -> BTreeSet<String> {
        let columns = ["note", "body"].iter().enumerate().filter(|(bit, _)| changed >> bit & 1 == 0 && dice >> bit & 1 == 1);
        columns.filter(|_| self.has(Feature::Unset)).map(|(_, column)| (*column).to_owned()).collect()
    }

    fn new_row(&mut self, key: &Key, dice: u8) -> Row {
        self.next_value += 1;
        let value = self.next_value;
        let mut row = key_columns(key);
        row.insert("amount".into(), Cell::Int(if dice.is_multiple_of(5) { -value } else { value }));
        row.insert("price".into(), Cell::Decimal(i128::from(value) * 101));
        row.insert("note".into(), Cell::Text(format!("note {value} é\"\\")));
        row.insert("body".into(), Cell::Text(format!("body {value} ").repeat(3)));
        if dice.is_multiple_of(7) {
            row.remove("note");
        }
        if dice.is_multiple_of(11) {
            row.remove("amount");
        }
        row
    }
}

impl Cell {
    /// The domain of a key of [`Source::keys`].
    fn domain(&self) -> i64 {
        match self {
            Cell::Int(id) => id / KEYS_PER_DOMAIN,
            _ => 0,
        }
    }
}

fn pick(keys: &[Key], dice: u8) -> Option<&Key> {
    (!keys.is_empty()).then(|| &keys[usize::from(dice) % keys.len()])
}

fn key_columns(key: &Key) -> Row {
    ["region", "id"].iter().zip(key).map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect()
}

fn without(row: &Row, unset: &BTreeSet<String>) -> Row {
    row.iter().filter(|(column, _)| !unset.contains(*column)).map(|(column, cell)| (column.clone(), cell.clone())).collect()
}
