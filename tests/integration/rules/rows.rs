//! Rules 4 to 9: what late events, truncates, key changes, reads, unset columns and baselines make of rows.

use waterline_testkit::debezium::dump_csv;
use waterline_testkit::oracle::State;

use super::*;

/// Loads rows as the dump of this moment, in seconds.
fn load(orders: &Orders, rows: &[Event], at: &str) {
    let rows = rows.iter().map(|event| (event.key.clone().unwrap(), event.image.clone())).collect();
    orders.0.write("dump.csv", dump_csv(&table_schema(), &State::of_rows(rows)));
    orders.0.run(&["load", ORDERS, "dump.csv", "--null", "\\N", "--ddl", "ddl.sql", "--at", at]);
}

fn moment(seconds: u32) -> String {
    format!("2025-11-21T04:{:02}:{:02}Z", 40 + seconds / 60, seconds % 60)
}

#[test]
fn rule_04_a_late_event_refolds_the_history_of_its_key_on_the_row_of_the_baseline() {
    let orders = Orders::new("");
    load(&orders, &[event(Op::Read, (None, 5), 1, &[("note", "dumped"), ("body", "dumped")])], &moment(5));
    orders.take("1.jsonl", &[without(event(Op::Update, (30, 31), 1, &[("note", "last")]), &["body"])]);
    orders.holds(&[row(1, &[("body", "dumped"), ("note", "last")])]);
    let late = orders.take("2.jsonl", &[without(event(Op::Update, (20, 21), 1, &[("body", "between")]), &["note"])]);
    assert_eq!(late["late"], 1);
    orders.holds(&[row(1, &[("body", "between"), ("note", "last")])]);
    // Before the baseline's moment it changes nothing, but is logged.
    orders.take("3.jsonl", &[event(Op::Delete, (2, 3), 1, &[])]);
    orders.holds(&[row(1, &[("body", "between"), ("note", "last")])]);
    assert_eq!(orders.0.rows("select _op from shop.orders__changelog").len(), 3);
}

#[test]
fn rule_04_a_late_delete_below_a_create_changes_nothing() {
    let orders = Orders::new("");
    orders.take("1.jsonl", &[event(Op::Create, (10, 11), 1, &[("note", "a")]), event(Op::Create, (30, 31), 1, &[("note", "b")])]);
    orders.take("2.jsonl", &[event(Op::Delete, (20, 21), 1, &[])]);
    orders.holds(&[row(1, &[("note", "b")])]);
}

#[test]
fn rule_05_a_truncate_belongs_to_the_history_of_every_key() {
    let orders = Orders::new("");
    load(&orders, &[event(Op::Read, (None, 1), 1, &[("note", "dumped")])], &moment(1));
    orders.take("1.jsonl", &[event(Op::Create, (10, 11), 2, &[("note", "before")]), event(Op::Create, (30, 31), 3, &[("note", "after")])]);
    orders.take("2.jsonl", &[event(Op::Truncate, (20, 21), 0, &[])]);
    orders.holds(&[row(3, &[("note", "after")])]);
    // What comes late from before the truncate stays gone.
    orders.take("3.jsonl", &[event(Op::Update, (12, 13), 1, &[("note", "too late")])]);
    orders.holds(&[row(3, &[("note", "after")])]);
    orders.take("4.jsonl", &[event(Op::Truncate, (40, 41), 0, &[]), event(Op::Create, (50, 51), 4, &[])]);
    orders.holds(&[row(4, &[])]);
}

/// The two halves of a change of key from 1 to 2, without the column that did not change.
fn key_change() -> [Event; 2] {
    let mut create = without(event(Op::Create, (20, 21), 2, &[("note", "moved")]), &["body"]);
    create.sequence.ordinal = 1;
    create.old_key = Some(vec![Cell::from("eu"), Cell::from(1)]);
    [event(Op::Delete, (20, 21), 1, &[]), create]
}

