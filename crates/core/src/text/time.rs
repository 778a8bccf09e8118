//! Dates, times and timestamps from text.

use super::calendar::Date;
use super::cursor::Cursor;
use super::{DATE_INFINITY, DAY_US, SECOND_US, TIMESTAMP_INFINITY};

/// Whether a timestamp said how far it is from UTC. An infinite one needs none and counts as having one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasOffset {
    Yes,
    No,
}

/// Days since 1970-01-01 of `2026-02-28`, `0044-03-15 BC`, `-0043-03-15`, `infinity`; a `Z` after the date is allowed.
pub fn parse_date_days(text: &str) -> Option<i32> {
    if let Some(sign) = infinity(text) {
        return Some(DATE_INFINITY * sign);
    }
    let mut cursor = Cursor::new(text);
    let mut date = date(&mut cursor)?;
    cursor.take(b'Z');
    before_christ(&mut cursor, &mut date)?;
    cursor.end()?;
    i32::try_from(date.days()).ok().filter(|days| days.abs() < DATE_INFINITY)
}

/// Microseconds since midnight of `23:59:59.999999`, up to and with `24:00:00`; a `Z` after the time is allowed.
pub fn parse_time_us(text: &str) -> Option<i64> {
    let mut cursor = Cursor::new(text);
    let time_us = time(&mut cursor)?;
    cursor.take(b'Z');
    cursor.end()?;
    Some(time_us)
}

/// Microseconds since the epoch of `2026-11-21T01:49:24.957073Z`, `2026-11-21 01:49:24+05:30`, `0044-03-15 12:00:00 BC`,
/// `-infinity`; a date alone is its midnight. With an offset in UTC, otherwise as a clock in UTC would show it.
pub fn parse_timestamp_us(text: &str) -> Option<(i64, HasOffset)> {
    if let Some(sign) = infinity(text) {
        return Some((TIMESTAMP_INFINITY * i64::from(sign), HasOffset::Yes));
    }
    let mut cursor = Cursor::new(text);
    let mut date = date(&mut cursor)?;
    let (time_us, offset_us) = if time_follows(&mut cursor) { (time(&mut cursor)?, offset(&mut cursor)?) } else { (0, None) };
    before_christ(&mut cursor, &mut date)?;
    cursor.end()?;
    let value = i128::from(date.days()) * i128::from(DAY_US) + i128::from(time_us - offset_us.unwrap_or(0));
    let value = i64::try_from(value).ok().filter(|us| us.unsigned_abs() < TIMESTAMP_INFINITY.unsigned_abs())?;
    Some((value, if offset_us.is_some() { HasOffset::Yes } else { HasOffset::No }))
}

/// The sign of an infinite value.
fn infinity(text: &str) -> Option<i32> {
    match text.as_bytes().first()? {
        b'i' | b'I' if text.eq_ignore_ascii_case("infinity") => Some(1),
        b'-' if text.eq_ignore_ascii_case("-infinity") => Some(-1),
        _ => None,
    }
}

fn date(cursor: &mut Cursor) -> Option<Date> {
    let negative = cursor.sign();
    let year = i64::from(cursor.number(4, 9)?);
    cursor.expect(b'-')?;
    let month = cursor.two(12)?;
    cursor.expect(b'-')?;
    let day = cursor.two(31)?;
    // Whether the year has a 29th of February is known when its era is: see `before_christ`.
    let year = if negative { -year } else { year };
    Some(Date { year, month, day })
}

/// Takes what separates a time from its date.
fn time_follows(cursor: &mut Cursor) -> bool {
    cursor.take(b'T') || cursor.take(b't') || (!cursor.is_at(" BC") && cursor.take(b' '))
}

/// Takes ` BC` and checks the date.
fn before_christ(cursor: &mut Cursor, date: &mut Date) -> Option<()> {
    if cursor.word(" BC") {
        if date.year < 1 {
            return None;
        }
        date.year = 1 - date.year;
    }
    *date = Date::new(date.year, date.month, date.day)?;
    Some(())
}

fn time(cursor: &mut Cursor) -> Option<i64> {
    let hours = cursor.two(24)?;
    cursor.expect(b':')?;
    let minutes = cursor.two(59)?;
    let mut time_us = i64::from(hours * 3_600 + minutes * 60) * SECOND_US;
    if cursor.take(b':') {
        time_us += i64::from(cursor.two(59)?) * SECOND_US;
        if cursor.take(b'.') {
            time_us += fraction_us(cursor)?;
        }
    }
    (time_us <= DAY_US).then_some(time_us)
}

/// Six digits, and zeros after them.
fn fraction_us(cursor: &mut Cursor) -> Option<i64> {
    let mut value = i64::from(cursor.digit()?);
    for _ in 1..6 {
        value = value * 10 + i64::from(cursor.digit().unwrap_or(0));
    }
    while let Some(digit) = cursor.digit() {
        if digit != 0 {
            return None;
        }
    }
    Some(value)
}

/// `Z`, ` UTC`, `+05`, `+05:30`, `+0530`, `-00:01:15`; the outer option is `None` for a malformed one.
fn offset(cursor: &mut Cursor) -> Option<Option<i64>> {
    if cursor.take(b'Z') || cursor.take(b'z') || cursor.word(" UTC") {
        return Some(Some(0));
    }
    if !matches!(cursor.peek(), Some(b'+' | b'-')) {
        return Some(None);
    }
    let negative = cursor.sign();
    let mut seconds = cursor.two(23)? * 3_600;
    if cursor.take(b':') {
        seconds += cursor.two(59)? * 60;
        if cursor.take(b':') {
            seconds += cursor.two(59)?;
        }
    } else if cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        seconds += cursor.two(59)? * 60;
    }
    let offset_us = i64::from(seconds) * SECOND_US;
    Some(Some(if negative { -offset_us } else { offset_us }))
}
