use super::*;
use crate::cell::{Cell, row};

fn key(id: i64) -> Key {
    vec![Cell::Int(id)]
}

/// An event at place and time `at` of domain `d`, with the columns `a` and `b` set as given.
fn event(op: Op, at: u64, id: i64, a: Option<i64>, b: Option<i64>) -> Event {
    let mut image = row([("id", Cell::Int(id))]);
    image.extend(a.map(|a| ("a".into(), Cell::Int(a))));
    image.extend(b.map(|b| ("b".into(), Cell::Int(b))));
    Event {
        domain: Domain("d".into()),
        sequence: Order { commit: Some(at), position: at, ordinal: 0 },
        op,
        key: Some(key(id)),
        old_key: None,
        event_time_us: at as i64,
        image,
        unset: BTreeSet::new(),
        mark: Mark::None,
    }
}

fn create(at: u64, id: i64, a: i64, b: i64) -> Event {
    event(Op::Create, at, id, Some(a), Some(b))
}

/// Sets `a`, and leaves `b` out.
fn update_a(at: u64, id: i64, a: i64) -> Event {
    Event { unset: ["b".to_owned()].into(), ..event(Op::Update, at, id, Some(a), None) }
}

fn update(at: u64, id: i64, a: i64, b: i64) -> Event {
    event(Op::Update, at, id, Some(a), Some(b))
}

fn delete(at: u64, id: i64) -> Event {
    event(Op::Delete, at, id, None, None)
}

fn read(at: u64, id: i64, a: i64, b: i64) -> Event {
    event(Op::Read, at, id, Some(a), Some(b))
}

fn truncate(at: u64) -> Event {
    Event { key: None, image: Row::new(), ..event(Op::Truncate, at, 0, None, None) }
}

/// Both halves; `b` is left out.
fn change_key(at: u64, old: i64, new: i64, a: i64) -> [Event; 2] {
    let create = Event { op: Op::Create, old_key: Some(key(old)), ..update_a(at, new, a) };
    [delete(at, old), Event { sequence: Order { ordinal: 1, ..create.sequence }, ..create }]
}

fn run(at: u64, rows: &[(i64, i64, i64)]) -> Vec<Event> {
    let last = rows.len() - 1;
    let mark = |n: usize| match n {
        _ if last == 0 => Mark::Only,
        0 => Mark::First,
        n if n == last => Mark::Last,
        _ => Mark::Middle,
    };
    let sequence = |n: usize| Order { commit: None, position: at, ordinal: n as u64 };
    rows.iter().enumerate().map(|(n, (id, a, b))| Event { sequence: sequence(n), mark: mark(n), ..read(at, *id, *a, *b) }).collect()
}

/// Rows as (id, a, b).
fn rows(expected: &[(i64, Option<i64>, Option<i64>)]) -> BTreeMap<Key, Row> {
    expected.iter().map(|(id, a, b)| (key(*id), event(Op::Create, 0, *id, *a, *b).image)).collect()
}

fn full(expected: &[(i64, i64, i64)]) -> BTreeMap<Key, Row> {
    rows(&expected.iter().map(|(id, a, b)| (*id, Some(*a), Some(*b))).collect::<Vec<_>>())
}

#[track_caller]
fn folded(events: &[Event]) -> State {
    fold(&Baseline::empty(), events, None).expect("a valid history")
}

#[track_caller]
fn folded_onto(baseline: &[(i64, i64, i64)], at_us: i64, events: &[Event]) -> State {
    fold(&Baseline::at(State::of_rows(full(baseline)), at_us), events, None).expect("a valid history")
}

#[test]
fn rule_1_commits_order_events_and_null_is_lowest() {
    let ordered = |commit, position, event: Event| Event { sequence: Order { commit, position, ordinal: 0 }, ..event };
    let first = ordered(None, 900, create(1, 1, 1, 1));
    let second = ordered(Some(10), 800, update(1, 1, 2, 2));
    let third = ordered(Some(20), 100, update(1, 1, 3, 3));
    assert_eq!(folded(&[third, first, second]).rows, full(&[(1, 3, 3)]));
}

#[test]
fn rule_1_time_does_not_order_events() {
    let newer = Event { event_time_us: 3, ..update(9, 1, 2, 2) };
    assert_eq!(folded(&[create(5, 1, 1, 1), newer.clone()]).rows, full(&[(1, 2, 2)]));
    assert_eq!(folded(&[newer, create(5, 1, 1, 1)]).rows, full(&[(1, 2, 2)]));
}

