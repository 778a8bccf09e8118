//! The builder of one column: takes values as JSON, whatever way its source writes them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::declared::{Declared, SourceKind};
use super::fault::Fault;
use super::modes::BytesText;
use super::moment::{date, duration, elapsed_text, time_of_day, timestamp};
use super::nested::{ListColumn, StructColumn};
use super::number::{DecimalColumn, boolean, decimal_as_text, float, whole, whole_32, whole_unsigned};
use super::reading::Reading;
use crate::decode::json::{JsonKind, check_depth, is_null, string};
use crate::decode::wire::{Wire, inferred};
use crate::error::{Error, Result};
use crate::schema::timestamp_utc;
use crate::sequence::SequenceWriter;
use crate::text::Zone;

pub(super) struct Column {
    wire: Wire,
    declared: Declared,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, DecimalColumn),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder, Zone),
    List(Box<ListColumn>),
    Struct(StructColumn),
}

impl Column {
    pub(super) fn new(field: &Field) -> Result<Self> {
        let declared = Declared::of(field);
        Ok(Self { wire: Wire::Unknown, declared, values: Values::new(field, declared)? })
    }

    /// From now on values are written so.
    pub(super) fn set_wire(&mut self, wire: &Wire) {
        if let Values::List(list) = &mut self.values {
            list.set_wire(if let Wire::List(element) = wire { element } else { &Wire::Unknown });
        }
        self.wire = wire.clone();
    }

    /// Appends a value; on a fault, a null.
    pub(super) fn append(&mut self, json: &str, reading: &mut Reading) -> Result<(), Fault> {
        match &mut self.values {
            _ if is_null(json) => self.append_null(),
            Values::List(list) => list.append(json, reading)?,
            Values::Struct(structs) => structs.append(json, reading)?,
            _ => {
                let appended = self.append_scalar(json, reading);
                if appended.is_err() {
                    self.append_null();
                }
                appended?;
            }
        }
        Ok(())
    }

    /// Appends a value of a column that is not nested; on a fault, nothing.
    fn append_scalar(&mut self, json: &str, reading: &mut Reading) -> Result<(), Fault> {
        let (wire, declared) = (&self.wire, self.declared);
        match &mut self.values {
            Values::Boolean(values) => values.append_value(boolean(json)?),
            Values::Int32(values) => values.append_value(whole_32(json)?),
            Values::Int64(values) => values.append_value(match wire {
                Wire::Duration(unit) => duration(json, *unit)?,
                _ if declared.kind == SourceKind::UnsignedBigint => whole_unsigned(json)?,
                _ => whole(json)?,
            }),
            Values::Float32(values) => values.append_value(float(json)?),
            Values::Float64(values) => values.append_value(float(json)?),
            Values::Decimal(values, column) => values.append_value(column.read(json, wire, reading)?),
            Values::Text(values) => append_text(values, json, wire, declared, reading)?,
            Values::Bytes(values) => values.append_value(bytes(json, wire, declared, reading)?),
            Values::Date(values) => values.append_value(date(json)?),
            Values::Time(values) => values.append_value(time_of_day(json, wire, declared.time_digits, reading)?),
            Values::Timestamp(values, zone) => values.append_value(timestamp(json, wire, declared.time_digits, *zone, reading)?),
            Values::List(_) | Values::Struct(_) => return Err(Fault::Type(inferred(json))),
        }
        Ok(())
    }

    /// Whether values of this type can order events.
    pub(super) fn orders(data_type: &DataType) -> bool {
        !matches!(data_type, DataType::Binary | DataType::List(_) | DataType::Struct(_))
    }

    /// Writes a value so that its text sorts as the value does.
    pub(super) fn write_order(&self, json: &str, reading: &mut Reading, sequence: &mut SequenceWriter) -> Result<(), Fault> {
        match &self.values {
            Values::Boolean(_) => sequence.push_signed(i64::from(boolean(json)?)),
            Values::Int32(_) | Values::Int64(_) => sequence.push_signed(whole(json)?),
            Values::Float32(_) | Values::Float64(_) => sequence.push_number(float_order(float(json)?)),
            Values::Decimal(_, column) => {
                let shifted = (column.read(json, &self.wire, reading)? as u128) ^ (1 << 127);
                sequence.push_number((shifted >> 64) as u64);
                sequence.push_number(shifted as u64);
            }
            Values::Text(_) => sequence.push_text(&string(json).unwrap_or(Cow::Borrowed(json))),
            Values::Date(_) => sequence.push_signed(i64::from(date(json)?)),
            Values::Time(_) => sequence.push_signed(time_of_day(json, &self.wire, self.declared.time_digits, reading)?),
            Values::Timestamp(_, zone) => sequence.push_signed(timestamp(json, &self.wire, self.declared.time_digits, *zone, reading)?),
            Values::Bytes(_) | Values::List(_) | Values::Struct(_) => return Err(Fault::Type(inferred(json))),
        }
        Ok(())
    }

