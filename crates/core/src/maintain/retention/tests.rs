use super::*;
use crate::moments::parse_moment;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

fn at(text: &str) -> i64 {
    parse_moment(text, None).unwrap()
}

fn policy(timezone: &str) -> Retention {
    Retention {
        keep_within_us: 2 * DAY_US,
        keep_daily: Keep::ForUs(4 * DAY_US),
        keep_monthly: Keep::Forever,
        timezone: timezone.parse().unwrap(),
    }
}

#[test]
fn events_go_up_to_a_midnight_of_the_policys_time_zone() {
    let now = at("2025-11-12T18:00:00Z");
    assert_eq!(policy("UTC").trim_until(now), Some(at("2025-11-10T00:00:00Z")));
    assert_eq!(policy("Asia/Tokyo").trim_until(now), Some(at("2025-11-11T00:00:00+09:00")));
    let midnight = at("2025-11-12T00:00:00Z");
    assert_eq!(policy("UTC").trim_until(midnight), Some(at("2025-11-10T00:00:00Z")));
}

#[test]
fn midnights_stay_for_a_while_and_months_for_ever() {
    let now = at("2025-11-05T12:00:00Z");
    let kept = policy("UTC").kept_moments(at("2025-09-29T12:00:00Z"), at("2025-11-03T00:00:00Z"), now);
    let expected = ["2025-10-01", "2025-11-01", "2025-11-02", "2025-11-03"].map(|day| at(&format!("{day}T00:00:00Z")));
    assert_eq!(kept, expected);
    assert!(!policy("UTC").keeps(at("2025-11-02T00:00:01Z"), now));
    let never = Retention { keep_daily: Keep::Never, keep_monthly: Keep::Never, ..policy("UTC") };
    assert!(never.kept_moments(at("2025-09-29T12:00:00Z"), now, now).is_empty());
}

#[test]
fn a_day_begins_where_its_clocks_do() {
    // Clocks went forward at midnight.
    let cairo = Retention { keep_daily: Keep::Forever, ..policy("Africa/Cairo") };
    let kept = cairo.kept_moments(at("2025-04-24T00:00:00+02:00"), at("2025-04-26T00:00:00+03:00"), at("2025-05-01T00:00:00Z"));
    assert_eq!(kept, [at("2025-04-25T01:00:00+03:00"), at("2025-04-26T00:00:00+03:00")]);
}
