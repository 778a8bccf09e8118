use proptest::prelude::*;

use super::*;

fn days(text: &str) -> Option<i32> {
    parse_date_days(text)
}

fn timestamp(text: &str) -> Option<i64> {
    parse_timestamp_us(text).map(|(us, _)| us)
}

#[test]
fn decimals_are_exact() {
    assert_eq!(parse_decimal("12345678.99", 10, 2), Some(1_234_567_899));
    assert_eq!(parse_decimal("-0.01", 10, 2), Some(-1));
    assert_eq!(parse_decimal("+7", 10, 2), Some(700));
    assert_eq!(parse_decimal("0.00", 10, 2), Some(0));
    assert_eq!(parse_decimal("-0", 10, 2), Some(0));
    assert_eq!(parse_decimal(".5", 3, 1), Some(5));
    assert_eq!(parse_decimal("5.", 3, 1), Some(50));
    assert_eq!(parse_decimal("-12345678901234567890123456789.123456789", 38, 9), Some(-12_345_678_901_234_567_890_123_456_789_123_456_789));
    assert_eq!(parse_decimal(&"9".repeat(38), 38, 0), Some(10i128.pow(38) - 1));
}

#[test]
fn zeros_beyond_the_scale_are_no_digits() {
    assert_eq!(parse_decimal("1.500000", 3, 1), Some(15));
    assert_eq!(parse_decimal(&format!("1.5{}", "0".repeat(80)), 3, 1), Some(15));
    assert_eq!(parse_decimal(&format!("{}1.5", "0".repeat(80)), 3, 1), Some(15));
}

#[test]
fn exponents_shift_a_decimal() {
    assert_eq!(parse_decimal("1.25E+3", 10, 2), Some(125_000));
    assert_eq!(parse_decimal("125e-2", 10, 2), Some(125));
    assert_eq!(parse_decimal("0e999999", 10, 2), Some(0));
    assert_eq!(parse_decimal("1e999999", 38, 2), None);
    assert_eq!(parse_decimal("1e-999999", 38, 2), None);
    assert_eq!(parse_decimal("1200", 3, -2), Some(12));
    assert_eq!(parse_decimal("1250", 3, -2), None);
}

#[test]
fn a_decimal_that_does_not_fit_is_refused() {
    for text in ["", "-", ".", "1.", "e5", "1e", "NaN", "Infinity", "1,5", "1 ", " 1", "0x1", "--1", "1.2.3", "1.005", "100000000", "é"] {
        let expected = (text == "1.").then_some(100);
        assert_eq!(parse_decimal(text, 10, 2), expected, "{text:?}");
    }
    assert_eq!(parse_decimal(&"9".repeat(39), 38, 0), None);
    assert_eq!(parse_decimal(&"9".repeat(60), 38, 0), None);
}

#[test]
fn dates_count_days_from_1970() {
    assert_eq!(days("1970-01-01"), Some(0));
    assert_eq!(days("2026-02-28"), Some(20_512));
    assert_eq!(days("1969-12-31Z"), Some(-1));
    assert_eq!(days("0001-01-01"), Some(-719_162));
    assert_eq!(days("0001-12-31 BC"), Some(-719_163));
    assert_eq!(days("0044-03-15 BC"), Some(-735_160));
    assert_eq!(days("-0043-03-15"), Some(-735_160));
    assert_eq!(days("9999-12-31"), Some(2_932_896));
    assert_eq!(days("+12026-01-01"), days("12026-01-01"));
    assert_eq!(days("0005-02-29 BC"), days("-0004-02-29"));
    assert_eq!(days("infinity"), Some(i32::MAX));
    assert_eq!(days("-infinity"), Some(-i32::MAX));
}

#[test]
fn dates_that_the_calendar_lacks_are_refused() {
    for text in [
        "",
        "-",
        "2026",
        "2026-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "0000-00-00",
        "0000-01-01 BC",
        "-0001-01-01 BC",
        "2026-1-1",
        "2026-01-01 ",
        "2026-01-01 AD",
        "26-01-01",
        "5881580-07-12",
        "999999999-01-01",
        "2026-01-0é",
        "inf",
        "2026-01-01T00:00:00",
    ] {
        assert_eq!(days(text), None, "{text:?}");
    }
}

#[test]
fn times_count_microseconds_from_midnight() {
    assert_eq!(parse_time_us("00:00"), Some(0));
    assert_eq!(parse_time_us("12:34:56.789"), Some(45_296_789_000));
    assert_eq!(parse_time_us("23:59:59.999999Z"), Some(86_399_999_999));
    assert_eq!(parse_time_us("24:00:00"), Some(86_400_000_000));
    assert_eq!(parse_time_us("01:02:03.120000000"), Some(3_723_120_000));
    for text in ["", "1:00", "24:00:01", "25:00", "12:60", "12:00:60", "12:00:00.", "12:00:00.1234567", "12:00:00+01", "12:00 "] {
        assert_eq!(parse_time_us(text), None, "{text:?}");
    }
}

