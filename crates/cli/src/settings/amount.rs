//! Spans of time and sizes of memory as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use waterline_core::error::{Error, Result};

/// `0s`, `500ms`, `1h30m`, `7d`; a year has 365 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid =
            || Error::usage("not a span of time; write a number and ms, s, m, h, d, w or y, such as 90s or 1h30m").with("text", text);
        let mut rest = text.trim();
        let mut total_ms: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = leading_number(rest).ok_or_else(invalid)?;
            let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at(unit_end);
            let span_ms = number.checked_mul(unit_ms(unit.trim()).ok_or_else(invalid)?).ok_or_else(invalid)?;
            total_ms = total_ms.checked_add(span_ms).ok_or_else(invalid)?;
            rest = next;
        }
        if text.trim().is_empty() { Err(invalid()) } else { Ok(Self(Duration::from_millis(total_ms))) }
    }
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return None,
    })
}

/// `536870912`, `512MiB`, `1GB`, `64k`. Only the forms with `i` are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::usage("not a size; write a number of bytes, or one with k, M, G, KiB, MiB or GiB").with("text", text);
        let (number, unit) = leading_number(text.trim()).ok_or_else(invalid)?;
        let bytes = number.checked_mul(unit_bytes(unit.trim()).ok_or_else(invalid)?).ok_or_else(invalid)?;
        usize::try_from(bytes).ok().filter(|bytes| *bytes > 0).map(Self).ok_or_else(invalid)
    }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    })
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// Text that may hold a password: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who connects with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests;
