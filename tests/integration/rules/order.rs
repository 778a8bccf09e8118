//! Rules 1 to 3: order, identity, lateness.

use super::*;
use crate::shell::json_of;

#[test]
fn rule_01_postgres_orders_by_both_parts_of_sequence() {
    let first = event(Op::Create, (10, 12), 1, &[("note", "first")]);
    let second = event(Op::Update, (20, 25), 1, &[("note", "its lsn is highest")]);
    let last = event(Op::Update, (30, 18), 1, &[("note", "its commit is last")]);
    for files in
        [vec![vec![&first, &second, &last]], vec![vec![&last], vec![&second], vec![&first]], vec![vec![&second, &last], vec![&first]]]
    {
        let orders = Orders::new("");
        for (number, events) in files.into_iter().enumerate() {
            orders.take(&format!("{number}.jsonl"), &events.into_iter().cloned().collect::<Vec<_>>());
        }
        orders.holds(&[row(1, &[("note", "its commit is last")])]);
    }
}

#[test]
fn rule_01_postgres_null_ranks_lowest() {
    let orders = Orders::new("");
    orders.take("1.jsonl", &[event(Op::Update, (1, 5), 1, &[("note", "after a commit")])]);
    orders.take("2.jsonl", &[event(Op::Create, (None, 99), 1, &[("note", "before any commit")])]);
    orders.holds(&[row(1, &[("note", "after a commit")])]);
}

fn mysql_line(op: &str, file: &str, position: u64, row: u64, note: &str) -> String {
    format!(
        concat!(
            r#"{{"before":null,"after":{{"region":"eu","id":1,"note":"{}"}},"source":{{"connector":"mysql","name":"my","snapshot":"false","#,
            r#""db":"shop","table":"orders","ts_us":1763700000000000,"file":"{}","pos":{},"row":{}}},"op":"{}"}}"#,
            "\n"
        ),
        note, file, position, row, op
    )
}

#[test]
fn rule_01_mysql_orders_by_number_of_the_file_then_position_then_row() {
    let in_order = [
        mysql_line("c", "binlog.999999", 900, 0, "a"),
        mysql_line("u", "binlog.1000000", 4, 0, "b"),
        mysql_line("u", "binlog.1000000", 30, 1, "c"),
        mysql_line("u", "binlog.1000000", 30, 2, "d"),
        mysql_line("u", "binlog.1000000", 200, 0, "e"),
    ];
    let orders = Orders::new("");
    for (number, line) in in_order.iter().rev().enumerate() {
        orders.land(&format!("{number}.jsonl"), line);
        orders.0.run(&["run"]);
        orders.holds(&[row(1, &[("note", "e")])]);
    }
    let sorted = orders.0.run(&["query", "select note from shop.orders__changelog order by _domain, _sequence", "--output", "json"]);
    let notes: Vec<String> = json_of(&sorted).as_array().unwrap().iter().map(|row| row["note"].as_str().unwrap().to_owned()).collect();
    assert_eq!(notes, ["a", "b", "c", "d", "e"]);
}

/// Records without a position in a log.
fn plain(note: &str) -> String {
    format!("{{\"op\":\"u\",\"updated_at\":\"2025-11-21 05:00:00\",\"record\":{{\"region\":\"eu\",\"id\":1,\"note\":\"{note}\"}}}}\n")
}

#[test]
fn rule_01_ties_of_sequence_by_go_by_names_of_files_and_never_by_arrival() {
    for names in [["a", "b"], ["b", "a"]] {
        let orders = Orders::new("sequence_by = \"updated_at\"\n");
        let settings = std::fs::read_to_string(orders.0.path("waterline.toml")).unwrap();
        orders.0.write("waterline.toml", settings.replace("debezium-json", "plain-json"));
        for name in names {
            orders.land(&format!("{name}.jsonl"), &(plain(&format!("{name}1")) + &plain(&format!("{name}2"))));
            orders.0.run(&["run"]);
        }
        orders.holds(&[row(1, &[("note", "b2")])]);
    }
}

#[test]
fn rule_02_an_event_counts_once_however_often_it_comes() {
    let events = [
        event(Op::Create, (10, 11), 1, &[("note", "a")]),
        event(Op::Update, (20, 21), 1, &[("note", "b")]),
        event(Op::Delete, (30, 31), 1, &[]),
        event(Op::Create, (40, 41), 1, &[("note", "c")]),
    ];
    let orders = Orders::new("");
    orders.take("1.jsonl", &events);
    let again = orders.take("2.jsonl", &events[..3]);
    assert_eq!((again["repeated"].as_u64(), again["late"].as_u64(), again["rows_read"].as_u64()), (Some(3), Some(0), Some(3)));
    orders.holds(&[row(1, &[("note", "c")])]);
    assert_eq!(orders.0.rows("select _op from shop.orders__changelog").len(), 4);
}

#[test]
fn rule_02_holds_for_tables_without_a_key() {
    let orders = Orders::new("");
    let ddl = std::fs::read_to_string(orders.0.path("ddl.sql")).unwrap();
    let keyless: Vec<&str> = ddl.lines().filter(|line| !line.contains("PRIMARY KEY")).collect();
    orders.0.write("ddl.sql", keyless.join("\n").replace("\"body\" text,", "\"body\" text"));
    let events = [event(Op::Create, (10, 11), 1, &[("note", "a")]), event(Op::Create, (10, 12), 1, &[("note", "a")])];
    orders.take("1.jsonl", &events);
    let again = orders.take("2.jsonl", &events);
    assert_eq!(again["repeated"], 2, "{again}");
    orders.holds(&[row(1, &[("note", "a")]), row(1, &[("note", "a")])]);
}

#[test]
fn rule_03_an_event_is_late_when_its_sequence_is_not_above_the_highest() {
    let orders = Orders::new("");
    let first = orders.take("1.jsonl", &[event(Op::Create, (10, 11), 1, &[]), event(Op::Create, (40, 41), 2, &[])]);
    assert_eq!(first["late"], 0);
    let second = orders.take("2.jsonl", &[event(Op::Create, (20, 21), 3, &[]), event(Op::Create, (50, 51), 4, &[])]);
    assert_eq!((second["late"].as_u64(), second["repeated"].as_u64()), (Some(1), Some(0)));
    orders.holds(&[row(1, &[]), row(2, &[]), row(3, &[]), row(4, &[])]);
}

fn of_another_log(events: &[Event]) -> String {
    Orders::text(events).replace("\"name\":\"pg\"", "\"name\":\"pg2\"")
}

#[track_caller]
fn refuses(orders: &Orders, parts: &[&str]) {
    let before = (orders.0.table(ORDERS), orders.0.snapshot_count(ORDERS));
    orders.0.say(&["run"]).fails(1, parts);
    assert_eq!((orders.0.table(ORDERS), orders.0.snapshot_count(ORDERS)), before);
}

#[test]
fn rule_03_a_truncate_among_several_domains_is_an_error() {
    let orders = Orders::new("");
    orders.take("1.jsonl", &[event(Op::Create, (10, 11), 1, &[("note", "a")])]);
    orders.land("2.jsonl", &of_another_log(&[event(Op::Create, (10, 11), 2, &[("note", "b")])]));
    orders.0.run(&["run"]);
    orders.land("3.jsonl", &Orders::text(&[event(Op::Truncate, (20, 21), 0, &[])]));
    refuses(&orders, &[ORDERS, "domain"]);
}
