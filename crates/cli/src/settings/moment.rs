//! Moments in text: RFC 3339 and what databases print. One without an offset needs a time zone.

use chrono::{LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use waterline_core::error::{Error, Result};

/// When a dump was taken: at a moment, or somewhen from `at_us` to `until_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpMoment {
    pub at_us: i64,
    pub until_us: Option<i64>,
}

/// `T`, or `A..B` when it is only known that the dump was taken between the two.
pub(crate) fn parse_dump_moment(text: &str, zone: Option<Tz>) -> Result<DumpMoment> {
    let Some((from, until)) = text.split_once("..") else { return Ok(DumpMoment { at_us: parse_moment(text, zone)?, until_us: None }) };
    let (at_us, until_us) = (parse_moment(from, zone)?, parse_moment(until, zone)?);
    if at_us > until_us {
        return Err(Error::usage("an interval A..B ends before it begins").with("moment", text));
    }
    Ok(DumpMoment { at_us, until_us: Some(until_us).filter(|until| *until > at_us) })
}

/// Microseconds since the epoch. `zone` says what a moment without an offset means.
pub(crate) fn parse_moment(text: &str, zone: Option<Tz>) -> Result<i64> {
    let invalid = || Error::usage("not a moment; write it like 2025-11-12T18:54:11.123456Z").with("moment", text);
    let (local, offset) = split_offset(text.trim()).ok_or_else(invalid)?;
    let local = parse_local(local).ok_or_else(invalid)?;
    match (offset, zone) {
        (Some(offset), _) => local.checked_sub_signed(offset).map(|utc| utc.and_utc().timestamp_micros()).ok_or_else(invalid),
        (None, Some(zone)) => in_zone(local, zone).map_err(|e| e.with("moment", text).with("time zone", zone)),
        (None, None) => {
            Err(Error::usage("a moment without an offset; add one, such as Z or +09:00, or say --timezone").with("moment", text))
        }
    }
}

fn in_zone(local: NaiveDateTime, zone: Tz) -> Result<i64> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(moment) => Ok(moment.timestamp_micros()),
        LocalResult::Ambiguous(..) => Err(Error::usage("the clock showed this time twice; write the moment with an offset")),
        LocalResult::None => Err(Error::usage("the clock never showed this time; write the moment with an offset")),
    }
}

/// The local part, and what the offset adds to UTC.
fn split_offset(text: &str) -> Option<(&str, Option<TimeDelta>)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local.trim_end(), Some(TimeDelta::zero())));
    }
    let date_end = text.char_indices().nth(10).map_or(text.len(), |(at, _)| at);
    match text[date_end..].find(['+', '-']) {
        Some(at) => {
            let (local, offset) = text.split_at(date_end + at);
            Some((local.trim_end(), Some(parse_offset(offset)?)))
        }
        None => Some((text, None)),
    }
}

/// `+HH`, `+HHMM` or `+HH:MM`.
fn parse_offset(text: &str) -> Option<TimeDelta> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    if !digits.chars().all(|c| c.is_ascii_digit()) || ![2, 4].contains(&digits.len()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4).map_or(Ok(0), str::parse).ok()?;
    (hours <= 18 && minutes < 60).then(|| TimeDelta::minutes(sign * (hours * 60 + minutes)))
}

/// A date, then optionally `T` or a space and a time with up to six digits of a second.
fn parse_local(text: &str) -> Option<NaiveDateTime> {
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        return Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    };
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let exact = time.split_once('.').is_none_or(|(_, fraction)| fraction.trim_end_matches('0').len() <= 6);
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(time, "%H:%M")).ok()?;
    exact.then(|| date.and_time(time))
}

#[cfg(test)]
mod tests;
