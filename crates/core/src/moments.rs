//! Moments that a user names: `--as-of`, `--at`, `--complete-until`, `--committed-by`.
//!
//! A moment has an offset from UTC, or the user says with `--timezone` which zone's clock it was read from; it is never guessed.

use chrono::{DateTime, LocalResult, TimeZone};
use chrono_tz::Tz;

use crate::error::{Error, Result};
use crate::text::{HasOffset, TIMESTAMP_INFINITY, parse_timestamp_us};

#[cfg(test)]
mod tests;

/// When a dump was taken: at a moment, or somewhen from `at_us` to `until_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpMoment {
    pub at_us: i64,
    pub until_us: Option<i64>,
}

/// Microseconds since the epoch of `2026-11-21T01:49:34.473380Z`, `2026-11-21 10:49:34+09:00`, or without offset in `timezone`.
pub fn parse_moment(text: &str, timezone: Option<Tz>) -> Result<i64> {
    let not_a_moment = || Error::usage("not a moment; write it as 2026-11-21T01:49:34.473380Z").with("moment", text);
    let (value, has_offset) = parse_timestamp_us(text.trim()).ok_or_else(not_a_moment)?;
    match (has_offset, timezone) {
        _ if value.abs() == TIMESTAMP_INFINITY => Err(not_a_moment()),
        (HasOffset::Yes, _) => Ok(value),
        (HasOffset::No, Some(timezone)) => {
            in_zone(value, timezone).map_err(|problem| Error::usage(problem).with("moment", text).with("timezone", timezone))
        }
        (HasOffset::No, None) => {
            Err(Error::usage("a moment needs an offset from UTC, such as Z or +09:00, or --timezone").with("moment", text))
        }
    }
}

/// `MOMENT`, or `MOMENT..MOMENT` when it is known only that the dump was taken between the two.
pub fn parse_dump_moment(text: &str, timezone: Option<Tz>) -> Result<DumpMoment> {
    let Some((from, until)) = text.split_once("..") else {
        return Ok(DumpMoment { at_us: parse_moment(text, timezone)?, until_us: None });
    };
    let (at_us, until_us) = (parse_moment(from, timezone)?, parse_moment(until, timezone)?);
    if until_us < at_us {
        return Err(Error::usage("an interval ends before it begins").with("interval", text));
    }
    Ok(DumpMoment { at_us, until_us: Some(until_us).filter(|&until| until > at_us) })
}

/// The moment when a clock of the zone shows `local_us`. Fails where clocks are put back or forward and show it twice or never.
pub(crate) fn in_zone(local_us: i64, timezone: Tz) -> Result<i64, &'static str> {
    let local = DateTime::from_timestamp_micros(local_us).map(|moment| moment.naive_utc());
    match local.map(|local| timezone.from_local_datetime(&local)) {
        Some(LocalResult::Single(moment)) => Ok(moment.timestamp_micros()),
        Some(LocalResult::Ambiguous(..)) => Err("clocks of the time zone show this moment twice; it needs its offset from UTC"),
        Some(LocalResult::None) => Err("clocks of the time zone skip this moment"),
        None => Err("a moment too far away for a time zone"),
    }
}
