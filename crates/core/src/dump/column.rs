//! Builds an Arrow array of a canonical type from the text of its cells.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder,
    ListArray, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::array_text;
use super::cell::{self, CellResult};
use crate::error::{Error, Result};
use crate::schema::SOURCE_TYPE;
use crate::text::{parse_date_days, parse_time_us};

pub(super) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal { values: Decimal128Builder, precision: u8, scale: i8, parse: fn(&str, u8, i8) -> CellResult<i128> },
    Text(StringBuilder),
    Bytes { values: BinaryBuilder, parse: fn(&str) -> CellResult<Vec<u8>> },
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    LocalTimestamp(TimestampMicrosecondBuilder),
    UtcTimestamp { values: TimestampMicrosecondBuilder, timezone: Option<Tz> },
    List { element: FieldRef, values: Box<ColumnBuilder>, lengths: Vec<usize>, validity: NullBufferBuilder },
}

impl ColumnBuilder {
    /// Fails for a type that has no text.
    pub(super) fn new(field: &Field, timezone: Option<Tz>) -> Result<Self> {
        let source_type = field.metadata().get(SOURCE_TYPE).map_or("", String::as_str);
        Self::of_type(field.data_type(), source_type, timezone).ok_or_else(|| {
            Error::unsupported("a column's type cannot be read from text").with("field", field.name()).with("type", field.data_type())
        })
    }

    fn of_type(data_type: &DataType, source_type: &str, timezone: Option<Tz>) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let values = Decimal128Builder::new().with_data_type(data_type.clone());
                let parse = if source_type == "money" { cell::money } else { cell::decimal };
                Self::Decimal { values, precision: *precision, scale: *scale, parse }
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Bytes { values: BinaryBuilder::new(), parse: bytes_notation(source_type) },
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::LocalTimestamp(TimestampMicrosecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                Self::UtcTimestamp { values: TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()), timezone }
            }
            DataType::List(element) => {
                let source_type = source_type.strip_suffix("[]").unwrap_or(source_type);
                let values = Box::new(Self::of_type(element.data_type(), source_type, timezone)?);
                Self::List { element: element.clone(), values, lengths: Vec::new(), validity: NullBufferBuilder::new(0) }
            }
            _ => return None,
        })
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Boolean(values) => values.append_null(),
            Self::Int32(values) => values.append_null(),
            Self::Int64(values) => values.append_null(),
            Self::Float32(values) => values.append_null(),
            Self::Float64(values) => values.append_null(),
            Self::Decimal { values, .. } => values.append_null(),
            Self::Text(values) => values.append_null(),
            Self::Bytes { values, .. } => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
            Self::LocalTimestamp(values) | Self::UtcTimestamp { values, .. } => values.append_null(),
            Self::List { lengths, validity, .. } => {
                lengths.push(0);
                validity.append_null();
            }
        }
    }

    /// Appends the value that the text is in PostgreSQL's notation. After a failure the column is of no use.
    pub(super) fn append_text(&mut self, text: &str) -> CellResult<()> {
        match self {
            Self::Boolean(values) => values.append_value(cell::boolean(text)?),
            Self::Int32(values) => values.append_value(cell::integer(text)?),
            Self::Int64(values) => values.append_value(cell::integer(text)?),
            Self::Float32(values) => values.append_value(cell::float(text)?),
            Self::Float64(values) => values.append_value(cell::float(text)?),
            Self::Decimal { values, precision, scale, parse } => values.append_value(parse(text, *precision, *scale)?),
            Self::Text(values) => values.append_value(text),
            Self::Bytes { values, parse } => values.append_value(parse(text)?),
            Self::Date(values) => values.append_value(parse_date_days(text).ok_or("not a date")?),
            Self::Time(values) => values.append_value(parse_time_us(text).ok_or("not a time of day")?),
            Self::LocalTimestamp(values) => values.append_value(cell::local_timestamp(text)?),
            Self::UtcTimestamp { values, timezone } => values.append_value(cell::utc_timestamp(text, *timezone)?),
            Self::List { .. } => {
                let elements = array_text::elements(text)?;
                self.append_list(elements.iter(), |values, element| match element {
                    Some(element) => values.append_text(element),
                    None => {
                        values.append_null();
                        Ok(())
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Appends a value of JSON; a string is read as the text of the value, and text takes any other value as it is written.
    pub(super) fn append_json(&mut self, value: &RawValue) -> CellResult<()> {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'n') => self.append_null(),
            Some(b'"') if !text.contains('\\') => self.append_text(text.trim_matches('"'))?,
            Some(b'"') => self.append_text(&serde_json::from_str::<String>(text).map_err(|_| "not a string of Unicode")?)?,
            Some(b'[') if matches!(self, Self::List { .. }) => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| "not an array")?;
                self.append_list(elements.into_iter(), |values, element| values.append_json(element))?;
            }
            _ => self.append_text(text)?,
        }
        Ok(())
    }

    fn append_list<T>(
        &mut self,
        elements: impl ExactSizeIterator<Item = T>,
        append: impl Fn(&mut Self, T) -> CellResult<()>,
    ) -> CellResult<()> {
        let Self::List { values, lengths, validity, .. } = self else { return Err("not an array") };
        let length = elements.len();
        for element in elements {
            append(values, element)?;
        }
        lengths.push(length);
        validity.append_non_null();
        Ok(())
    }

    /// The array so far; the builder is empty afterwards.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Int32(values) => Arc::new(values.finish()),
            Self::Int64(values) => Arc::new(values.finish()),
            Self::Float32(values) => Arc::new(values.finish()),
            Self::Float64(values) => Arc::new(values.finish()),
            Self::Decimal { values, .. } => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
            Self::Bytes { values, .. } => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::LocalTimestamp(values) | Self::UtcTimestamp { values, .. } => Arc::new(values.finish()),
            Self::List { element, values, lengths, validity } => {
                let offsets = OffsetBuffer::from_lengths(lengths.drain(..));
                Arc::new(ListArray::try_new(element.clone(), offsets, values.finish()?, validity.finish())?)
            }
        })
    }
}

fn bytes_notation(source_type: &str) -> fn(&str) -> CellResult<Vec<u8>> {
    if source_type.starts_with("varbit") {
        cell::varying_bits
    } else if source_type.starts_with("bit") {
        cell::bits
    } else {
        cell::bytes
    }
}
