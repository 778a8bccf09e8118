use std::panic::catch_unwind;

use super::*;
use crate::cell::row;
use crate::histories::{Feature, History, Start, table_schema};
use crate::oracle::fold;

#[test]
fn a_change_batch_holds_the_events() {
    let table = table_schema();
    let features = [Feature::Unset, Feature::KeyChange, Feature::Truncate, Feature::Read, Feature::Tie];
    let events = History::seeded(5, 60, Start::Dump, &features).events;
    let batch = change_batch(&table, &events, 3, 77);
    assert_eq!(batch.len(), events.len());
    let images = to_rows(&batch.source_columns().expect("a changelog has source columns"));
    let old_keys = batch.old_keys().expect("the table has a key");
    for (at, event) in events.iter().enumerate() {
        assert_eq!(batch.op(at).expect("an op"), event.op);
        assert_eq!(batch.sequences().value(at), event.sequence.to_sequence().as_str());
        assert_eq!(batch.domains().value(at), event.domain.0);
        assert_eq!(batch.event_times().value(at), event.event_time_us);
        assert_eq!(batch.unset(at), event.unset.iter().cloned().collect::<Vec<_>>());
        assert_eq!(images[at], event.image);
        let old_key = crate::columns::to_cell(old_keys, at).map(|cell| match cell {
            Cell::Struct(members) => table.keys().iter().map(|column| members[column].clone()).collect::<Key>(),
            other => panic!("{other:?} is no key"),
        });
        assert_eq!(old_key, event.old_key);
    }
    let system = batch.batch().slice(0, 1).project(&[4, 5]).expect("system columns");
    assert_eq!(to_rows(&system), [row([("_batch", Cell::Int(3)), ("_ingested_at", Cell::Int(77))])]);
}

#[test]
fn rows_become_a_state_again() {
    let history = History::seeded(2, 40, Start::Dump, &[]);
    let state = fold(&history.baseline, &history.events, None).expect("a valid history");
    let batch = crate::columns::to_batch(&table_schema().to_arrow(), &state.contents());
    let halves = [batch.slice(0, 1), batch.slice(1, batch.num_rows() - 1)];
    assert_eq!(to_state(&halves, table_schema().keys()), state);
    assert_rows(&state, &halves);
}

#[test]
fn rows_that_differ_are_found() {
    let one = |id: i64| row([("id", Cell::Int(id))]);
    let differs = |left: &[Row], right: &[Row]| catch_unwind(|| assert_same_rows(left, right)).is_err();
    assert!(!differs(&[one(1), one(2)], &[one(1), one(2)]));
    assert!(differs(&[one(1), one(2)], &[one(1)]));
    assert!(differs(&[one(1)], &[one(1), one(1)]), "a row that is there twice");
    assert!(differs(&[one(1), one(1)], &[one(1)]));
    assert!(differs(&[one(1), one(3)], &[one(1), one(2)]));
}
