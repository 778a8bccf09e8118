//! Rule 17: the watermark belongs to the source.

use super::*;

const OTHER: &str = "shop.returns";

/// A second table of the source: the same columns under another name.
fn two_tables(more: &str) -> Orders {
    let orders = Orders::new(more);
    let ddl_of = |name: &str| ddl(&name.parse().unwrap(), &table_schema());
    orders.0.write("ddl.sql", ddl_of(ORDERS) + &ddl_of(OTHER));
    orders
}

fn land_other(orders: &Orders, file: &str, events: &[Event]) {
    let text = Orders::text(events).replace("\"table\":\"orders\"", "\"table\":\"returns\"");
    orders.0.write(&format!("landing/pg.shop.returns/{file}"), text);
}

fn complete_until(orders: &Orders) -> Vec<(String, Value)> {
    let status = orders.0.json(&["status"]);
    status.as_array().unwrap().iter().map(|row| (row["table"].as_str().unwrap().to_owned(), row["complete_until"].clone())).collect()
}

fn all_until(time: &str) -> Vec<(String, Value)> {
    [ORDERS, OTHER].map(|table| (table.to_owned(), Value::from(time))).to_vec()
}

#[test]
fn rule_17_the_watermark_is_the_minimum_of_the_partitions_less_a_tick_and_the_lateness() {
    let orders = two_tables("lateness = \"10s\"\n");
    land_other(&orders, "1.jsonl", &[event(Op::Create, (10, 60), 1, &[])]);
    orders.take("1.jsonl", &[event(Op::Create, (20, 90), 1, &[])]);
    // The source's clock ticks in whole seconds here, as far as anyone can see.
    assert_eq!(complete_until(&orders), all_until("2025-11-21T04:40:49Z"));

    // Files of one partition count together, and a quiet table is complete as its source is.
    land_other(&orders, "2.jsonl", &[event(Op::Create, (30, 80), 2, &[])]);
    orders.0.run(&["run"]);
    assert_eq!(complete_until(&orders), all_until("2025-11-21T04:41:09Z"));
}

#[test]
fn rule_17_what_is_stated_counts_and_what_comes_below_it_is_counted() {
    let orders = two_tables("");
    land_other(&orders, "1.jsonl", &[event(Op::Create, (10, 60), 1, &[])]);
    orders.land("1.jsonl", &Orders::text(&[event(Op::Create, (20, 61), 1, &[])]));
    orders.0.run(&["run", "--complete-until", "2025-11-21T05:00:00Z"]);
    assert_eq!(complete_until(&orders), all_until("2025-11-21T05:00:00Z"));

    let below = orders.take("2.jsonl", &[event(Op::Create, (30, 70), 2, &[("note", "taken all the same")])]);
    assert_eq!((below["below_watermark"].as_u64(), below["late"].as_u64()), (Some(1), Some(0)), "{below}");
    orders.holds(&[row(1, &[]), row(2, &[("note", "taken all the same")])]);
    assert_eq!(complete_until(&orders), all_until("2025-11-21T05:00:00Z"));
}

#[test]
fn rule_17_a_statement_without_events_is_kept_in_a_commit() {
    let orders = two_tables("");
    land_other(&orders, "1.jsonl", &[event(Op::Create, (10, 60), 1, &[])]);
    orders.take("1.jsonl", &[event(Op::Create, (20, 61), 1, &[])]);
    let before = orders.0.snapshot_count("shop.orders__changelog");
    orders.0.run(&["run", "--complete-until", "2025-11-21T05:00:00Z"]);
    assert_eq!(orders.0.snapshot_count("shop.orders__changelog"), before + 1);
    assert_eq!(complete_until(&orders), all_until("2025-11-21T05:00:00Z"));
    orders.0.run(&["run"]);
    assert_eq!(orders.0.snapshot_count("shop.orders__changelog"), before + 1, "nothing is new");
}
