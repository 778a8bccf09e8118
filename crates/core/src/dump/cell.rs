//! The value of one cell from its text, by the type of its column. The error says what the text is not.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono_tz::Tz;

use crate::moments;
use crate::text::{HasOffset, TIMESTAMP_INFINITY, parse_decimal, parse_timestamp_us};

pub(super) type CellResult<T> = Result<T, &'static str>;

pub(super) fn boolean(text: &str) -> CellResult<bool> {
    match text {
        "t" | "true" | "1" | "TRUE" | "True" => Ok(true),
        "f" | "false" | "0" | "FALSE" | "False" => Ok(false),
        _ => Err("not a boolean"),
    }
}

/// A whole number, also as `5.0` or `5e0`, which some writers make of it.
pub(super) fn integer<T: FromStr + TryFrom<i128>>(text: &str) -> CellResult<T> {
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    parse_decimal(text, 19, 0).and_then(|value| T::try_from(value).ok()).ok_or("not an integer of the column's width")
}

/// A number, `NaN` or `Infinity`; one that is too large is none of these.
pub(super) fn float<T: FromStr + Copy + Into<f64>>(text: &str) -> CellResult<T> {
    let value: T = text.parse().map_err(|_| "not a number")?;
    let says_infinity = || text.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'i'));
    if value.into().is_infinite() && !says_infinity() { Err("a number too large for the column") } else { Ok(value) }
}

pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> CellResult<i128> {
    parse_decimal(text, precision, scale).ok_or("not a decimal of the column's precision and scale")
}

/// PostgreSQL's `money` in a locale of points and commas: `-$1,234.56`.
pub(super) fn money(text: &str, precision: u8, scale: i8) -> CellResult<i128> {
    let plain: String = text.chars().filter(|char| !matches!(char, '$' | ',')).collect();
    decimal(&plain, precision, scale)
}

/// `\x00ff`, or base64, which never starts with a backslash.
pub(super) fn bytes(text: &str) -> CellResult<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else {
        return STANDARD.decode(text).map_err(|_| "neither \\x and hexadecimal digits nor base64");
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect::<Option<_>>().ok_or("an odd or other than hexadecimal digit")
}

/// The bits of `10101010` as Debezium sends them: the last bit is the lowest of the first byte. Also the bytes themselves as `\x00ff`,
/// as exports have them.
pub(super) fn bits(text: &str) -> CellResult<Vec<u8>> {
    if text.starts_with("\\x") {
        return bytes(text);
    }
    let mut value = vec![0u8; text.len().div_ceil(8)];
    for (at, bit) in text.bytes().rev().enumerate() {
        match (bit, value.get_mut(at / 8)) {
            (b'1', Some(byte)) => *byte |= 1 << (at % 8),
            (b'0', Some(_)) => {}
            _ => return Err("not a string of bits"),
        }
    }
    Ok(value)
}

/// As [`bits`], without high bytes that are zero, which Debezium leaves out when the length varies.
pub(super) fn varying_bits(text: &str) -> CellResult<Vec<u8>> {
    let mut value = bits(text)?;
    while value.last() == Some(&0) {
        value.pop();
    }
    Ok(value)
}

pub(super) fn local_timestamp(text: &str) -> CellResult<i64> {
    match parse_timestamp_us(text).ok_or("not a timestamp")? {
        (value, HasOffset::Yes) if value.abs() != TIMESTAMP_INFINITY => Err("a timestamp with an offset, but the column has no time zone"),
        (value, _) => Ok(value),
    }
}

pub(super) fn utc_timestamp(text: &str, timezone: Option<Tz>) -> CellResult<i64> {
    match (parse_timestamp_us(text).ok_or("not a timestamp")?, timezone) {
        ((value, HasOffset::Yes), _) => Ok(value),
        ((value, HasOffset::No), Some(timezone)) => moments::in_zone(value, timezone),
        ((_, HasOffset::No), None) => Err("a timestamp without an offset from UTC; --timezone says whose clock it is"),
    }
}
