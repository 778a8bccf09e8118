//! What the reading of values depends on besides the column: the settings, and the modes shown so far.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use chrono_tz::Tz;

use super::fault::Fault;
use super::modes::{BytesText, DecimalText, Modes};
use crate::decode::wire::Unit;
use crate::decode::{BinaryMode, ChangeFormat, DecimalMode, DecodeSettings, TimePrecision};

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) modes: Modes,
    pub(super) timezone: Tz,
    decimal_mode: DecimalMode,
    time_precision: TimePrecision,
    binary_mode: BinaryMode,
    unavailable: Unavailable,
}

impl Reading {
    pub(super) fn new(settings: &DecodeSettings) -> Self {
        // Other tools than Debezium write decimals as numbers or as text.
        let decimal_mode = match (&settings.format, settings.decimal_mode) {
            (ChangeFormat::Plain(_), DecimalMode::Auto) => DecimalMode::String,
            (_, mode) => mode,
        };
        Self {
            modes: Modes::default(),
            timezone: settings.timezone,
            decimal_mode,
            time_precision: settings.time_precision,
            binary_mode: settings.binary_mode,
            unavailable: Unavailable::new(&settings.unavailable_value),
        }
    }

    pub(super) fn decimal(&mut self, text: &str) -> Result<DecimalText, Fault> {
        self.modes.decimal(self.decimal_mode, text)
    }

    pub(super) fn binary(&mut self, text: &str) -> Result<BytesText, Fault> {
        self.modes.binary(self.binary_mode, text)
    }

    pub(super) fn timestamp(&mut self, digits: u8, value: i64) -> Result<Unit, Fault> {
        self.modes.timestamp(self.time_precision, digits, value)
    }

    pub(super) fn time(&mut self, digits: u8, value: i64) -> Result<Unit, Fault> {
        self.modes.time(self.time_precision, digits, value)
    }

    /// What a number in a column of MySQL's times counts: unless `connect` says otherwise, microseconds.
    pub(super) fn elapsed(&self) -> Unit {
        match self.time_precision {
            TimePrecision::Connect => Unit::Millis,
            TimePrecision::Nanoseconds => Unit::Nanos,
            _ => Unit::Micros,
        }
    }

    /// Whether the value stands for one that the source did not send (an unchanged TOAST column).
    pub(super) fn is_unavailable(&self, json: &str) -> bool {
        self.unavailable.contains(json)
    }
}

/// The placeholder as JSON, in the forms that it takes in columns of different types.
#[derive(Debug)]
struct Unavailable {
    forms: Vec<String>,
    min_len: usize,
}

impl Unavailable {
    fn new(placeholder: &str) -> Self {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let bytes = placeholder.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let strings = [quote(placeholder), quote(&STANDARD.encode(bytes)), quote(&URL_SAFE.encode(bytes)), quote(&hex)];
        let mut forms: Vec<String> = strings.iter().cloned().chain(strings.iter().map(|string| format!("[{string}]"))).collect();
        let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
        forms.push(format!("[{}]", numbers.join(",")));
        let map = format!("{{{0}:{0}}}", strings[0]);
        forms.push(quote(&map));
        forms.push(map);
        let min_len = forms.iter().map(String::len).min().unwrap_or(0);
        Self { forms, min_len }
    }

    fn contains(&self, json: &str) -> bool {
        json.len() >= self.min_len && self.forms.iter().any(|form| form == json)
    }
}
