//! Orders in which events arrive: late, repeated, shuffled, and cut into batches.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::oracle::Event;

/// How far events may leave the order of their source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disorder {
    InOrder,
    /// By a few places.
    Late,
    /// Completely.
    Shuffled,
}

/// One way in which a history arrives. The lists are repeated as often as needed.
#[derive(Clone, Debug)]
pub struct Arrival {
    delays: Vec<u8>,
    /// Events that come twice, and how much later.
    repeats: Vec<(u8, u8)>,
    batch_sizes: Vec<u8>,
    disorder: Disorder,
}

impl Arrival {
    /// Everything once, in order, in one batch.
    pub fn at_once() -> Self {
        Self { delays: Vec::new(), repeats: Vec::new(), batch_sizes: Vec::new(), disorder: Disorder::InOrder }
    }

    pub fn seeded(seed: u64, disorder: Disorder) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let repeats = rng.random_range(0..4);
        Self {
            delays: (0..31).map(|_| rng.random()).collect(),
            repeats: (0..repeats).map(|_| rng.random()).collect(),
            batch_sizes: (0..7).map(|_| rng.random_range(1..6)).collect(),
            disorder,
        }
    }

    /// The batches in which `events` arrive; none is empty. Halves of a key change go their own ways.
    pub fn batches(&self, events: &[Event]) -> Vec<Vec<Event>> {
        self.arranged(events.chunks(1).collect())
    }

    /// The same, with events of one position in the source's log side by side (the halves of a key change, the reads of a
    /// run), for formats where their order there tells them apart.
    pub fn batches_by_position(&self, events: &[Event]) -> Vec<Vec<Event>> {
        self.arranged(events.chunk_by(|event, next| event.sequence.is_same_position(next.sequence)).collect())
    }

    fn arranged(&self, changes: Vec<&[Event]>) -> Vec<Vec<Event>> {
        let mut arriving = self.moved(&changes);
        self.repeat(&mut arriving);
        self.cut(&arriving)
    }

    fn moved<'a>(&self, changes: &[&'a [Event]]) -> Vec<&'a [Event]> {
        let delay = |at: usize| cycled(&self.delays, at).map_or(0, usize::from);
        let mut places: Vec<(usize, usize)> = (0..changes.len())
            .map(|at| match self.disorder {
                Disorder::InOrder => (at, at),
                Disorder::Late => (at + delay(at) % 6, at),
                Disorder::Shuffled => (delay(at) * 31 + delay(at / 31 + at % 17), at),
            })
            .collect();
        places.sort_unstable();
        places.into_iter().map(|(_, at)| changes[at]).collect()
    }

    fn repeat(&self, arriving: &mut Vec<&[Event]>) {
        for (which, later) in &self.repeats {
            if arriving.is_empty() {
                return;
            }
            let at = usize::from(*which) % arriving.len();
            let to = at + usize::from(*later) % (arriving.len() - at) + 1;
            arriving.insert(to, arriving[at]);
        }
    }

    fn cut(&self, mut arriving: &[&[Event]]) -> Vec<Vec<Event>> {
        let mut batches = Vec::new();
        while !arriving.is_empty() {
            let size = cycled(&self.batch_sizes, batches.len()).map_or(arriving.len(), usize::from);
            let (batch, rest) = arriving.split_at(size.clamp(1, arriving.len()));
            batches.push(batch.concat());
            arriving = rest;
        }
        batches
    }
}

fn cycled(list: &[u8], at: usize) -> Option<u8> {
    (!list.is_empty()).then(|| list[at % list.len()])
}

/// Arrivals of the given disorder, with repeats, in batches of up to seven events.
pub fn arrivals(disorder: Disorder) -> impl Strategy<Value = Arrival> {
    let lists = (
        proptest::collection::vec(any::<u8>(), 0..31),
        proptest::collection::vec(any::<(u8, u8)>(), 0..4),
        proptest::collection::vec(1u8..8, 0..7),
    );
    lists.prop_map(move |(delays, repeats, batch_sizes)| Arrival { delays, repeats, batch_sizes, disorder })
}
