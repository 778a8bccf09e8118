//! Dates, times, timestamps and durations from JSON, in days and microseconds.

use arrow::datatypes::DataType;

use super::fault::Fault;
use super::number::{whole, whole_32};
use super::reading::Reading;
use crate::decode::in_zone;
use crate::decode::json::{JsonKind, string};
use crate::decode::wire::{Unit, Wire, inferred};
use crate::text::{DATE_INFINITY, HasOffset, TIMESTAMP_INFINITY, Zone, parse_date_days, parse_time_us, parse_timestamp_us};

/// What Debezium makes of PostgreSQL's infinite dates.
const DEBEZIUM_DATE_INFINITY: i32 = -2_147_472_692;
const DEBEZIUM_DATE_NEGATIVE_INFINITY: i32 = -2_147_472_691;
/// What the PostgreSQL driver makes of infinite timestamps, in milliseconds or in microseconds as the mode has it.
const DRIVER_INFINITY: i64 = 9_223_372_036_825_200;
const DRIVER_NEGATIVE_INFINITY: i64 = -9_223_372_036_832_400;

const DAY_US: i64 = 86_400_000_000;

impl Unit {
    fn to_us(self, value: i64) -> Result<i64, Fault> {
        match self {
            Self::Millis => value.checked_mul(1_000).ok_or(Fault::Malformed("a time is out of range")),
            Self::Micros => Ok(value),
            Self::Nanos if value % 1_000 == 0 => Ok(value / 1_000),
            Self::Nanos => Err(Fault::Malformed("a time is finer than a microsecond")),
        }
    }
}

pub(super) fn date(json: &str) -> Result<i32, Fault> {
    match JsonKind::of(json) {
        JsonKind::Number => Ok(match whole_32(json).map_err(|_| Fault::Malformed("a date is out of range"))? {
            DEBEZIUM_DATE_INFINITY => DATE_INFINITY,
            DEBEZIUM_DATE_NEGATIVE_INFINITY => -DATE_INFINITY,
            days => days,
        }),
        JsonKind::String => {
            let text = string(json).unwrap_or_default();
            parse_date_days(text.trim()).ok_or(Fault::Malformed("a date is expected"))
        }
        _ => Err(Fault::Type(inferred(json))),
    }
}

pub(super) fn time_of_day(json: &str, wire: &Wire, digits: u8, reading: &mut Reading) -> Result<i64, Fault> {
    let time_us = match JsonKind::of(json) {
        JsonKind::Number => {
            let value = whole(json)?;
            let unit = match wire {
                Wire::Time(unit) | Wire::Elapsed(unit) => *unit,
                _ => reading.time(digits, value)?,
            };
            Some(unit.to_us(value)?)
        }
        JsonKind::String => parse_time_us(string(json).unwrap_or_default().trim()),
        _ => return Err(Fault::Type(inferred(json))),
    };
    time_us.filter(|us| (0..=DAY_US).contains(us)).ok_or(Fault::Malformed("a time of day is expected"))
}

pub(super) fn timestamp(json: &str, wire: &Wire, digits: u8, zone: Zone, reading: &mut Reading) -> Result<i64, Fault> {
    match JsonKind::of(json) {
        JsonKind::Number => timestamp_from_number(whole(json)?, wire, digits, reading),
        JsonKind::String => timestamp_from_text(string(json).unwrap_or_default().trim(), zone, reading),
        _ => Err(Fault::Type(inferred(json))),
    }
}

fn timestamp_from_number(value: i64, wire: &Wire, digits: u8, reading: &mut Reading) -> Result<i64, Fault> {
    let is_infinite = |infinity: i64| match wire {
        Wire::Timestamp(Unit::Millis) => value == infinity,
        Wire::Timestamp(_) => value == infinity * 1_000,
        _ => value == infinity * 1_000 || (value == infinity && digits <= 3),
    };
    if is_infinite(DRIVER_INFINITY) {
        return Ok(TIMESTAMP_INFINITY);
    }
    if is_infinite(DRIVER_NEGATIVE_INFINITY) {
        return Ok(-TIMESTAMP_INFINITY);
    }
    let unit = match wire {
        Wire::Timestamp(unit) => *unit,
        _ => reading.timestamp(digits, value)?,
    };
    unit.to_us(value)
}

fn timestamp_from_text(text: &str, zone: Zone, reading: &Reading) -> Result<i64, Fault> {
    let (value_us, offset) = parse_timestamp_us(text).ok_or(Fault::Malformed("a timestamp is expected"))?;
    match (zone, offset) {
        (Zone::Utc, HasOffset::No) => {
            in_zone(value_us, reading.timezone).ok_or(Fault::Malformed("the clock skips or repeats this time; give its offset"))
        }
        (Zone::Utc, HasOffset::Yes) | (Zone::Local, _) => Ok(value_us),
    }
}

pub(super) fn duration(json: &str, unit: Unit) -> Result<i64, Fault> {
    unit.to_us(whole(json)?)
}

/// A time of MySQL as text, `-838:59:58.999999`: two digits of hours or more, six of a fraction or none.
pub(super) fn elapsed_text(json: &str, unit: Unit) -> Result<String, Fault> {
    let time_us = unit.to_us(whole(json).map_err(|_| Fault::Type(DataType::Int64))?)?;
    let (sign, size_us) = (if time_us < 0 { "-" } else { "" }, time_us.unsigned_abs());
    let (seconds, fraction) = (size_us / 1_000_000, size_us % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Ok(if fraction == 0 {
        format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}")
    })
}
