//! How many events a log of batches counts as late and as repeated.

use std::collections::{BTreeMap, BTreeSet};

use waterline_core::sequence::Domain;

use super::{Event, Order};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub events: u64,
    /// Not above the highest of their domain in the batches before (rule 3), and new.
    pub late: u64,
    /// Delivered before, in whichever batch (rule 2).
    pub repeated: u64,
}

/// Counts over batches in the order of their arrival.
pub fn tally(batches: &[Vec<Event>]) -> Tally {
    let mut tally = Tally::default();
    let mut seen: BTreeSet<(&Domain, Order)> = BTreeSet::new();
    let mut highest: BTreeMap<&Domain, Order> = BTreeMap::new();
    for batch in batches {
        for event in batch {
            tally.events += 1;
            if !seen.insert((&event.domain, event.sequence)) {
                tally.repeated += 1;
            } else if highest.get(&event.domain).is_some_and(|highest| event.sequence <= *highest) {
                tally.late += 1;
            }
        }
        for event in batch {
            let highest = highest.entry(&event.domain).or_insert(event.sequence);
            *highest = event.sequence.max(*highest);
        }
    }
    tally
}