#[test]
fn rule_1_sequences_sort_as_text() {
    let orders = [(None, 7, 0), (None, 300, 0), (Some(9), 1, 0), (Some(9), 2, 0), (Some(9), 2, 1), (Some(10), 1, 0), (Some(300), 0, 0)];
    let texts = orders.map(|(commit, position, ordinal)| Order { commit, position, ordinal }.to_sequence());
    assert!(texts.windows(2).all(|pair| pair[0] < pair[1]), "{texts:?}");
}

#[test]
fn rule_2_an_event_counts_once_however_often_it_comes() {
    let events = [create(1, 1, 1, 1), delete(2, 1), create(1, 1, 1, 1), create(3, 2, 2, 2), create(3, 2, 2, 2)];
    assert_eq!(folded(&events).rows, full(&[(2, 2, 2)]));
}

#[test]
fn rule_2_a_table_without_a_key_takes_an_event_once_and_equal_rows_twice() {
    let keyless = |event: Event| Event { key: None, ..event };
    let events = [keyless(create(1, 7, 1, 1)), keyless(create(1, 7, 1, 1)), keyless(create(2, 7, 1, 1))];
    let state = folded(&events);
    assert_eq!(state.contents(), [events[0].image.clone(), events[0].image.clone()]);
    assert!(state.rows.is_empty());
    assert!(folded(&[keyless(create(1, 7, 1, 1)), truncate(2)]).contents().is_empty());
    for change in [keyless(update(3, 7, 1, 1)), keyless(delete(3, 7))] {
        assert_eq!(fold(&Baseline::empty(), &[change], None), Err(Refusal::ChangeWithoutKey));
    }
}

#[test]
fn rule_3_a_key_in_two_domains_and_a_truncate_among_several_are_refused() {
    let elsewhere = |event: Event| Event { domain: Domain("e".into()), ..event };
    let both = [create(1, 1, 1, 1), elsewhere(update(2, 1, 2, 2))];
    assert_eq!(fold(&Baseline::empty(), &both, None), Err(Refusal::KeyInTwoDomains));
    let by_change = [create(1, 1, 1, 1), elsewhere(change_key(2, 1, 2, 2)[1].clone())];
    assert_eq!(fold(&Baseline::empty(), &by_change, None), Err(Refusal::KeyInTwoDomains));
    let truncated = [create(1, 1, 1, 1), elsewhere(create(2, 2, 2, 2)), truncate(3)];
    assert_eq!(fold(&Baseline::empty(), &truncated, None), Err(Refusal::TruncateAmongDomains));
    assert_eq!(folded(&truncated[..2]).rows, full(&[(1, 1, 1), (2, 2, 2)]));
}

#[test]
fn rule_3_an_event_is_late_below_what_earlier_batches_hold() {
    let elsewhere = Event { domain: Domain("e".into()), ..create(3, 9, 9, 9) };
    let batches =
        [vec![create(5, 1, 1, 1), create(4, 2, 2, 2)], vec![create(3, 3, 3, 3), elsewhere, create(5, 1, 1, 1)], vec![create(6, 4, 4, 4)]];
    assert_eq!(tally(&batches), Tally { events: 6, late: 1, repeated: 1 });
    assert_eq!(tally(&[batches.concat()]), Tally { events: 6, late: 0, repeated: 1 });
}

#[test]
fn rule_4_late_events_fold_onto_the_baseline() {
    // The update came first and the delete is late: without the baseline's row `b` would be lost.
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[update_a(2, 1, 2)]).rows, full(&[(1, 2, 1)]));
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[update_a(5, 1, 2), update(3, 1, 9, 9)]).rows, full(&[(1, 2, 9)]));
    // A late delete does not block the create after it, and a late create does not bring a deleted row back.
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[create(3, 1, 3, 3), delete(2, 1)]).rows, full(&[(1, 3, 3)]));
    assert_eq!(folded_onto(&[], 0, &[delete(3, 1), create(2, 1, 3, 3)]).rows, full(&[]));
}

#[test]
fn rule_4_a_moment_limits_what_late_events_see() {
    let events = [create(1, 1, 1, 1), update(9, 1, 9, 9), update_a(5, 1, 5)];
    let at = |time| fold(&Baseline::empty(), &events, Some(time)).expect("a valid history").rows;
    assert_eq!(
        [at(0), at(1), at(4), at(5), at(9)].map(|rows| rows.values().next().cloned()),
        [
            None,
            full(&[(1, 1, 1)]).into_values().next(),
            full(&[(1, 1, 1)]).into_values().next(),
            full(&[(1, 5, 1)]).into_values().next(),
            full(&[(1, 9, 9)]).into_values().next(),
        ]
    );
}