    pub(super) fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(values) => values.append_null(),
            Values::Int32(values) => values.append_null(),
            Values::Int64(values) => values.append_null(),
            Values::Float32(values) => values.append_null(),
            Values::Float64(values) => values.append_null(),
            Values::Decimal(values, _) => values.append_null(),
            Values::Text(values) => values.append_null(),
            Values::Bytes(values) => values.append_null(),
            Values::Date(values) => values.append_null(),
            Values::Time(values) => values.append_null(),
            Values::Timestamp(values, _) => values.append_null(),
            Values::List(list) => list.append_null(),
            Values::Struct(structs) => structs.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.values {
            Values::Boolean(values) => Arc::new(values.finish()),
            Values::Int32(values) => Arc::new(values.finish()),
            Values::Int64(values) => Arc::new(values.finish()),
            Values::Float32(values) => Arc::new(values.finish()),
            Values::Float64(values) => Arc::new(values.finish()),
            Values::Decimal(values, _) => Arc::new(values.finish()),
            Values::Text(values) => Arc::new(values.finish()),
            Values::Bytes(values) => Arc::new(values.finish()),
            Values::Date(values) => Arc::new(values.finish()),
            Values::Time(values) => Arc::new(values.finish()),
            Values::Timestamp(values, _) => Arc::new(values.finish()),
            Values::List(list) => list.finish()?,
            Values::Struct(structs) => structs.finish()?,
        })
    }
}

impl Values {
    fn new(field: &Field, declared: Declared) -> Result<Self> {
        Ok(match field.data_type() {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let column =
                    DecimalColumn { precision: *precision, scale: *scale, is_unsigned: declared.kind == SourceKind::UnsignedBigint };
                Self::Decimal(Decimal128Builder::new().with_precision_and_scale(*precision, *scale)?, column)
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp(TimestampMicrosecondBuilder::new(), Zone::Local),
            utc if *utc == timestamp_utc() => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC"), Zone::Utc),
            DataType::List(element) => Self::List(Box::new(ListColumn::new(element, field)?)),
            DataType::Struct(fields) => Self::Struct(StructColumn::new(fields)?),
            other => {
                return Err(Error::unsupported("a column's type is none that change events can have")
                    .with("column", field.name())
                    .with("type", other));
            }
        })
    }
}

/// Bits that sort as the numbers do.
fn float_order(number: f64) -> u64 {
    let bits = number.to_bits();
    if number.is_sign_negative() { !bits } else { bits | (1 << 63) }
}

fn append_text(values: &mut StringBuilder, json: &str, wire: &Wire, declared: Declared, reading: &Reading) -> Result<(), Fault> {
    match (JsonKind::of(json), wire) {
        (JsonKind::String, Wire::Decimal { scale, .. }) => values.append_value(decimal_as_text(json, *scale)?),
        (JsonKind::String, _) => {
            let text = string(json).ok_or(Fault::Malformed("the string has an invalid escape"))?;
            values.append_value(if declared.kind == SourceKind::Numeric { numeric_word(&text) } else { &text });
        }
        (JsonKind::Object, Wire::VariableScaleDecimal) => values.append_value(decimal_as_text(json, 0)?),
        (JsonKind::Object, Wire::Unknown) if declared.kind == SourceKind::Numeric => values.append_value(decimal_as_text(json, 0)?),
        (JsonKind::Object | JsonKind::Array, _) => {
            check_depth(json).map_err(|_| Fault::Malformed("the JSON is nested too deeply"))?;
            values.append_value(json);
        }
        (JsonKind::Number, Wire::Elapsed(unit)) => values.append_value(elapsed_text(json, *unit)?),
        (JsonKind::Number, Wire::Unknown) if declared.kind == SourceKind::Elapsed => {
            values.append_value(elapsed_text(json, reading.elapsed())?)
        }
        _ if matches!(declared.kind, SourceKind::Numeric | SourceKind::Other) => values.append_value(json),
        _ => return Err(Fault::Type(inferred(json))),
    }
    Ok(())
}

/// PostgreSQL's words for what Debezium writes of a numeric without digits.
fn numeric_word(text: &str) -> &str {
    match text {
        "NAN" => "NaN",
        "POSITIVE_INFINITY" => "Infinity",
        "NEGATIVE_INFINITY" => "-Infinity",
        digits => digits,
    }
}

fn bytes(json: &str, wire: &Wire, declared: Declared, reading: &mut Reading) -> Result<Vec<u8>, Fault> {
    let Some(text) = string(json) else { return Err(Fault::Type(inferred(json))) };
    let written = match wire {
        Wire::Bytes | Wire::Bits => BytesText::Base64,
        _ if declared.kind == SourceKind::Bits => BytesText::Base64,
        _ => reading.binary(&text)?,
    };
    let decoded = match written {
        BytesText::Base64 => STANDARD.decode(text.as_bytes()).ok(),
        BytesText::Base64UrlSafe => URL_SAFE.decode(text.as_bytes()).ok(),
        BytesText::Hex => from_hex(&text),
    };
    decoded.ok_or(Fault::Malformed("bytes in base64 or in hexadecimal are expected"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes().chunks_exact(2).map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
}
