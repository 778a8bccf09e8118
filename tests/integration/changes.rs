//! The change feed: a state with the changes since then applied to it is the later state, whatever the order of events.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use waterline_core::as_of::Beyond;
use waterline_core::changes::Detail;
use waterline_core::error::Result;
use waterline_engine::changes::{Changes, Span};
use waterline_engine::lake::Limits;
use waterline_engine::merge::catch_up;
use waterline_engine::read::{ReadAt, SessionOptions, session};
use waterline_testkit::arrivals::{Arrival, Disorder, arrivals};
use waterline_testkit::cell::{Cell, Key, Row};
use waterline_testkit::columns::to_rows;
use waterline_testkit::histories::{Feature, History, Start, histories};
use waterline_testkit::oracle::{Mark, State, fold};

use crate::fold::{Subject, run};
use crate::landing::{SECTIONS, STARTED_US, line, moment};
use crate::shell::{Shell, fixture, read_fixture};

type Identity = (i64, String, String);

/// How a history is merged and asked about, as dice.
#[derive(Clone, Debug)]
struct Dice {
    merged: Vec<bool>,
    moments: Vec<(u8, u8)>,
}

fn dice() -> impl Strategy<Value = Dice> {
    let lists = (proptest::collection::vec(any::<bool>(), 1..6), proptest::collection::vec(any::<(u8, u8)>(), 1..4));
    lists.prop_map(|(merged, moments)| Dice { merged, moments })
}

/// Logs a history, merges it here and there, and asks for changes between moments of it.
async fn check(history: &History, arrival: &Arrival, dice: &Dice) {
    let mut subject = Subject::new(history, &[]).await;
    let mut merged = dice.merged.iter().cycle();
    for batch in arrival.batches(&history.events) {
        for logged in subject.log(&batch).await {
            if *merged.next().unwrap() {
                catch_up(&subject.lake, &subject.pair, Some(&logged), &Limits::default()).await.unwrap();
            }
        }
    }
    let moments = moments(history);
    if moments.is_empty() {
        return;
    }
    let pick = |dice: u8| moments[usize::from(dice) % moments.len()];
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    for (one, other) in dice.moments.iter().map(|(one, other)| (pick(*one), pick(*other))).chain([(first, last)]) {
        check_between(&subject, history, one.min(other), one.max(other)).await;
    }
}

/// Times of events and one microsecond before them, as far as the history is known then.
fn moments(history: &History) -> Vec<i64> {
    let earliest = history.events.iter().map(|event| event.event_time_us).min();
    let first = history.baseline.until_us.or(history.baseline.at_us).or(earliest);
    let of_events = history.events.iter().flat_map(|event| [event.event_time_us - 1, event.event_time_us]);
    let moments: BTreeSet<i64> = of_events.chain(first).filter(|time| first.is_none_or(|first| *time >= first)).collect();
    moments.into_iter().collect()
}

async fn check_between(subject: &Subject, history: &History, since_us: i64, until_us: i64) {
    let state = |at_us| fold(&history.baseline, &subject.batches.concat(), Some(at_us)).unwrap();
    for detail in [Detail::EveryEvent, Detail::Net] {
        let feed = feed(subject, since_us, until_us, detail).await.unwrap();
        let is_told = |time: i64| time > since_us && time <= until_us;
        let happened = subject.batches.iter().flatten().filter(|event| is_told(event.event_time_us));
        let happened: BTreeSet<Identity> =
            happened.map(|event| (event.event_time_us, event.domain.0.clone(), event.sequence.to_sequence().to_string())).collect();
        // What runs of reads say follows upon all events of their time.
        let (events, turns): (Vec<Identity>, Vec<Identity>) = feed.iter().map(identity).partition(|told| happened.contains(told));
        assert!(events.is_sorted(), "{events:?}");
        assert!(feed.iter().map(identity).is_sorted_by_key(|told| told.0), "{feed:#?}");
        let ends_run = |time: i64| history.events.iter().any(|event| event.mark != Mark::None && event.event_time_us == time);
        assert!(turns.iter().all(|turn| ends_run(turn.0)), "{turns:?}");
        let mut applied = state(since_us);
        let mut keys = BTreeSet::new();
        for row in &feed {
            let key = apply(&mut applied, row);
            assert!(detail == Detail::EveryEvent || keys.insert(key), "a key has one net change: {feed:#?}");
        }
        assert_eq!(applied.rows, state(until_us).rows, "{detail:?} in ({since_us}, {until_us}]: {feed:#?}");
        if detail == Detail::EveryEvent {
            assert_eq!(events.into_iter().collect::<BTreeSet<_>>(), happened, "({since_us}, {until_us}]");
        } else {
            assert!(feed.iter().all(|row| row.get("before") != row.get("after")), "{feed:#?}");
        }
    }
}

