//! Dates and times as text, for every value that fits their integers: ISO 8601, with PostgreSQL's `BC` and `infinity` for
//! what it lacks.

use std::fmt::{self, Display, Formatter};

const DAY_US: i64 = 86_400_000_000;

/// What a timestamp counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    Local,
}

/// `2026-02-28`, `0044-03-15 BC`, `infinity`; from days since 1970-01-01.
pub(crate) fn format_date(days: i32) -> impl Display {
    fmt::from_fn(move |f| match days {
        i32::MAX => f.write_str("infinity"),
        days if days == -i32::MAX => f.write_str("-infinity"),
        days => {
            let era = write_civil(f, i64::from(days))?;
            f.write_str(era)
        }
    })
}

/// `12:34:56.789`; from microseconds since midnight.
pub(crate) fn format_time(us: i64) -> impl Display {
    fmt::from_fn(move |f| write_clock(f, us))
}

/// `2026-11-21T01:49:24.957073Z`, without `Z` when local; from microseconds since the epoch.
pub(crate) fn format_timestamp(us: i64, zone: Zone) -> impl Display {
    fmt::from_fn(move |f| match us {
        i64::MAX => f.write_str("infinity"),
        us if us == -i64::MAX => f.write_str("-infinity"),
        us => {
            let era = write_civil(f, us.div_euclid(DAY_US))?;
            f.write_str("T")?;
            write_clock(f, us.rem_euclid(DAY_US))?;
            f.write_str(if zone == Zone::Utc { "Z" } else { "" })?;
            f.write_str(era)
        }
    })
}

fn write_clock(f: &mut Formatter<'_>, us: i64) -> fmt::Result {
    let (seconds, fraction) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if fraction == 0 {
        return Ok(());
    }
    let digits = format!("{fraction:06}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

/// Writes year, month and day, and gives what follows the whole: ` BC` or nothing.
fn write_civil(f: &mut Formatter<'_>, days: i64) -> Result<&'static str, fmt::Error> {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    write!(f, "{year:04}-{month:02}-{day:02}").map(|()| era)
}

/// Proleptic Gregorian year (0 is 1 BC), month and day. Counts in eras of 400 years that begin in March, so that the leap
/// day comes last.
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