#[test]
fn rule_5_a_late_truncate_empties_every_key() {
    let events = [create(1, 1, 1, 1), update(5, 1, 5, 5), create(6, 2, 6, 6), truncate(4)];
    assert_eq!(folded(&events).rows, full(&[(1, 5, 5), (2, 6, 6)]));
    assert_eq!(folded_onto(&[(3, 3, 3)], 0, &[update_a(6, 3, 6), truncate(4)]).rows, rows(&[(3, Some(6), None)]));
    assert_eq!(folded_onto(&[(3, 3, 3)], 4, &[truncate(4)]).rows, full(&[(3, 3, 3)]));
}

#[test]
fn rule_6_a_key_change_carries_what_it_leaves_out() {
    let [gone, new] = change_key(5, 1, 2, 7);
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[gone.clone(), new.clone()]).rows, full(&[(2, 7, 1)]));
    // A late update of the old key is part of the new one's history.
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[gone.clone(), new.clone(), update(3, 1, 3, 3)]).rows, full(&[(2, 7, 3)]));
    // Before its delete half is there, the old row is still in place, and gives its columns.
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, std::slice::from_ref(&new)).rows, full(&[(1, 1, 1), (2, 7, 1)]));
    // The old key lives on as another row, which the change does not see.
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[gone, new, create(6, 1, 8, 8)]).rows, full(&[(1, 8, 8), (2, 7, 1)]));
}

#[test]
fn rule_6_keys_change_in_chains_and_in_circles() {
    let chain = [change_key(5, 1, 2, 5), change_key(6, 2, 3, 6)].concat();
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &chain).rows, full(&[(3, 6, 1)]));
    let circle = [change_key(5, 1, 9, 5), change_key(6, 2, 1, 6), change_key(7, 9, 2, 7)].concat();
    assert_eq!(folded_onto(&[(1, 1, 1), (2, 2, 2)], 0, &circle).rows, full(&[(1, 6, 2), (2, 7, 1)]));
}

#[test]
fn rule_6_a_delete_before_the_change_gives_nothing() {
    // The row was deleted by an event of its own, so the old key had no image just before the change.
    let [_, new] = change_key(5, 1, 2, 7);
    let state = folded_onto(&[(1, 1, 1)], 0, &[delete(3, 1), new]);
    assert_eq!(state.rows, rows(&[(2, Some(7), None)]));
    assert_eq!(state.unresolved, [(key(2), "b".to_owned())].into());
}

#[test]
fn rule_7_a_read_never_overwrites_a_change() {
    assert_eq!(folded(&[create(1, 1, 1, 1), read(5, 1, 9, 9)]).rows, full(&[(1, 1, 1)]));
    assert_eq!(folded(&[create(1, 1, 1, 1), delete(2, 1), read(5, 1, 9, 9)]).rows, full(&[]));
    assert_eq!(folded(&[read(1, 1, 9, 9), update_a(5, 1, 2)]).rows, full(&[(1, 2, 9)]));
    assert_eq!(folded(&[read(1, 1, 8, 8), read(5, 1, 9, 9)]).rows, full(&[(1, 9, 9)]));
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &[read(5, 1, 9, 9)]).rows, full(&[(1, 9, 9)]));
}

#[test]
fn rule_7_a_truncate_ends_what_reads_rank_below() {
    assert_eq!(folded(&[create(1, 1, 1, 1), truncate(3), read(5, 1, 9, 9)]).rows, full(&[(1, 9, 9)]));
    assert_eq!(folded(&[read(1, 1, 9, 9), truncate(3)]).rows, full(&[]));
}

#[test]
fn rule_7_a_read_fills_what_a_change_left_unresolved() {
    let state = folded(&[update_a(2, 1, 2), read(5, 1, 9, 9)]);
    assert_eq!(state.rows, full(&[(1, 2, 9)]));
    assert!(state.unresolved.is_empty());
    // A read of what lives under the old key now is no part of what was moved away from it.
    let events = [change_key(3, 1, 2, 3).to_vec(), vec![create(4, 1, 7, 7), read(5, 1, 7, 7)]].concat();
    assert_eq!(folded_onto(&[(1, 1, 1)], 0, &events).rows, full(&[(1, 7, 7), (2, 3, 1)]));
}

#[test]
fn rule_7_a_complete_run_is_a_baseline() {
    let before = [create(1, 1, 1, 1), create(2, 2, 2, 2)];
    let whole = run(5, &[(2, 20, 20), (3, 30, 30)]);
    let after = update_a(7, 2, 21);
    let all = [before.to_vec(), whole.clone(), vec![after.clone()]].concat();
    assert_eq!(folded(&all).rows, full(&[(2, 21, 20), (3, 30, 30)]));
    assert_eq!(fold(&Baseline::empty(), &all, Some(4)).map(|state| state.rows), Ok(full(&[(1, 1, 1), (2, 2, 2)])));
    assert_eq!(fold(&Baseline::empty(), &all, Some(5)).map(|state| state.rows), Ok(full(&[(2, 20, 20), (3, 30, 30)])));
    // The last read has not come yet: these are reads like others.
    let partial = [&before[..], &whole[..1], &[after]].concat();
    assert_eq!(folded(&partial).rows, full(&[(1, 1, 1), (2, 21, 2)]));
    assert_eq!(folded(&[before.to_vec(), run(5, &[(4, 4, 4)])].concat()).rows, full(&[(4, 4, 4)]));
}

