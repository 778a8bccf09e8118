//! The naive row oracle: rules 1 to 10 of DESIGN.md, read literally and folded into a map, with the whole history at
//! hand. It knows nothing of batches, late events or files; whatever the order of arrival, what Waterline shows must
//! equal this.
//!
//! Three sentences of the rules leave room, and are read so:
//! - Rule 7: a read that follows a change of its key (in order, since the last truncate) ranks below that change, so it
//!   only fills the columns that the change left unresolved.
//! - Rule 6: where the old key has no row, a key change continues the row under the new one. A dump of an interval may
//!   hold it there already.
//! - Rule 7: a complete run is a baseline at the event time of its reads. Of several baselines the newest one holds.

mod event;
mod folding;
mod runs;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use event::{Event, Mark, Order};
use waterline_core::change::Op;
use waterline_core::sequence::Domain;

use crate::cell::{Key, Row};
use folding::Folding;
pub use tally::{Tally, tally};

/// The rows of a table at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub rows: BTreeMap<Key, Row>,
    /// Rows of a table without a key, in no meaningful order.
    pub appended: Vec<Row>,
    /// Columns that are null because there was no row to take them from (rule 8).
    pub unresolved: BTreeSet<(Key, String)>,
}

impl State {
    pub fn of_rows(rows: BTreeMap<Key, Row>) -> Self {
        Self { rows, ..Self::default() }
    }

    /// All rows, sorted, to compare with what a table holds.
    pub fn contents(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows.values().chain(&self.appended).cloned().collect();
        rows.sort();
        rows
    }
}

/// What events fold onto.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    pub state: State,
    /// T0, or A where the moment of the dump is only known to lie in A..B. `None`: an empty table before all events.
    pub at_us: Option<i64>,
    /// B.
    pub until_us: Option<i64>,
}

impl Baseline {
    pub fn empty() -> Self {
        Self::default()
    }

    pub fn at(state: State, at_us: i64) -> Self {
        Self { state, at_us: Some(at_us), until_us: None }
    }

    pub fn within(state: State, from_us: i64, until_us: i64) -> Self {
        Self { state, at_us: Some(from_us), until_us: Some(until_us) }
    }

    /// The first moment that it answers; `None`: every one.
    pub fn first_us(&self) -> Option<i64> {
        self.until_us.or(self.at_us)
    }

    fn answers(&self, until_us: i64) -> bool {
        self.first_us().is_none_or(|first| until_us >= first)
    }

    fn admits(&self, event: &Event) -> bool {
        self.at_us.is_none_or(|at| event.event_time_us > at)
    }
}

/// Why a history has no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Rule 3.
    KeyInTwoDomains,
    /// Rule 3.
    TruncateAmongDomains,
    /// An update or delete in a table without a key.
    ChangeWithoutKey,
    /// Rule 9: the moment lies before the baseline.
    BeforeBaseline,
}

/// The state as of `until_us`, or after all events.
pub fn fold(baseline: &Baseline, events: &[Event], until_us: Option<i64>) -> Result<State, Refusal> {
    if until_us.is_some_and(|until| !baseline.answers(until)) {
        return Err(Refusal::BeforeBaseline);
    }
    let events = in_order(events, until_us);
    check_domains(&events)?;
    let run = runs::newest(&events).filter(|run| baseline.at_us <= run.at_us);
    let baseline = run.as_ref().unwrap_or(baseline);
    let mut folding = Folding::onto(&baseline.state);
    for event in events.into_iter().filter(|event| baseline.admits(event)) {
        folding.apply(event)?;
    }
    Ok(folding.finish())
}

/// `state(T, V)`: the baseline of T's epoch, which ends where the next one begins (rule 10), with the events of the first `upto`
/// batches of the log and of event time in (T0, T] folded onto it in order (rules 9 and 12).
pub fn as_of(baselines: &[Baseline], log: &[Vec<Event>], at_us: i64, upto: usize) -> Result<State, Refusal> {
    let begun = baselines.iter().filter(|baseline| baseline.answers(at_us));
    let epoch = begun.max_by_key(|baseline| baseline.first_us()).ok_or(Refusal::BeforeBaseline)?;
    fold(epoch, &log[..upto].concat(), Some(at_us))
}

/// Each event once (rule 2), by domain and sequence.
fn in_order(events: &[Event], until_us: Option<i64>) -> Vec<&Event> {
    let mut ordered = BTreeMap::new();
    for event in events.iter().filter(|event| until_us.is_none_or(|until| event.event_time_us <= until)) {
        ordered.entry((&event.domain, event.sequence)).or_insert(event);
    }
    ordered.into_values().collect()
}

fn check_domains(events: &[&Event]) -> Result<(), Refusal> {
    let mut domain_of: BTreeMap<&Key, &Domain> = BTreeMap::new();
    for event in events {
        for key in event.key.iter().chain(&event.old_key) {
            if *domain_of.entry(key).or_insert(&event.domain) != &event.domain {
                return Err(Refusal::KeyInTwoDomains);
            }
        }
    }
    let domains: BTreeSet<&Domain> = events.iter().map(|event| &event.domain).collect();
    if domains.len() > 1 && events.iter().any(|event| event.op == Op::Truncate) {
        return Err(Refusal::TruncateAmongDomains);
    }
    Ok(())
}
