//! Rule 16: all events of a transaction have one event time, or it is known that they may not.

use super::{Atomicity, TransactionTimes};
use crate::decode::{ChangeFormat, DecodeSettings, Decoder, Message};

const SECOND_US: i64 = 1_000_000;

fn settings() -> DecodeSettings {
    DecodeSettings::new(ChangeFormat::DebeziumJson)
}

/// An event at an offset of the binlog, of a statement that ran at this second.
fn event(offset: u64, second: i64, gtid: &str) -> String {
    format!(
        r#"{{"before":null,"after":{{"id":{offset}}},"source":{{"connector":"mysql","name":"my","ts_ms":{},"snapshot":"false","db":"shop","table":"t","gtid":{gtid},"file":"binlog.000002","pos":{offset},"row":0}},"op":"c","ts_ms":1}}"#,
        second * 1_000
    )
}

fn end(id: &str, second: i64) -> String {
    format!(r#"{{"status":"END","id":"{id}","event_count":2,"data_collections":[],"ts_ms":{}}}"#, second * 1_000)
}

fn learned(times: TransactionTimes, lines: &[String]) -> TransactionTimes {
    let (mut times, mut decoder) = (times, Decoder::new(settings()).unwrap());
    for line in lines {
        times.learn(&decoder.decode(line.as_bytes()).unwrap());
    }
    times
}

/// The second that an event is given, and whether its transaction has no other.
fn settled(times: &TransactionTimes, line: &str) -> (i64, Atomicity) {
    let mut decoder = Decoder::new(settings()).unwrap();
    let Message::Change(mut change) = decoder.decode(line.as_bytes()).unwrap() else { panic!("no change: {line}") };
    let atomicity = times.settle(&mut change);
    (change.event_time_us() / SECOND_US, atomicity)
}

#[test]
fn rule_16_all_events_of_a_transaction_take_its_latest_time() {
    let lines = [event(10, 5, r#""g:1""#), event(20, 7, r#""g:1""#), event(30, 6, r#""g:2""#), end("g:2", 9)];
    let times = learned(TransactionTimes::new(1 << 20), &lines);
    let found: Vec<_> = lines[..3].iter().map(|line| settled(&times, line)).collect();
    assert_eq!(found, [(7, Atomicity::Whole), (7, Atomicity::Whole), (9, Atomicity::Whole)]);
    let newest = &times.newest()["my"];
    assert_eq!((newest.id.as_str(), newest.event_time_us, newest.has_ended), ("g:2", 9 * SECOND_US, true));
}

#[test]
fn rule_16_transaction_metadata_names_the_transaction_where_there_are_no_gtids() {
    let named = |offset, second| event(offset, second, "null").replace(r#""op":"c""#, r#""op":"c","transaction":{"id":"file=b,pos=4"}"#);
    let lines = [named(10, 5), named(20, 8)];
    let times = learned(TransactionTimes::new(1 << 20), &lines);
    assert_eq!(settled(&times, &lines[0]), (8, Atomicity::Whole));
    assert_eq!(settled(&times, &event(30, 9, "null")), (9, Atomicity::Torn), "nothing names it");
}

#[test]
fn rule_16_a_transaction_that_an_earlier_job_logged_in_part_is_torn_unless_the_time_stays() {
    let earlier = learned(TransactionTimes::new(1 << 20), &[event(10, 5, r#""g:1""#)]).newest();
    let resumed = |lines: &[String]| {
        let mut times = TransactionTimes::new(1 << 20);
        times.resume(&earlier);
        learned(times, lines)
    };
    let (same, later, behind, next) =
        (event(20, 4, r#""g:1""#), event(20, 6, r#""g:1""#), event(9, 4, r#""g:0""#), event(30, 6, r#""g:2""#));
    assert_eq!(settled(&resumed(std::slice::from_ref(&same)), &same), (5, Atomicity::Whole));
    assert_eq!(settled(&resumed(std::slice::from_ref(&later)), &later), (6, Atomicity::Torn));
    assert_eq!(settled(&resumed(std::slice::from_ref(&behind)), &behind), (4, Atomicity::Torn));
    assert_eq!(settled(&resumed(std::slice::from_ref(&next)), &next), (6, Atomicity::Whole));
}

#[test]
fn a_newest_transaction_is_open_until_its_end_and_while_its_domain_lives() {
    let mut times = TransactionTimes::new(1 << 20);
    times.resume(&learned(TransactionTimes::new(1 << 20), &[event(10, 5, r#""g:1""#)]).newest());
    assert_eq!(times.open_us(), Some(5 * SECOND_US));
    times.end("g:1");
    assert_eq!(times.open_us(), None);

    let mut renamed = TransactionTimes::new(1 << 20);
    renamed.resume(&learned(TransactionTimes::new(1 << 20), &[event(10, 5, r#""g:1""#)]).newest());
    let renamed = learned(renamed, &[event(10, 9, r#""g:2""#).replace(r#""name":"my""#, r#""name":"other""#)]);
    assert_eq!(renamed.open_us(), Some(9 * SECOND_US));
}

#[test]
fn rule_16_transactions_beyond_the_memory_given_are_torn() {
    let lines = [event(10, 5, r#""g:1""#), event(20, 6, r#""g:2""#), event(30, 7, r#""g:1""#)];
    let times = learned(TransactionTimes::new(super::ENTRY_BYTES), &lines);
    assert_eq!((settled(&times, &lines[0]), settled(&times, &lines[1])), ((7, Atomicity::Whole), (6, Atomicity::Torn)));
}

#[test]
fn rule_16_times_of_commits_stay() {
    let line = event(10, 5, "null").replace(r#""ts_ms":5000"#, r#""ts_ms":5000,"ts_us":5000123"#);
    assert_eq!(settled(&TransactionTimes::default(), &line), (5, Atomicity::Whole));
    let line = event(10, 5, "null").replace(r#""snapshot":"false""#, r#""snapshot":"true""#).replace(r#""op":"c""#, r#""op":"r""#);
    assert_eq!(settled(&TransactionTimes::default(), &line), (5, Atomicity::Whole));
}
