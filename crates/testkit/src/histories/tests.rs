use super::*;
use crate::arrivals::{Arrival, Disorder, arrivals};
use crate::oracle::fold;

const ALL: &[Feature] = &[Feature::Unset, Feature::KeyChange, Feature::Truncate, Feature::Tie, Feature::Read, Feature::Run];
const BACKDATED: &[Feature] = &[Feature::Unset, Feature::KeyChange, Feature::Truncate, Feature::Tie, Feature::Read, Feature::Backdated];
const DOMAINS: &[Feature] = &[Feature::Unset, Feature::KeyChange, Feature::Tie, Feature::Read, Feature::TwoDomains];
const STARTS: [Start; 5] = [Start::Empty, Start::Run, Start::Dump, Start::DumpInside, Start::DumpWithin];

fn check_fold_is_truth(history: &History, arrival: &Arrival) {
    let arrived = arrival.batches(&history.events).concat();
    assert_eq!(&fold(&history.baseline, &arrived, None).expect("a valid history"), history.truth());
    for time in history.times_us() {
        assert_eq!(Some(&fold(&history.baseline, &arrived, Some(time)).expect("a valid history")), history.truth_at(time), "as of {time}");
    }
}

#[test]
fn a_fold_in_any_order_of_arrival_is_what_the_source_held() {
    for seed in 0..60 {
        for start in STARTS {
            for features in [&[], ALL, BACKDATED, DOMAINS] {
                for disorder in [Disorder::InOrder, Disorder::Late, Disorder::Shuffled] {
                    let history = History::seeded(seed, (seed % 40) as usize, start, features);
                    check_fold_is_truth(&history, &Arrival::seeded(seed, disorder));
                }
            }
        }
    }
}

#[test]
fn every_feature_occurs() {
    let events: Vec<Event> = (0..20).flat_map(|seed| History::seeded(seed, 60, Start::Run, ALL).events).collect();
    for op in ["c", "u", "d", "t", "r"] {
        assert!(events.iter().any(|event| event.op.as_str() == op), "{op}");
    }
    assert!(events.iter().any(|event| event.old_key.is_some() && !event.unset.is_empty()));
    let lsn_disagrees = |pair: &[Event]| pair[0].sequence < pair[1].sequence && pair[0].sequence.position > pair[1].sequence.position;
    assert!(events.windows(2).any(lsn_disagrees));
    assert!(
        events.windows(2).any(|pair| pair[0].event_time_us == pair[1].event_time_us && pair[0].sequence.commit != pair[1].sequence.commit)
    );
}

#[test]
fn a_seed_gives_the_same_history_again() {
    let [one, other] = [(); 2].map(|()| History::seeded(7, 50, Start::DumpInside, ALL));
    assert_eq!(one.events, other.events);
    assert_eq!(one.baseline.state, other.baseline.state);
}

#[test]
fn every_event_arrives_at_least_once() {
    for seed in 0..50 {
        let history = History::seeded(seed, 30, Start::Run, ALL);
        for disorder in [Disorder::InOrder, Disorder::Late, Disorder::Shuffled] {
            let batches = Arrival::seeded(seed, disorder).batches(&history.events);
            assert!(batches.iter().all(|batch| !batch.is_empty()));
            let arrived = batches.concat();
            assert!(history.events.iter().all(|event| arrived.contains(event)));
        }
    }
}

#[test]
fn events_of_one_position_stay_together() {
    let history = History::seeded(1, 60, Start::Dump, &[Feature::KeyChange]);
    assert!(history.events.iter().any(|event| event.old_key.is_some()));
    for seed in 0..20 {
        for batch in Arrival::seeded(seed, Disorder::Shuffled).batches_by_position(&history.events) {
            for (at, create) in batch.iter().enumerate().filter(|(_, event)| event.old_key.is_some()) {
                assert_eq!(at.checked_sub(1).and_then(|before| batch[before].key.clone()), create.old_key);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_strategies_give_valid_histories(history in histories(Start::DumpInside, ALL, 30), arrival in arrivals(Disorder::Shuffled)) {
        check_fold_is_truth(&history, &arrival);
    }
}
