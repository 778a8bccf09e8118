//! The plain form: an object with an op, a time and a record, under names that the settings give.

use chrono::TimeZone;
use chrono_tz::Tz;

use super::change::{Change, Form, SnapshotMark};
use super::json::{JsonKind, Object, each_field, is_null, string};
use super::position::Position;
use super::source::text;
use super::{Decoder, Message};
use crate::error::{Error, Result};
use crate::text::{HasOffset, TIMESTAMP_INFINITY, parse_timestamp_us};

/// Seconds, milliseconds and so on since the epoch are told apart by their size; up to year 9999 in each.
const MAX_SECONDS: u64 = 253_402_300_799;

pub(super) fn decode<'a>(decoder: &mut Decoder, json: &'a str, line: &'a [u8]) -> Result<Message<'a>> {
    let json = json.trim();
    if json.is_empty() || is_null(json) {
        return Ok(Message::Ignored);
    }
    let fields = decoder.plain.clone();
    let (mut op, mut time, mut after, mut before, mut table) = (None, None, None, None, None);
    each_field(json, |name, value| {
        let slot = match name {
            _ if is_null(value) => return Ok(()),
            _ if name == fields.op => &mut op,
            _ if name == fields.time => &mut time,
            _ if name == fields.record => &mut after,
            _ if name == fields.before => &mut before,
            _ if name == fields.table => &mut table,
            _ => return Ok(()),
        };
        *slot = Some(value);
        Ok(())
    })?;
    let word = text("op", op.ok_or_else(|| missing(&fields.op))?)?;
    let op = fields.words.op(&word).ok_or_else(|| Error::bad_input("the op is none of the words known").with("field", &fields.op))?;
    let event_time_us =
        time_us(time.ok_or_else(|| missing(&fields.time))?, decoder.settings.timezone).map_err(|e| e.with("field", &fields.time))?;
    let table = match table.map(|name| text("table", name)).transpose()? {
        Some(name) => name.split_once('.').map(|(namespace, name)| decoder.table(Some(namespace), name)).transpose()?.flatten(),
        None => None,
    };
    // A delete names its row in `record`, unless it has a `before`.
    let (before, after) = if op == crate::change::Op::Delete { (before.or(after), None) } else { (before, after) };
    Ok(Message::Change(Change {
        line,
        op,
        table,
        event_time_us,
        domain: decoder.domain(None),
        position: Position::Unknown,
        snapshot: SnapshotMark::None,
        transaction: None,
        order: None,
        before: before.map(Object::read).transpose().map_err(|e| e.with("field", &fields.before))?,
        after: after.map(Object::read).transpose().map_err(|e| e.with("field", &fields.record))?,
        key: None,
        old_key: None,
        schema: None,
        form: Form::Plain,
    }))
}

fn missing(field: &str) -> Error {
    Error::bad_input("the record lacks a field").with("field", field)
}

/// A timestamp in text, or a number since the epoch.
fn time_us(json: &str, timezone: Tz) -> Result<i64> {
    let fault = || Error::bad_input("not a timestamp").with("json type", JsonKind::of(json));
    if let Ok(number) = json.parse::<i64>() {
        let scale = match number.unsigned_abs() {
            0..=MAX_SECONDS => return number.checked_mul(1_000_000).ok_or_else(fault),
            n if n <= MAX_SECONDS * 1_000 => return number.checked_mul(1_000).ok_or_else(fault),
            n if n <= MAX_SECONDS * 1_000_000 => 1,
            _ => 1_000,
        };
        return Ok(number.div_euclid(scale));
    }
    let text = string(json).ok_or_else(fault)?;
    let (us, offset) =
        parse_timestamp_us(text.trim()).filter(|(us, _)| us.unsigned_abs() != TIMESTAMP_INFINITY.unsigned_abs()).ok_or_else(fault)?;
    match offset {
        HasOffset::Yes => Ok(us),
        HasOffset::No => in_zone(us, timezone).ok_or_else(|| Error::bad_input("the clock skips or repeats this time; give its offset")),
    }
}

/// The instant at which a clock in the zone shows this; `None` when it never does, or twice.
pub(crate) fn in_zone(local_us: i64, timezone: Tz) -> Option<i64> {
    if timezone == Tz::UTC {
        return Some(local_us);
    }
    let local = chrono::DateTime::from_timestamp_micros(local_us)?.naive_utc();
    timezone.from_local_datetime(&local).single().map(|instant| instant.timestamp_micros())
}
