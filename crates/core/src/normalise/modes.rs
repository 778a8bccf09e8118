//! What the values of a source without schemas have shown of its converter's modes.
//!
//! A converter is set to one mode for all its tables, but some values look the same in two: `"1234"` is a decimal in text
//! or the base64 of three bytes. The first value that fits one mode only shows it, and ambiguous values follow it. Until then an ambiguous
//! one is taken as written below, and if a later value then shows that this was wrong, it fails and asks for the setting.
//!
//! - decimals: as text;
//! - bytes: as hexadecimal, when all are lower-case hexadecimal digits;
//! - timestamps of up to three digits: milliseconds unless they would lie after year 9999. Finer ones are microseconds, and
//!   nanoseconds if they would lie after year 9999;
//! - times of up to three digits: milliseconds unless they exceed a day.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::decode::wire::Unit;
use crate::decode::{BinaryMode, DecimalMode, TimePrecision};

const MAX_MS: u64 = 253_402_300_799_999;
const MAX_US: u64 = 253_402_300_799_999_999;
/// As milliseconds in 1973, as microseconds on the second day of the epoch.
const PLAUSIBLE_MS: u64 = 100_000_000_000;
const DAY_MS: u64 = 86_400_000;
const DAY_US: u64 = 86_400_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Evidence<T> {
    #[default]
    None,
    Assumed(T),
    Shown(T),
}

impl<T: Copy + PartialEq> Evidence<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::Assumed(mode) | Self::Shown(mode) => Some(mode),
        }
    }

    fn assume(&mut self, mode: T) -> T {
        if *self == Self::None {
            *self = Self::Assumed(mode);
        }
        self.known().unwrap_or(mode)
    }

    fn show(&mut self, mode: T, setting: &'static str) -> Result<T, Fault> {
        if matches!(*self, Self::Assumed(other) if other != mode) {
            return Err(Fault::Contradiction(setting));
        }
        *self = Self::Shown(mode);
        Ok(mode)
    }
}

/// How timestamps of up to three digits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stamps {
    Adaptive,
    Micros,
    Nanos,
}

/// How bytes and decimals are written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BytesText {
    Base64,
    Base64UrlSafe,
    Hex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DecimalText {
    Digits,
    Base64,
}

/// The evidence so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Modes {
    decimal: Evidence<DecimalText>,
    binary: Evidence<BytesText>,
    timestamp: Evidence<Stamps>,
    time: Evidence<Unit>,
}

impl Modes {
    pub(super) fn decimal(&mut self, mode: DecimalMode, text: &str) -> Result<DecimalText, Fault> {
        match mode {
            DecimalMode::Precise => return Ok(DecimalText::Base64),
            DecimalMode::String | DecimalMode::Double => return Ok(DecimalText::Digits),
            DecimalMode::Auto => {}
        }
        match (is_decimal(text), is_base64(text, is_standard)) {
            (true, true) => Ok(self.decimal.assume(DecimalText::Digits)),
            (true, false) => self.decimal.show(DecimalText::Digits, "decimal_mode"),
            (false, true) => self.decimal.show(DecimalText::Base64, "decimal_mode"),
            (false, false) => Ok(DecimalText::Digits),
        }
    }

    pub(super) fn binary(&mut self, mode: BinaryMode, text: &str) -> Result<BytesText, Fault> {
        match mode {
            BinaryMode::Bytes | BinaryMode::Base64 => return Ok(BytesText::Base64),
            BinaryMode::Base64UrlSafe => return Ok(BytesText::Base64UrlSafe),
            BinaryMode::Hex => return Ok(BytesText::Hex),
            BinaryMode::Auto => {}
        }
        if text.is_empty() {
            return Ok(BytesText::Base64);
        }
        let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match (is_hex, is_base64(text, is_standard), is_base64(text, is_url_safe)) {
            (true, true, _) => Ok(self.binary.assume(BytesText::Hex)),
            (true, false, _) => self.binary.show(BytesText::Hex, "binary_mode"),
            (false, true, true) => match self.binary.known() {
                // Both alphabets share these characters, so that either reads them.
                Some(BytesText::Base64UrlSafe) => Ok(BytesText::Base64UrlSafe),
                _ => self.binary.show(BytesText::Base64, "binary_mode"),
            },
            (false, false, true) => self.binary.show(BytesText::Base64UrlSafe, "binary_mode"),
            (false, _, false) => self.binary.show(BytesText::Base64, "binary_mode"),
        }
    }

