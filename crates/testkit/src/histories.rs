//! Valid histories of a source: a small database runs a workload, and its events, its state at every moment and a
//! baseline come out. A history is read off a list of steps, so proptest can shrink it and every list is valid.

mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use waterline_core::schema::TableSchema;

use crate::oracle::{Baseline, Event, State};
use source::Source;

/// What may happen in a history, beside creates, updates, deletes and creates after a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Updates and key changes leave out columns that did not change.
    Unset,
    KeyChange,
    /// Not beside [`Feature::TwoDomains`], which allows none.
    Truncate,
    /// Transactions of several events, and different ones at one time.
    Tie,
    /// Events that are stamped before their predecessors.
    Backdated,
    /// Reads of single rows between the changes.
    Read,
    /// A complete run of reads in mid-stream. Not beside [`Feature::TwoDomains`] and [`Feature::Backdated`].
    Run,
    /// Two domains with keys of their own.
    TwoDomains,
}

/// Where the rows come from that exist before the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Empty,
    /// A complete run of reads opens the stream.
    Run,
    /// A dump from before the first event.
    Dump,
    /// A dump whose moment lies among the events.
    DumpInside,
    /// The same, known only as an interval. Key changes then send all columns.
    DumpWithin,
}

/// One action of the workload, as dice that the source reads.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub action: u8,
    pub key: u8,
    pub other: u8,
    pub columns: u8,
    pub time: u8,
}

/// A source's past.
#[derive(Clone, Debug)]
pub struct History {
    pub baseline: Baseline,
    /// In the order of the source.
    pub events: Vec<Event>,
    /// The state from each time on, in order.
    moments: Vec<(i64, State)>,
}

impl History {
    pub fn from_steps(start: Start, features: &[Feature], steps: &[Step]) -> Self {
        let features: BTreeSet<Feature> = features.iter().copied().collect();
        let mut source = Source::new(start, features);
        source.open(steps.first().map_or(0, |step| step.other));
        for step in steps {
            source.act(*step);
        }
        source.into_history(steps.last().map_or(0, |step| step.other))
    }

    pub fn seeded(seed: u64, len: usize, start: Start, features: &[Feature]) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let steps: Vec<Step> = (0..len).map(|_| Step::random(&mut rng)).collect();
        Self::from_steps(start, features, &steps)
    }

    /// The same with `factor` times as much time between all moments.
    #[must_use]
    pub fn slowed(mut self, factor: i64) -> Self {
        let first = self.moments.first().map_or(0, |(time, _)| *time);
        let slow = |time: &mut i64| *time = first + (*time - first) * factor;
        self.moments.iter_mut().map(|(time, _)| time).for_each(slow);
        self.events.iter_mut().map(|event| &mut event.event_time_us).for_each(slow);
        self.baseline.at_us.iter_mut().chain(&mut self.baseline.until_us).for_each(slow);
        self
    }

    /// What the source held at `time_us`; with [`Feature::Backdated`] known only from the last event on, since before it the
    /// events up to a time were never all that the source held.
    pub fn truth_at(&self, time_us: i64) -> Option<&State> {
        let after = self.moments.partition_point(|(time, _)| *time <= time_us);
        self.moments[..after].last().map(|(_, state)| state)
    }

    /// What the source held in the end.
    pub fn truth(&self) -> &State {
        &self.moments.last().expect("a history has its opening moment").1
    }

    /// Every time at which the state changed and the baseline answers, in order.
    pub fn times_us(&self) -> impl Iterator<Item = i64> {
        let first = self.baseline.until_us.or(self.baseline.at_us);
        self.moments.iter().map(|(time, _)| *time).filter(move |time| first.is_none_or(|first| *time >= first))
    }
}

impl Step {
    fn random(rng: &mut StdRng) -> Self {
        Self { action: rng.random(), key: rng.random(), other: rng.random(), columns: rng.random(), time: rng.random() }
    }
}

fn step() -> impl Strategy<Value = Step> {
    any::<[u8; 5]>().prop_map(|[action, key, other, columns, time]| Step { action, key, other, columns, time })
}

/// Histories of up to `max_len` actions.
pub fn histories(start: Start, features: &'static [Feature], max_len: usize) -> impl Strategy<Value = History> {
    proptest::collection::vec(step(), 0..=max_len).prop_map(move |steps| History::from_steps(start, features, &steps))
}

/// The columns of every history: a key of two columns, and four others of which `note` and `body` may be unset.
pub fn table_schema() -> TableSchema {
    let fields = [
        Field::new("region", DataType::Utf8, false),
        Field::new("id", DataType::Int64, false),
        Field::new("amount", DataType::Int32, true),
        Field::new("price", DataType::Decimal128(12, 2), true),
        Field::new("note", DataType::Utf8, true),
        Field::new("body", DataType::Utf8, true),
    ];
    TableSchema::new(fields.map(Arc::new).to_vec(), vec!["region".into(), "id".into()]).expect("the keys are columns")
}