#[test]
fn rule_7_the_newest_baseline_holds() {
    let old_run = run(5, &[(1, 5, 5)]);
    let state = fold(&Baseline::at(State::of_rows(full(&[(2, 8, 8)])), 8), &old_run, None).expect("a valid history");
    assert_eq!(state.rows, full(&[(2, 8, 8)]));
    let both = [run(9, &[(3, 9, 9)]), old_run].concat();
    assert_eq!(folded(&both).rows, full(&[(3, 9, 9)]));
}

#[test]
fn rule_8_columns_without_a_source_are_null_and_counted_until_it_comes() {
    let state = folded(&[update_a(5, 1, 5)]);
    assert_eq!(state.rows, rows(&[(1, Some(5), None)]));
    assert_eq!(state.unresolved, [(key(1), "b".to_owned())].into());
    let carried = folded(&[vec![update_a(5, 1, 5)], change_key(6, 1, 2, 6).to_vec()].concat());
    assert_eq!(carried.unresolved, [(key(2), "b".to_owned())].into());
    let set = folded(&[update_a(5, 1, 5), update(6, 1, 6, 6)]);
    assert!(set.unresolved.is_empty());
    let gone = folded(&[update_a(5, 1, 5), delete(6, 1)]);
    assert!(gone.unresolved.is_empty());
    let arrived = folded(&[update_a(5, 1, 5), create(2, 1, 1, 1)]);
    assert_eq!((arrived.rows, arrived.unresolved), (full(&[(1, 5, 1)]), BTreeSet::new()));
    // A null that the source sent is no unresolved column.
    let null = folded(&[event(Op::Create, 1, 1, Some(1), None), update_a(2, 1, 2)]);
    assert_eq!((null.rows, null.unresolved), (rows(&[(1, Some(2), None)]), BTreeSet::new()));
}

#[test]
fn rule_9_events_up_to_the_baseline_are_not_folded() {
    let events = [create(3, 1, 1, 1), delete(4, 2), update(6, 2, 6, 6)];
    assert_eq!(folded_onto(&[(2, 2, 2)], 4, &events).rows, full(&[(2, 6, 6)]));
    assert_eq!(folded_onto(&[(2, 2, 2)], 6, &events).rows, full(&[(2, 2, 2)]));
    let baseline = Baseline::at(State::default(), 4);
    assert_eq!(fold(&baseline, &events, Some(3)), Err(Refusal::BeforeBaseline));
    assert!(fold(&baseline, &events, Some(4)).is_ok());
}

#[test]
fn rule_9_an_interval_replays_from_its_start_and_answers_from_its_end() {
    // The dump was taken at 5, after the update and before the delete; it is only known to lie in 2..8.
    let events = [create(1, 1, 1, 1), update(3, 1, 3, 3), delete(6, 1), create(7, 2, 7, 7), update_a(9, 2, 9)];
    let baseline = Baseline::within(State::of_rows(full(&[(1, 3, 3)])), 2, 8);
    let at = |time| fold(&baseline, &events, Some(time)).map(|state| state.rows);
    assert_eq!([at(2), at(7)], [Err(Refusal::BeforeBaseline), Err(Refusal::BeforeBaseline)]);
    assert_eq!(at(8), Ok(full(&[(2, 7, 7)])));
    assert_eq!(at(9), Ok(full(&[(2, 9, 7)])));
}

#[test]
fn rule_9_a_key_change_of_the_interval_finds_its_row_under_the_new_key() {
    let events = change_key(4, 1, 5, 4);
    let baseline = Baseline::within(State::of_rows(full(&[(5, 4, 7)])), 2, 8);
    assert_eq!(fold(&baseline, &events, None).map(|state| (state.rows, state.unresolved)), Ok((full(&[(5, 4, 7)]), [].into())));
}

#[test]
fn a_fold_goes_on_from_a_state_of_its_own() {
    let events = [create(1, 1, 1, 1), update_a(2, 3, 2), update(3, 1, 3, 3), update_a(4, 3, 4)];
    let half = fold(&Baseline::empty(), &events, Some(2)).expect("a valid history");
    let whole = fold(&Baseline::at(half, 2), &events, None).expect("a valid history");
    assert_eq!(whole, folded(&events));
}