/// With so few rows at a time that the keys come in several shares.
async fn feed(subject: &Subject, since_us: i64, until_us: i64, detail: Detail) -> Result<Vec<Row>> {
    let span = Span { since_us, until_us, known_by_ms: None, beyond: Beyond::AsLogged };
    let limits = Limits { batch_rows: 5, ..Limits::default() };
    let changes = Changes::open(&subject.lake, subject.pair.mirror.name(), &span, detail, &limits).await?;
    let schema = changes.schema();
    let session = session(subject.lake.catalog.clone(), &subject.lake.env, ReadAt::Head, &SessionOptions::default())?;
    let batches: Vec<_> = changes.stream(&session).await?.try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.schema().fields().len() == schema.fields().len()));
    Ok(batches.iter().flat_map(to_rows).collect())
}

fn identity(row: &Row) -> Identity {
    match (&row["_event_time"], &row["_domain"], &row["_sequence"]) {
        (Cell::Int(time), Cell::Text(domain), Cell::Text(sequence)) => (*time, domain.clone(), sequence.clone()),
        other => panic!("{other:?}"),
    }
}

/// Applies a row of the feed, whose `before` must be what is there. Returns its key.
#[track_caller]
fn apply(state: &mut State, row: &Row) -> Option<Key> {
    if row["_op"] == Cell::from("t") {
        state.rows.clear();
        return None;
    }
    let image = |name: &str| row.get(name).map(|cell| if let Cell::Struct(row) = cell { row.clone() } else { panic!("{cell:?}") });
    let (before, after) = (image("before"), image("after"));
    let key = |row: &Row| vec![row["region"].clone(), row["id"].clone()];
    let key = before.as_ref().or(after.as_ref()).map(key)?;
    let was = match after {
        Some(after) => state.rows.insert(key.clone(), after),
        None => state.rows.remove(&key),
    };
    assert_eq!(was, before, "{row:#?}");
    Some(key)
}

const PLAIN: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie];
const ALL: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate, Feature::Read];
const RUNS: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate, Feature::Run];
const BACKDATED: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate, Feature::Read, Feature::Backdated];
const SIMPLE: &[Feature] = &[Feature::Truncate, Feature::Backdated];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn changes_in_order(history in histories(Start::Empty, ALL, 24), arrival in arrivals(Disorder::InOrder), dice in dice()) {
        run(check(&history, &arrival, &dice));
    }

    #[test]
    fn changes_onto_a_dump(history in histories(Start::DumpInside, ALL, 24), arrival in arrivals(Disorder::Late), dice in dice()) {
        run(check(&history, &arrival, &dice));
    }

    #[test]
    fn changes_onto_a_dump_of_unknown_moment(
        history in histories(Start::DumpWithin, PLAIN, 24), arrival in arrivals(Disorder::Shuffled), dice in dice()
    ) {
        run(check(&history, &arrival, &dice));
    }

    #[test]
    fn changes_whose_times_run_against_their_order(
        history in histories(Start::Dump, BACKDATED, 24), arrival in arrivals(Disorder::Late), dice in dice()
    ) {
        run(check(&history, &arrival, &dice));
    }

    #[test]
    fn truncates_whose_times_run_against_their_order(
        history in histories(Start::Dump, SIMPLE, 24), arrival in arrivals(Disorder::InOrder), dice in dice()
    ) {
        run(check(&history, &arrival, &dice));
    }

    #[test]
    fn changes_in_two_domains(
        history in histories(Start::Empty, &[Feature::TwoDomains, Feature::Unset], 24), arrival in arrivals(Disorder::Late), dice in dice()
    ) {
        run(check(&history, &arrival, &dice));
    }
}

proptest! {
    // Each turn compares two states.
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn changes_between_runs_of_reads(history in histories(Start::Run, RUNS, 24), arrival in arrivals(Disorder::InOrder), dice in dice()) {
        run(check(&history, &arrival, &dice));
    }
}

/// The sample of the demo, merged up to 19:00.
fn sample() -> Shell {
    let shell = Shell::empty();
    shell.run(&["demo", "shop"]);
    shell
}