    /// What a number in a timestamp column of so many digits of a second counts.
    pub(super) fn timestamp(&mut self, precision: TimePrecision, digits: u8, value: i64) -> Result<Unit, Fault> {
        let is_short = digits <= 3;
        match precision {
            TimePrecision::Connect => return Ok(Unit::Millis),
            TimePrecision::Microseconds => return Ok(Unit::Micros),
            TimePrecision::Nanoseconds => return Ok(Unit::Nanos),
            TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds if is_short => return Ok(Unit::Millis),
            TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds => return Ok(Unit::Micros),
            TimePrecision::Isostring => return Err(Fault::Malformed("a timestamp in text is expected")),
            TimePrecision::Auto => {}
        }
        let stamps = match (value.unsigned_abs(), self.timestamp.known()) {
            (size, _) if size > MAX_US => self.timestamp.show(Stamps::Nanos, "time_precision")?,
            (_, Some(Stamps::Nanos)) => Stamps::Nanos,
            (size, _) if is_short && size > MAX_MS => self.timestamp.show(Stamps::Micros, "time_precision")?,
            (_, Some(Stamps::Micros)) => Stamps::Micros,
            (size, _) if is_short && size >= PLAUSIBLE_MS => self.timestamp.show(Stamps::Adaptive, "time_precision")?,
            (size, _) if is_short && size != 0 => self.timestamp.assume(Stamps::Adaptive),
            _ => Stamps::Adaptive,
        };
        Ok(match stamps {
            Stamps::Adaptive if is_short => Unit::Millis,
            Stamps::Adaptive | Stamps::Micros => Unit::Micros,
            Stamps::Nanos => Unit::Nanos,
        })
    }

    /// What a number in a column of times of day counts.
    pub(super) fn time(&mut self, precision: TimePrecision, digits: u8, value: i64) -> Result<Unit, Fault> {
        let is_short = digits <= 3;
        match precision {
            TimePrecision::Connect => return Ok(Unit::Millis),
            TimePrecision::Adaptive if is_short => return Ok(Unit::Millis),
            TimePrecision::Adaptive | TimePrecision::Microseconds | TimePrecision::AdaptiveTimeMicroseconds => return Ok(Unit::Micros),
            TimePrecision::Nanoseconds => return Ok(Unit::Nanos),
            TimePrecision::Isostring => return Err(Fault::Malformed("a time in text is expected")),
            TimePrecision::Auto => {}
        }
        match (value.unsigned_abs(), self.time.known()) {
            (size, _) if size > DAY_US => self.time.show(Unit::Nanos, "time_precision"),
            (_, Some(Unit::Nanos)) => Ok(Unit::Nanos),
            (size, _) if is_short && size > DAY_MS => self.time.show(Unit::Micros, "time_precision"),
            (_, Some(Unit::Micros)) => Ok(Unit::Micros),
            (size, _) if is_short && size != 0 => Ok(self.time.assume(Unit::Millis)),
            _ => Ok(Unit::Micros),
        }
    }
}

/// `-12.50`, `1234`, `1E-7`. Java writes an exponent above zero only for scales below zero, which no source has.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mantissa = match unsigned.split_once("E-") {
        Some((mantissa, exponent)) if digits(exponent) => mantissa,
        Some(_) => return false,
        None => unsigned,
    };
    match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(mantissa),
    }
}

fn is_base64(text: &str, alphabet: fn(u8) -> bool) -> bool {
    let bare = text.trim_end_matches('=');
    text.len().is_multiple_of(4) && !bare.is_empty() && text.len() - bare.len() <= 2 && bare.bytes().all(alphabet)
}

fn is_standard(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