#[test]
fn timestamps_are_read_in_both_notations() {
    let expected = Some((1_795_225_764_957_073, HasOffset::Yes));
    for text in [
        "2026-11-21T01:49:24.957073Z",
        "2026-11-21 01:49:24.957073+00",
        "2026-11-21 01:49:24.957073 UTC",
        "2026-11-21T07:19:24.957073+05:30",
        "2026-11-21T07:19:24.957073+0530",
        "2026-11-20 17:49:24.957073-08",
        "2026-11-21 01:50:24.957073+00:01:00",
    ] {
        assert_eq!(parse_timestamp_us(text), expected, "{text}");
    }
    assert_eq!(parse_timestamp_us("2026-11-21 01:49:24.957073"), Some((1_795_225_764_957_073, HasOffset::No)));
    assert_eq!(parse_timestamp_us("2026-11-21"), Some((1_795_219_200_000_000, HasOffset::No)));
    assert_eq!(timestamp("2026-11-21T24:00:00Z"), timestamp("2026-11-22T00:00:00Z"));
}

#[test]
fn timestamps_reach_before_christ_and_infinity() {
    assert_eq!(parse_timestamp_us("0044-03-15 12:00:00 BC"), Some((-735_160 * DAY_US + DAY_US / 2, HasOffset::No)));
    assert_eq!(parse_timestamp_us("0044-03-15 12:00:00+00 BC"), Some((-735_160 * DAY_US + DAY_US / 2, HasOffset::Yes)));
    assert_eq!(timestamp("0044-03-15 BC"), Some(-735_160 * DAY_US));
    assert_eq!(timestamp("-0043-03-15T12:00:00Z"), Some(-735_160 * DAY_US + DAY_US / 2));
    assert_eq!(parse_timestamp_us("infinity"), Some((i64::MAX, HasOffset::Yes)));
    assert_eq!(parse_timestamp_us("-infinity"), Some((-i64::MAX, HasOffset::Yes)));
    assert_eq!(timestamp("1969-12-31 23:59:59.999999"), Some(-1));
    for text in [
        "",
        "2026-11-21 ",
        "2026-11-21T",
        "2026-02-29 00:00:00",
        "2026-11-21 01:49:24 ",
        "2026-11-21 01:49:24+",
        "300000-01-01 00:00:00",
        "0000-00-00 00:00:00",
    ] {
        assert_eq!(timestamp(text), None, "{text:?}");
    }
}

#[test]
fn printed_dates_parse_back() {
    for day in [0, -1, 20_512, -719_162, -719_163, -735_160, 2_932_896, 2_932_897, i32::MAX, -i32::MAX, i32::MAX - 1, 1 - i32::MAX, 11_016]
    {
        assert_eq!(days(&format_date(day).to_string()), Some(day));
    }
    assert_eq!(format_date(-735_160).to_string(), "0044-03-15 BC");
    assert_eq!(format_date(-719_163).to_string(), "0001-12-31 BC");
    assert_eq!(format_date(i32::MAX).to_string(), "infinity");
    assert_eq!(format_date(2_932_897).to_string(), "10000-01-01");
}

#[test]
fn printed_timestamps_parse_back() {
    for us in [0, 1, -1, 1_795_225_764_957_073, -735_160 * DAY_US, i64::MAX, -i64::MAX, i64::MAX - 1, 1 - i64::MAX] {
        assert_eq!(parse_timestamp_us(&format_timestamp(us, Zone::Utc).to_string()), Some((us, HasOffset::Yes)));
        assert_eq!(timestamp(&format_timestamp(us, Zone::Local).to_string()), Some(us));
    }
    assert_eq!(format_timestamp(1_795_225_764_957_073, Zone::Utc).to_string(), "2026-11-21T01:49:24.957073Z");
    assert_eq!(format_timestamp(-500_000, Zone::Local).to_string(), "1969-12-31T23:59:59.5");
    assert_eq!(format_timestamp(-735_160 * DAY_US, Zone::Utc).to_string(), "0044-03-15T00:00:00Z BC");
    assert_eq!(format_timestamp(-i64::MAX, Zone::Utc).to_string(), "-infinity");
}

#[test]
fn printed_times_have_no_trailing_zeros() {
    for (us, text) in [(0, "00:00:00"), (45_296_789_000, "12:34:56.789"), (1, "00:00:00.000001"), (86_400_000_000, "24:00:00")] {
        assert_eq!(format_time(us).to_string(), text);
    }
}

#[test]
fn printed_decimals_keep_their_scale() {
    for (unscaled, scale, text) in [
        (-1_250, 2, "-12.50"),
        (-1, 2, "-0.01"),
        (0, 4, "0.0000"),
        (7, 0, "7"),
        (12, -2, "1200"),
        (0, -2, "0"),
        (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        (5, 40, "0.0000000000000000000000000000000000000005"),
    ] {
        assert_eq!(format_decimal(unscaled, scale).to_string(), text);
    }
}

proptest! {
    #[test]
    fn what_is_printed_parses_back(days: i32, us: i64, unscaled in -(10i128.pow(38) - 1)..10i128.pow(38), scale in -4i8..38) {
        prop_assume!(days != i32::MIN && us != i64::MIN);
        prop_assert_eq!(parse_date_days(&format_date(days).to_string()), Some(days));
        prop_assert_eq!(parse_timestamp_us(&format_timestamp(us, Zone::Utc).to_string()), Some((us, HasOffset::Yes)));
        let time_us = us.rem_euclid(DAY_US);
        prop_assert_eq!(parse_time_us(&format_time(time_us).to_string()), Some(time_us));
        prop_assert_eq!(parse_decimal(&format_decimal(unscaled, scale).to_string(), 38, scale), Some(unscaled));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[-+0-9:. TZBCeéUinfty]{0,30}") {
        let _ = (parse_date_days(&text), parse_time_us(&text), parse_timestamp_us(&text), parse_decimal(&text, 38, 9));
    }
}
