//! Whole numbers, floating-point numbers and decimals from JSON.

use std::borrow::Cow;

use arrow::datatypes::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;

use super::fault::Fault;
use super::modes::DecimalText;
use super::reading::Reading;
use crate::decode::json::{JsonKind, each_field, string};
use crate::decode::wire::{MAX_PRECISION, Wire, inferred};
use crate::text::parse_decimal;

/// Numbers of an unsigned 64-bit column arrive as the signed ones of the same bits.
const UNSIGNED_WRAP: i128 = 1 << 64;

pub(super) fn boolean(json: &str) -> Result<bool, Fault> {
    match json {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::Type(inferred(json))),
    }
}

pub(super) fn whole(json: &str) -> Result<i64, Fault> {
    if let Ok(number) = json.parse() {
        return Ok(number);
    }
    match JsonKind::of(json) {
        JsonKind::Boolean => Ok(i64::from(json == "true")),
        JsonKind::Number => match parse_decimal(json, MAX_PRECISION, 0) {
            Some(number) => i64::try_from(number).map_err(|_| Fault::Type(DataType::Decimal128(MAX_PRECISION, 0))),
            None => Err(Fault::Type(DataType::Float64)),
        },
        _ => Err(Fault::Type(inferred(json))),
    }
}

/// A number of an unsigned 64-bit column that fits into a signed one.
pub(super) fn whole_unsigned(json: &str) -> Result<i64, Fault> {
    whole(json).and_then(|number| if number < 0 { Err(Fault::Type(DataType::Decimal128(20, 0))) } else { Ok(number) })
}

pub(super) fn whole_32(json: &str) -> Result<i32, Fault> {
    i32::try_from(whole(json)?).map_err(|_| Fault::Wider(DataType::Int64))
}

/// Debezium writes NaN and the infinities as strings.
pub(super) fn float<T: std::str::FromStr + Into<f64> + Copy>(json: &str) -> Result<T, Fault> {
    let text = match JsonKind::of(json) {
        JsonKind::Number => Cow::Borrowed(json),
        JsonKind::String => match string(json) {
            Some(text) if matches!(text.as_ref(), "NaN" | "Infinity" | "-Infinity") => text,
            _ => return Err(Fault::Type(DataType::Utf8)),
        },
        _ => return Err(Fault::Type(inferred(json))),
    };
    let number = text.parse::<T>().map_err(|_| Fault::Malformed("a number is expected"))?;
    if JsonKind::of(json) == JsonKind::Number && number.into().is_infinite() {
        return Err(Fault::Malformed("the number is too large for its column"));
    }
    Ok(number)
}

/// Precision and scale of a column, and whether its source is an unsigned 64-bit integer.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecimalColumn {
    pub(super) precision: u8,
    pub(super) scale: i8,
    pub(super) is_unsigned: bool,
}

impl DecimalColumn {
    /// The unscaled value.
    pub(super) fn read(self, json: &str, wire: &Wire, reading: &mut Reading) -> Result<i128, Fault> {
        match JsonKind::of(json) {
            JsonKind::Number => {
                let value = self.parse(json)?;
                Ok(if self.is_unsigned && value < 0 { value + UNSIGNED_WRAP } else { value })
            }
            JsonKind::String => {
                let text = string(json).ok_or(Fault::Malformed("the string has an invalid escape"))?;
                let written = match wire {
                    Wire::Decimal { .. } => DecimalText::Base64,
                    Wire::Unknown => reading.decimal(&text)?,
                    _ => DecimalText::Digits,
                };
                match (written, wire) {
                    (DecimalText::Digits, _) => self.parse(&text),
                    (DecimalText::Base64, Wire::Decimal { scale, .. }) => self.fit(&unscaled(&text)?, *scale),
                    (DecimalText::Base64, _) => self.fit(&unscaled(&text)?, self.scale),
                }
            }
            JsonKind::Object => {
                let (value, scale) = variable_scale(json)?;
                self.fit(&value, scale)
            }
            _ => Err(Fault::Type(inferred(json))),
        }
    }

    fn parse(self, text: &str) -> Result<i128, Fault> {
        parse_decimal(text, self.precision, self.scale).ok_or_else(|| match parse_decimal(text, MAX_PRECISION, self.scale) {
            Some(value) => self.wider(value),
            None if text.parse::<f64>().is_ok_and(f64::is_finite) => Fault::Malformed("the number has more digits than its column"),
            None => Fault::Type(DataType::Utf8),
        })
    }

    fn fit(self, value: &BigInt, scale: i8) -> Result<i128, Fault> {
        if scale != self.scale {
            return self.parse(&decimal_text(value, scale));
        }
        let value = i128::try_from(value).map_err(|_| Fault::Type(DataType::Utf8))?;
        if value.unsigned_abs() < 10u128.pow(u32::from(self.precision)) { Ok(value) } else { Err(self.wider(value)) }
    }

    fn wider(self, value: i128) -> Fault {
        let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
        match u8::try_from(digits) {
            Ok(digits) if digits <= MAX_PRECISION => Fault::Wider(DataType::Decimal128(digits, self.scale)),
            _ => Fault::Type(DataType::Utf8),
        }
    }
}

/// The number that a two's complement, big-endian, in base64, stands for.
fn unscaled(text: &str) -> Result<BigInt, Fault> {
    let bytes = STANDARD.decode(text).map_err(|_| Fault::Malformed("a decimal in base64 is expected"))?;
    Ok(BigInt::from_signed_bytes_be(&bytes))
}

/// Debezium's structure for a decimal that brings its own scale.
fn variable_scale(json: &str) -> Result<(BigInt, i8), Fault> {
    let (mut scale, mut value) = (None, None);
    let fault = Fault::Malformed("an object with the scale and the value of a decimal is expected");
    each_field(json, |name, field| {
        match name {
            "scale" => scale = field.parse().ok(),
            "value" => value = string(field),
            _ => {}
        }
        Ok(())
    })
    .map_err(|_| fault.clone())?;
    match (scale, value) {
        (Some(scale), Some(value)) => Ok((unscaled(&value)?, scale)),
        _ => Err(fault),
    }
}

/// Decimals of any size as text: what no decimal column holds.
pub(super) fn decimal_as_text(json: &str, scale: i8) -> Result<String, Fault> {
    match string(json) {
        Some(text) => Ok(decimal_text(&unscaled(&text)?, scale)),
        None => variable_scale(json).map(|(value, scale)| decimal_text(&value, scale)),
    }
}

fn decimal_text(value: &BigInt, scale: i8) -> String {
    let (sign, digits) = (value.sign(), value.magnitude().to_string());
    let minus = if sign == num_bigint::Sign::Minus { "-" } else { "" };
    let fraction = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        return format!("{minus}{digits}{}", "0".repeat(fraction));
    }
    let digits = format!("{digits:0>width$}", width = fraction + 1);
    let (whole, fraction) = digits.split_at(digits.len() - fraction);
    format!("{minus}{whole}.{fraction}")
}
