use waterline_core::error::ErrorKind;

use super::*;

const AT: i64 = 1_795_225_774_473_380;

#[test]
fn the_same_instant_in_every_notation() {
    for text in [
        "2026-11-21T01:49:34.473380Z",
        "2026-11-21 01:49:34.47338z",
        "2026-11-21 01:49:34.473380+00",
        "2026-11-21T10:49:34.473380+09:00",
        "2026-11-20 20:19:34.473380 -0530",
        "2026-11-21T01:49:34.473380000Z",
    ] {
        assert_eq!(parse_moment(text, None).unwrap(), AT, "{text}");
    }
}

#[test]
fn a_zone_says_what_a_local_time_means_and_yields_to_an_offset() {
    let tokyo = Some(chrono_tz::Asia::Tokyo);
    assert_eq!(parse_moment("2026-11-21 10:49:34.47338", tokyo).unwrap(), AT);
    assert_eq!(parse_moment("2026-11-21T01:49:34.47338Z", tokyo).unwrap(), AT);
    assert_eq!(parse_moment("2026-11-21", Some(chrono_tz::UTC)).unwrap(), 1_795_219_200_000_000);
}

#[test]
fn a_local_time_without_a_zone_is_a_usage_error() {
    let error = parse_moment("2026-11-21 10:49:34", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("--timezone"), "{error}");
}

#[test]
fn times_that_a_clock_skips_or_repeats_are_refused() {
    let berlin = Some(chrono_tz::Europe::Berlin);
    assert!(parse_moment("2025-10-26 02:30:00", berlin).unwrap_err().to_string().contains("twice"));
    assert!(parse_moment("2025-03-30 02:30:00", berlin).unwrap_err().to_string().contains("never"));
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T01:49:34.1234567Z",
        "2026-11-21T01:49:34+9",
        "日本日本日本日本日本日本+",
    ] {
        assert!(parse_moment(text, Some(chrono_tz::UTC)).is_err(), "{text}");
    }
}

#[test]
fn a_dump_moment_is_one_or_an_interval() {
    assert_eq!(parse_dump_moment("2026-11-21T01:49:34.473380Z", None).unwrap(), DumpMoment { at_us: AT, until_us: None });
    let between = parse_dump_moment("2026-11-21T01:49:34.473380Z..2026-11-21T01:49:35.473380Z", None).unwrap();
    assert_eq!(between, DumpMoment { at_us: AT, until_us: Some(AT + 1_000_000) });
    assert!(parse_dump_moment("2026-11-21T01:49:35Z..2026-11-21T01:49:34Z", None).is_err());
}