#[test]
fn rule_06_a_key_change_takes_unset_columns_from_the_old_key() {
    let create = event(Op::Create, (10, 11), 1, &[("note", "a"), ("body", "long")]);
    let orders = Orders::new("");
    orders.take("1.jsonl", std::slice::from_ref(&create));
    let report = orders.take("2.jsonl", &key_change());
    assert_eq!(report["unresolved"], 0);
    orders.holds(&[row(2, &[("body", "long"), ("note", "moved")])]);

    let in_one_batch = Orders::new("");
    in_one_batch.take("1.jsonl", &[[create].as_slice(), &key_change()].concat());
    in_one_batch.holds(&[row(2, &[("body", "long"), ("note", "moved")])]);
    let old_keys = in_one_batch.0.rows("select _op, _old_key['id'] as old from shop.orders__changelog where _old_key is not null");
    assert_eq!(old_keys, [TextRow::from([("_op".into(), "c".into()), ("old".into(), "1".into())])]);
}

#[test]
fn rule_06_keys_that_are_linked_are_one_history() {
    let orders = Orders::new("");
    orders.take("1.jsonl", &[event(Op::Create, (10, 11), 1, &[("note", "a"), ("body", "old")])]);
    orders.take("2.jsonl", &key_change());
    // Late on the old key, and seen through the new one.
    orders.take("3.jsonl", &[event(Op::Update, (12, 13), 1, &[("note", "b"), ("body", "new")])]);
    orders.holds(&[row(2, &[("body", "new"), ("note", "moved")])]);
}

#[test]
fn rule_07_a_read_ranks_below_any_change_of_its_key() {
    let orders = Orders::new("");
    orders.take("1.jsonl", &[event(Op::Update, (10, 11), 1, &[("note", "changed")]), event(Op::Delete, (10, 12), 2, &[])]);
    let reads = [1, 2, 3].map(|id| event(Op::Read, (20, 21), id, &[("note", "read")]));
    orders.take("2.jsonl", &reads);
    orders.holds(&[row(1, &[("note", "changed")]), row(3, &[("note", "read")])]);
}

#[test]
fn rule_08_unset_columns_without_a_row_are_null_and_counted_until_the_row_comes() {
    let orders = Orders::new("");
    let report = orders.take("1.jsonl", &[without(event(Op::Update, (20, 21), 1, &[("note", "b")]), &["body"])]);
    assert_eq!(report["unresolved"], 1, "{report}");
    orders.holds(&[row(1, &[("note", "b")])]);
    let report = orders.take("2.jsonl", &[event(Op::Create, (10, 11), 1, &[("note", "a"), ("body", "long")])]);
    assert_eq!((report["unresolved"].as_u64(), report["late"].as_u64()), (Some(0), Some(1)), "{report}");
    orders.holds(&[row(1, &[("body", "long"), ("note", "b")])]);
}

#[test]
fn rule_09_every_event_is_logged_and_only_those_after_the_dump_are_folded() {
    let orders = Orders::new("");
    load(&orders, &[event(Op::Read, (None, 1), 1, &[("note", "dumped")])], &moment(20));
    orders.take(
        "1.jsonl",
        &[
            event(Op::Update, (10, 11), 1, &[("note", "before")]),
            event(Op::Create, (10, 20), 2, &[("note", "at the moment itself")]),
            event(Op::Create, (20, 21), 3, &[("note", "after")]),
        ],
    );
    orders.holds(&[row(1, &[("note", "dumped")]), row(3, &[("note", "after")])]);
    assert_eq!(orders.0.rows("select _op from shop.orders__changelog").len(), 3);
}

#[test]
fn rule_09_a_dump_within_an_interval_replays_from_its_start() {
    let orders = Orders::new("");
    // Taken somewhere in 10..30: row 2 was deleted at 15 and is in it all the same.
    let rows = [1, 2].map(|id| event(Op::Read, (None, 1), id, &[("note", "dumped")]));
    load(&orders, &rows, &format!("{}..{}", moment(10), moment(30)));
    orders.take("1.jsonl", &[event(Op::Update, (5, 6), 1, &[("note", "before")]), event(Op::Delete, (14, 15), 2, &[])]);
    orders.take("2.jsonl", &[event(Op::Create, (24, 25), 3, &[("note", "within")])]);
    orders.holds(&[row(1, &[("note", "dumped")]), row(3, &[("note", "within")])]);
}
