//! Complete runs of snapshot reads are baselines (rule 7).

use std::collections::BTreeMap;

use super::{Baseline, Event, Mark, State};

/// The newest complete run among events that are in order and distinct.
pub(super) fn newest(events: &[&Event]) -> Option<Baseline> {
    let mut runs: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.mark != Mark::None) {
        runs.entry((&event.domain, event.sequence.commit, event.sequence.position)).or_default().push(event);
    }
    runs.into_values().filter(|reads| is_complete(reads)).map(|reads| baseline(&reads)).max_by_key(|run| run.at_us)
}

fn is_complete(reads: &[&Event]) -> bool {
    match reads {
        [] => false,
        [only] => only.mark == Mark::Only,
        [first, .., last] => {
            let span = last.sequence.ordinal - first.sequence.ordinal + 1;
            first.mark == Mark::First && last.mark == Mark::Last && span == reads.len() as u64
        }
    }
}

fn baseline(reads: &[&Event]) -> Baseline {
    let mut state = State::default();
    for read in reads {
        match &read.key {
            Some(key) => drop(state.rows.insert(key.clone(), read.image.clone())),
            None => state.appended.push(read.image.clone()),
        }
    }
    Baseline { state, at_us: reads.iter().map(|read| read.event_time_us).max(), until_us: None }
}
