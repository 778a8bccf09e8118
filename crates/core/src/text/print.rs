//! Values to text that parses back to the same value: ISO 8601, with PostgreSQL's `BC` and `infinity` for what it lacks.

use std::fmt::{self, Display, Formatter};

use super::calendar::Date;
use super::{DATE_INFINITY, DAY_US, SECOND_US, TIMESTAMP_INFINITY};

/// What a timestamp counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Utc,
    /// A clock on a wall of unknown zone.
    Local,
}

/// `2026-02-28`, `0044-03-15 BC`, `infinity`.
pub fn format_date(days: i32) -> impl Display {
    fmt::from_fn(move |f| match infinity(days.into(), DATE_INFINITY.into()) {
        Some(text) => f.write_str(text),
        None => {
            let date = Date::from_days(days.into());
            write_date(f, &date)?;
            write_era(f, &date)
        }
    })
}

/// `12:34:56.789`, without trailing zeros; `24:00:00` is the end of the day.
pub fn format_time(time_us: i64) -> impl Display {
    fmt::from_fn(move |f| write_time(f, time_us))
}

/// `2026-11-21T01:49:24.957073Z`, without `Z` when local.
pub fn format_timestamp(timestamp_us: i64, zone: Zone) -> impl Display {
    fmt::from_fn(move |f| {
        if let Some(text) = infinity(timestamp_us, TIMESTAMP_INFINITY) {
            return f.write_str(text);
        }
        let date = Date::from_days(timestamp_us.div_euclid(DAY_US));
        write_date(f, &date)?;
        f.write_str("T")?;
        write_time(f, timestamp_us.rem_euclid(DAY_US))?;
        if zone == Zone::Utc {
            f.write_str("Z")?;
        }
        write_era(f, &date)
    })
}

/// `-12.50` for the unscaled value -1250 of scale 2.
pub fn format_decimal(unscaled: i128, scale: i8) -> impl Display {
    fmt::from_fn(move |f| {
        let digits = unscaled.unsigned_abs();
        if unscaled < 0 {
            f.write_str("-")?;
        }
        let places = usize::from(scale.unsigned_abs());
        if scale <= 0 {
            let zeros = if digits == 0 { 0 } else { places };
            return write!(f, "{digits}{:0<zeros$}", "");
        }
        match 10u128.checked_pow(u32::from(scale.unsigned_abs())) {
            Some(one) => write!(f, "{}.{:0places$}", digits / one, digits % one),
            None => write!(f, "0.{digits:0places$}"),
        }
    })
}

fn infinity(value: i64, infinity: i64) -> Option<&'static str> {
    match value {
        _ if value == infinity => Some("infinity"),
        _ if value == -infinity => Some("-infinity"),
        _ => None,
    }
}

fn write_date(f: &mut Formatter, date: &Date) -> fmt::Result {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    write!(f, "{year:04}-{:02}-{:02}", date.month, date.day)
}

fn write_era(f: &mut Formatter, date: &Date) -> fmt::Result {
    f.write_str(if date.year > 0 { "" } else { " BC" })
}

fn write_time(f: &mut Formatter, time_us: i64) -> fmt::Result {
    let seconds = time_us.div_euclid(SECOND_US);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    let mut fraction = time_us.rem_euclid(SECOND_US);
    if fraction == 0 {
        return Ok(());
    }
    let mut places = 6;
    while fraction % 10 == 0 {
        fraction /= 10;
        places -= 1;
    }
    write!(f, ".{fraction:0places$}")
}
