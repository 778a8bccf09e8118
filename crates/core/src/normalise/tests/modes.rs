//! Modes that no setting names are told by the values, and never changed behind the reader's back.

use super::made::{create, debezium, events_of, only, schema, table_replay};
use crate::error::ErrorKind;

const COLUMNS: &str = "id integer PRIMARY KEY, d numeric(12,0), e numeric(12,2), b bytea, t timestamp(3), c time(3)";

fn values(column: &str, cells: &[&str]) -> Vec<Option<String>> {
    let lines: Vec<String> = cells.iter().zip(1..).map(|(cells, lsn)| create(&format!(r#"{{"id":{lsn},{cells}}}"#), lsn)).collect();
    events_of(&schema(COLUMNS), debezium(), &lines).into_iter().map(|event| event.row[column].clone()).collect()
}

/// The last value contradicts what was taken from those before.
fn contradicts(cells: &[&str], setting: &str) {
    let mut replay = table_replay(&schema(COLUMNS), debezium());
    for (cells, lsn) in cells.iter().zip(1..) {
        replay.line(&create(&format!(r#"{{"id":{lsn},{cells}}}"#), lsn)).unwrap();
    }
    let table = only(&mut replay);
    assert_eq!(table.events.len(), cells.len() - 1);
    let failure = &table.failures[0];
    assert_eq!(failure.kind(), ErrorKind::BadInput);
    assert!(failure.context().contains(&("setting", setting.into())), "{failure}");
}

#[test]
fn ambiguous_values_follow_what_was_shown() {
    assert_eq!(values("d", &[r#""e":"AQ==""#, r#""d":"1234""#])[1].as_deref(), Some("-2658824"));
    assert_eq!(values("d", &[r#""e":"1.00""#, r#""d":"1234""#])[1].as_deref(), Some("1234"));
    assert_eq!(values("b", &[r#""b":"AQ==""#, r#""b":"beef""#])[1].as_deref(), Some("\\x6de79f"));
    assert_eq!(values("b", &[r#""b":"00""#, r#""b":"beef""#])[1].as_deref(), Some("\\xbeef"));
    assert_eq!(values("t", &[r#""t":1772368496789000"#, r#""t":5000000"#])[1].as_deref(), Some("1970-01-01 00:00:05"));
    assert_eq!(values("t", &[r#""t":1772368496789"#, r#""t":5000"#])[1].as_deref(), Some("1970-01-01 00:00:05"));
    assert_eq!(values("c", &[r#""c":45296789000"#, r#""c":5000000"#])[1].as_deref(), Some("00:00:05"));
}

#[test]
fn a_value_that_contradicts_an_assumption_asks_for_the_setting() {
    contradicts(&[r#""d":"1234""#, r#""d":"AQ==""#], "decimal_mode");
    contradicts(&[r#""b":"beef""#, r#""b":"AQ==""#], "binary_mode");
    contradicts(&[r#""t":5000"#, r#""t":1772368496789000"#], "time_precision");
    contradicts(&[r#""c":5000"#, r#""c":45296789000"#], "time_precision");
}

#[test]
fn zero_shows_nothing() {
    assert_eq!(values("t", &[r#""t":0"#, r#""t":1772368496789000"#])[0].as_deref(), Some("1970-01-01 00:00:00"));
    assert_eq!(values("c", &[r#""c":0"#, r#""c":45296789000"#])[0].as_deref(), Some("00:00:00"));
}

#[test]
fn a_failed_record_shows_nothing() {
    let mut replay = table_replay(&schema(COLUMNS), debezium());
    replay.line(&create(r#"{"id":1,"e":"AQ==","c":"no time"}"#, 1)).unwrap();
    replay.line(&create(r#"{"id":2,"d":"1234"}"#, 2)).unwrap();
    let table = only(&mut replay);
    assert_eq!(table.failures.len(), 1);
    assert_eq!(table.events[0].row["d"].as_deref(), Some("1234"));
}
