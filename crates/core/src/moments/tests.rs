use chrono_tz::{Asia, Europe};

use super::*;

const MOMENT_US: i64 = 1_795_225_774_473_380;

fn failure(text: &str, timezone: Option<Tz>) -> String {
    parse_dump_moment(text, timezone).unwrap_err().to_string()
}

#[test]
fn a_moment_has_an_offset_or_a_timezone() {
    assert_eq!(parse_moment("2026-11-21T01:49:34.473380Z", None).unwrap(), MOMENT_US);
    assert_eq!(parse_moment(" 2026-11-21 10:49:34.473380+09:00", Some(Europe::Berlin)).unwrap(), MOMENT_US);
    assert_eq!(parse_moment("2026-11-21 10:49:34.473380", Some(Asia::Tokyo)).unwrap(), MOMENT_US);
    assert_eq!(parse_moment("2026-11-21", Some(Asia::Tokyo)).unwrap(), 1_795_186_800_000_000);
    let error = parse_moment("2026-11-21 10:49:34", None).unwrap_err();
    assert_eq!(error.to_string(), "a moment needs an offset from UTC, such as Z or +09:00, or --timezone (moment 2026-11-21 10:49:34)");
    assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
}

#[test]
fn a_moment_that_clocks_show_twice_or_never_is_refused() {
    assert!(failure("2026-10-25 02:30:00", Some(Europe::Berlin)).contains("twice"));
    assert!(failure("2026-03-29 02:30:00", Some(Europe::Berlin)).contains("skip"));
    assert!(failure("290000-01-01 00:00:00", Some(Europe::Berlin)).contains("too far"));
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in ["", "yesterday", "infinity", "-infinity", "2026-11-21T25:00:00Z", "2026-02-29T00:00:00Z", "..", "2026-11-21T00:00:00Z.."] {
        assert!(failure(text, None).starts_with("not a moment"), "{text}");
    }
}

#[test]
fn a_dump_may_lie_in_an_interval() {
    let at = |text| parse_dump_moment(text, None).unwrap();
    assert_eq!(at("2026-11-21T01:49:34.473380Z"), DumpMoment { at_us: MOMENT_US, until_us: None });
    let expected = DumpMoment { at_us: MOMENT_US, until_us: Some(MOMENT_US + 60_000_000) };
    assert_eq!(at("2026-11-21T01:49:34.473380Z..2026-11-21T01:50:34.473380Z"), expected);
    assert_eq!(at("2026-11-21T01:49:34.473380Z..2026-11-21T01:49:34.473380Z"), DumpMoment { at_us: MOMENT_US, until_us: None });
    assert!(failure("2026-11-22T00:00:00Z..2026-11-21T00:00:00Z", None).starts_with("an interval ends before it begins"));
}