fn changes(shell: &Shell, args: &[&str]) -> Value {
    let said = shell.say_in("shop", &[&["changes"], args, &["--output", "json"]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_feed_of_the_sample() {
    let shell = sample();
    let order = |status: &str| json!({"id": 107, "customer_id": 2, "status": status, "total": 64.00, "placed_at": "2025-11-12T03:12:24Z", "note": null});
    let feed = changes(&shell, &["shop.orders", "--since", "2025-11-12T03:00:00Z", "--until", "2025-11-12T16:00:00Z"]);
    let of_107: Vec<&Value> =
        feed.as_array().unwrap().iter().filter(|row| row["before"]["id"] == 107 || row["after"]["id"] == 107).collect();
    let shown: Vec<Value> = of_107.iter().map(|row| json!([row["_op"], row["_event_time"], row["before"], row["after"]])).collect();
    assert_eq!(
        shown,
        [
            json!(["c", "2025-11-12T03:12:30.984039Z", null, order("open")]),
            json!(["u", "2025-11-12T11:00:00.11964Z", order("open"), order("cancelled")]),
            json!(["d", "2025-11-12T15:45:00.034895Z", order("cancelled"), null]),
        ]
    );
    assert_eq!(of_107[0].as_object().unwrap().keys().collect::<BTreeSet<_>>().len(), 7);
    assert_eq!(feed.as_array().unwrap().len(), 15);

    let bounds = ["--since", "2025-11-12T03:12:30.984039Z", "--until", "2025-11-12T11:00:00.119640Z"];
    let feed = changes(&shell, &[&["shop.orders"], &bounds[..]].concat());
    let (first, last) = (&feed[0], feed.as_array().unwrap().last().unwrap());
    assert_eq!((&first["after"]["id"], &last["after"]["status"]), (&json!(104), &json!("cancelled")), "(T1, T2]");
}

#[test]
fn the_net_feed_of_the_sample() {
    let shell = sample();
    let net = changes(&shell, &["shop.customers", "--since", "2025-11-12T04:00:00Z", "--until", "2025-11-12T16:00:00Z", "--net"]);
    let shown: Vec<Value> = net
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!([row["_op"], row["_event_time"], row["before"]["credit"], row["after"]["credit"], row["after"]["id"]]))
        .collect();
    let expected = [
        json!(["u", "2025-11-12T07:01:00.477563Z", 80.25, 80.25, 5]),
        json!(["u", "2025-11-12T08:02:42.080757Z", 500.00, 0.00, 4]),
        json!(["c", "2025-11-12T08:55:00.244265Z", null, 0.00, 6]),
        json!(["u", "2025-11-12T09:50:24.954129Z", 0.00, 0.00, 2]),
        json!(["u", "2025-11-12T14:40:00.2991Z", 120.00, 31.90, 1]),
    ];
    assert_eq!(shown, expected);
    let gone = changes(&shell, &["shop.orders", "--since", "2025-11-12T03:00:00Z", "--until", "2025-11-12T16:00:00Z", "--net"]);
    assert!(
        gone.as_array().unwrap().iter().all(|row| row["before"]["id"] != 107 && row["after"]["id"] != 107),
        "it came and went: {gone:#}"
    );
}

#[test]
fn moments_that_have_no_answer() {
    let shell = sample();
    let say = |args: &[&str]| shell.say_in("shop", &[&["changes", "shop.orders"], args].concat());
    say(&["--since", "2025-11-12T02:00:00Z", "--until", "2025-11-12T16:00:00Z"]).fails(1, &["answerable from", "2025-11-12T03:00:00"]);
    say(&["--since", "2025-11-12T04:00:00Z", "--until", "2025-11-12T20:00:00Z"]).fails(1, &["--allow-incomplete"]);
    let beyond = say(&["--since", "2025-11-12T18:54:00Z", "--until", "2025-11-12T20:00:00Z", "--allow-incomplete", "--output", "csv"]);
    assert_eq!(beyond.out.lines().count(), 2, "{}", beyond.out);
    assert!(
        beyond.out.starts_with("_op,_event_time,_sequence,_domain,_old_key,before,after\nu,2025-11-12T18:54:12.308073Z,"),
        "{}",
        beyond.out
    );
    assert!(beyond.out.contains(r#""{""id"":110,"#), "{}", beyond.out);
    say(&["--since", "2025-11-12T05:00:00Z", "--until", "2025-11-12T04:00:00Z"]).fails(2, &["end before they begin"]);
    say(&["--since", "2025-11-12 05:00:00", "--until", "2025-11-12T06:00:00Z"]).fails(2, &["--since", "offset"]);
    let local = ["--since", "2025-11-12 12:00:00", "--until", "2025-11-12 13:00:00", "--timezone", "Asia/Tokyo"];
    assert_eq!(say(&local).code, 0);
}

/// Rows by their JSON key.
type Rows = BTreeMap<String, Value>;

/// A table as the program reads it at a moment.
fn as_of(shell: &Shell, table: &str, key: &[&str], at: &str) -> Rows {
    let rows = shell.json(&["query", &format!("select * from tpcc.{table}"), "--as-of", at]);
    rows.as_array().unwrap().iter().map(|row| (key_of(row, key), row.clone())).collect()
}

fn key_of(row: &Value, key: &[&str]) -> String {
    json!(key.iter().map(|column| &row[*column]).collect::<Vec<_>>()).to_string()
}

/// The moments are those at which the database was dumped, so that the states are known to be right (`tests/integration/tpcc.rs`).
#[test]
fn tpcc_between_its_moments() {
    let shell = Shell::new(&format!(
        "[sources.shop]\npath = \"landing/pg.{{table}}/\"\nformat = \"debezium-json\"\ntables = [\"tpcc.*\"]\nschema = {{ ddl = \"{}\" }}\n",
        fixture("tpcc/ddl.sql").display()
    ));
    let moments: Vec<Value> = serde_json::from_str(&read_fixture("tpcc/moments.json")).unwrap();
    let moments: Vec<&str> = moments.iter().map(|moment| moment["at"].as_str().unwrap()).collect();
    let tables: [(&str, &[&str]); 3] =
        [("customer", &["c_w_id", "c_d_id", "c_id"]), ("district", &["d_w_id", "d_id"]), ("new_order", &["no_w_id", "no_d_id", "no_o_id"])];
    for (table, _) in tables {
        shell.write(&format!("landing/pg.tpcc.{table}/00000.jsonl"), read_fixture(&format!("tpcc/events/pg.tpcc.{table}/00000.jsonl.gz")));
    }
    shell.run(&["run", "--batch-rows", "1500", "--complete-until", moments[5]]);
    for (table, key) in tables {
        let (since, until) = (moments[1], moments[3]);
        let (before, after) = (as_of(&shell, table, key, since), as_of(&shell, table, key, until));
        let name = format!("tpcc.{table}");
        let span = ["changes", name.as_str(), "--since", since, "--until", until];
        let every = shell.json(&span);
        let net = shell.json(&[&span[..], &["--net"]].concat());
        for feed in [&every, &net] {
            let mut rows = before.clone();
            for change in feed.as_array().unwrap() {
                let (was, is) = (&change["before"], &change["after"]);
                let key = key_of(if was.is_null() { is } else { was }, key);
                assert_eq!(rows.get(&key).unwrap_or(&Value::Null), was, "{table}: {change:#}");
                if is.is_null() {
                    rows.remove(&key)
                } else {
                    rows.insert(key, is.clone())
                };
            }
            assert!(rows == after, "{table} from {since} to {until}");
        }
        let logged = shell.rows(&format!(
            "select count(*) as n from tpcc.{table}__changelog where _event_time > timestamp '{since}' and _event_time <= timestamp '{until}'"
        ));
        assert_eq!(every.as_array().unwrap().len().to_string(), logged[0]["n"], "{table}");
        let differ = |key: &&String| before.get(*key) != after.get(*key);
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).filter(differ).collect();
        assert_eq!(net.as_array().unwrap().len(), keys.len(), "{table}");
    }
}

/// A second dump says other than the events before it, and a third the same as they.
#[test]
fn what_only_a_newer_dump_says_is_told_at_its_time() {
    for (keys, key) in [("a bigint PRIMARY KEY", true), ("a bigint", false)] {
        let shell = Shell::new(SECTIONS);
        shell.write("ddl.sql", format!("CREATE TABLE shop.t ({keys}, b text);"));
        let load = |second: i64, rows: &str| {
            shell.write("dump.csv", format!("a,b\n{rows}"));
            shell.run(&["load", "shop.t", "dump.csv", "--ddl", "ddl.sql", "--at", &moment(second), "--supersede"]);
        };
        load(0, if key { "1,one\n2,two\n3,three\n" } else { "1,one\n2,two\n3,three\n3,three\n" });
        let create = |second: i64, a: i64| line("t", "c", second, &format!(r#"{{"a":{a},"b":"new"}}"#));
        shell.write("landing/pg.shop.t/0.jsonl", create(10, 4) + &create(20, 5) + &create(40, 6));
        shell.run(&["run", "-q"]);
        load(30, "1,one\n2,other\n4,new\n7,unheard\n");
        let changes = |since: i64, until: i64, more: &[&str]| {
            let (since, until) = (moment(since), moment(until));
            let args = ["changes", "shop.t", "--since", &since, "--until", &until, "--allow-incomplete"];
            let feed = shell.json(&[&args[..], more].concat());
            let shown = |row: &Value| json!([row["_op"], row["_event_time"], row["_domain"], row["before"]["b"], row["after"]["b"]]);
            feed.as_array().unwrap().iter().map(shown).collect::<Vec<_>>()
        };
        let event = |second: i64| json!(["c", moment(second), "pg", null, "new"]);
        let anchor = format!("waterline/baseline-{}", STARTED_US + 30_000_000);
        let turn = |op: &str, before: Value, after: Value| json!([op, moment(30), anchor, before, after]);
        let three = || turn("d", json!("three"), Value::Null);
        let expected = if key {
            vec![
                turn("u", json!("two"), json!("other")),
                three(),
                turn("d", json!("new"), Value::Null),
                turn("c", Value::Null, json!("unheard")),
            ]
        } else {
            // By all columns in order. No row stands for another.
            vec![
                turn("c", Value::Null, json!("other")),
                turn("d", json!("two"), Value::Null),
                three(),
                three(),
                turn("d", json!("new"), Value::Null),
                turn("c", Value::Null, json!("unheard")),
            ]
        };
        let feed = changes(0, 40, &[]);
        assert_eq!(feed, [vec![event(10), event(20)], expected.clone(), vec![event(40)]].concat());
        assert_eq!(changes(29, 30, &[]), expected);
        let net = changes(0, 40, &["--net"]);
        if key {
            // 5 came and went.
            let kept: Vec<Value> = expected.iter().filter(|row| row[3] != "new").cloned().collect();
            assert_eq!(net, [vec![event(10)], kept, vec![event(40)]].concat());
        } else {
            assert_eq!(net, feed);
        }
        assert_eq!(changes(10, 25, &[]), [event(20)]);
        assert_eq!(changes(30, 40, &[]), [event(40)]);
    }
}

/// Its rows have no identity, so a row is told where it is created, and a truncate takes all away.
#[test]
fn a_table_without_a_key() {
    let shell = Shell::new(
        "[sources.shop]\npath = \"landing/\"\nformat = \"debezium-json\"\ntables = [\"shop.*\"]\nschema = { ddl = \"ddl.sql\", dialect = \"postgres\" }\n",
    );
    shell.write("ddl.sql", "CREATE TABLE shop.log (a bigint, b text);");
    let event = |second: u64, op: &str, after: Value| {
        let us = (1_767_225_600 + second) * 1_000_000;
        let source = json!({
            "connector": "postgresql", "name": "shop", "db": "shop", "schema": "shop", "table": "log", "snapshot": "false", "txId": second,
            "lsn": second * 10, "sequence": format!("[\"{}\",\"{}\"]", second * 10, second * 10), "ts_ms": us / 1000, "ts_us": us,
        });
        format!("{}\n", json!({"before": null, "after": after, "source": source, "op": op, "ts_ms": us / 1000}))
    };
    let row = |a: u64| json!({"a": a, "b": "x"});
    let first = [event(1, "c", row(1)), event(2, "c", row(1)), event(3, "c", row(3))].concat();
    let second = [event(4, "t", Value::Null), event(5, "c", row(5)), event(6, "c", row(5))].concat();
    let between = |since: u64, until: u64, net: &[&str]| {
        let moment = |second: u64| format!("2026-01-01T00:00:0{second}Z");
        let (since, until) = (moment(since), moment(until));
        let feed = shell.json(&[&["changes", "shop.log", "--since", since.as_str(), "--until", until.as_str()], net].concat());
        feed.as_array().unwrap().iter().map(|row| json!([row["_op"], row["before"], row["after"]])).collect::<Vec<_>>()
    };
    let created = |a: u64| json!(["c", null, row(a)]);
    let truncated = json!(["t", null, null]);
    shell.write("landing/0.jsonl", first);
    shell.run(&["run", "--complete-until", "2026-01-01T00:00:03Z"]);
    assert_eq!(between(1, 3, &[]), [created(1), created(3)]);
    assert_eq!(between(1, 3, &["--net"]), [created(1), created(3)]);
    shell.write("landing/1.jsonl", second);
    shell.run(&["run", "--complete-until", "2026-01-01T00:00:06Z"]);
    assert_eq!(between(1, 6, &[]), [created(1), created(3), truncated.clone(), created(5), created(5)]);
    assert_eq!(between(1, 6, &["--net"]), [truncated, created(5), created(5)]);
    assert_eq!(between(4, 6, &["--net"]), [created(5), created(5)]);
    assert_eq!(between(1, 2, &[]), [created(1)]);
}
