//! Dates and times as text, for every value that fits their integers: PostgreSQL's notation, and RFC 3339 for JSON.

use std::fmt::Write as _;

const DAY_US: i64 = 86_400_000_000;

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    /// `2026-11-21 01:49:34.47338+00`
    Sql,
    /// `2026-11-21T01:49:34.473380Z`
    Rfc3339,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zoned {
    Utc,
    Local,
}

/// Days since 1970-01-01. The extremes are infinite, years before the first are BC.
pub(crate) fn write_date(out: &mut String, days: i32) {
    match days {
        i32::MAX => out.push_str("infinity"),
        days if days == -i32::MAX => out.push_str("-infinity"),
        days => {
            let era = write_civil(out, i64::from(days));
            out.push_str(era);
        }
    }
}

/// Microseconds since the epoch.
pub(crate) fn write_timestamp(out: &mut String, us: i64, zoned: Zoned, notation: Notation) {
    match us {
        i64::MAX => return out.push_str("infinity"),
        us if us == -i64::MAX => return out.push_str("-infinity"),
        _ => {}
    }
    let era = write_civil(out, us.div_euclid(DAY_US));
    out.push(if notation == Notation::Sql { ' ' } else { 'T' });
    write_clock(out, us.rem_euclid(DAY_US), notation);
    out.push_str(match (zoned, notation) {
        (Zoned::Local, _) => "",
        (Zoned::Utc, Notation::Sql) => "+00",
        (Zoned::Utc, Notation::Rfc3339) => "Z",
    });
    out.push_str(era);
}

/// Microseconds since midnight.
pub(crate) fn write_time(out: &mut String, us: i64) {
    write_clock(out, us, Notation::Sql);
}

fn write_clock(out: &mut String, us: i64, notation: Notation) {
    let (seconds, fraction) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if notation == Notation::Rfc3339 || fraction != 0 {
        let _ = write!(out, ".{fraction:06}");
    }
    if notation == Notation::Sql && fraction != 0 {
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// Writes year, month and day, and gives what follows the whole: ` BC` or nothing.
fn write_civil(out: &mut String, days: i64) -> &'static str {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    era
}

/// Proleptic Gregorian year (0 is 1 BC), month and day. Counts in eras of 400 years that begin in March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * march_month + 2) / 5 + 1)
}
