//! Partition values of a column's rows.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike};

use super::Transform;
use crate::error::{Error, Result};
use crate::value::Value;

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;

impl Transform {
    /// The partition value of every row; null stays null.
    pub fn apply(self, column: &ArrayRef) -> Result<Vec<Option<Value>>> {
        let data_type = column.data_type();
        (0..column.len())
            .map(|row| match value_at(column, row)? {
                None => Ok(None),
                Some(value) => self.of(&value, data_type),
            })
            .collect()
    }

    /// The partition value of one value of a column of this type.
    pub fn of(self, value: &Value, data_type: &DataType) -> Result<Option<Value>> {
        let unfit = || {
            Error::usage("the partition transform does not fit the column's type")
                .with("transform", format!("{self:?}"))
                .with("type", data_type)
        };
        let partition = match self {
            Self::Void => return Ok(None),
            Self::Identity => value.clone(),
            Self::Bucket(n) => Value::Int(i64::from((hash(value).ok_or_else(unfit)? & i32::MAX) % n.cast_signed())),
            Self::Truncate(width) => truncate(value, width).ok_or_else(unfit)?,
            Self::Year | Self::Month | Self::Day | Self::Hour => Value::Int(self.time_unit(value, data_type).ok_or_else(unfit)?),
        };
        Ok(Some(partition))
    }

    /// Whole units since 1970-01-01, rounded down.
    fn time_unit(self, value: &Value, data_type: &DataType) -> Option<i64> {
        let Value::Int(number) = value else { return None };
        let micros = match data_type {
            DataType::Date32 if self != Self::Hour => number.checked_mul(DAY_US)?,
            DataType::Timestamp(..) => *number,
            _ => return None,
        };
        let date = || DateTime::from_timestamp_micros(micros.div_euclid(DAY_US).checked_mul(DAY_US)?);
        match self {
            Self::Year => Some(i64::from(date()?.year()) - 1970),
            Self::Month => date().map(|d| (i64::from(d.year()) - 1970) * 12 + i64::from(d.month0())),
            Self::Day => Some(micros.div_euclid(DAY_US)),
            _ => Some(micros.div_euclid(HOUR_US)),
        }
    }
}

/// The value of a row of a column of a canonical primitive type.
pub fn value_at(column: &ArrayRef, row: usize) -> Result<Option<Value>> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int32 => Value::Int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Value::Float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => Value::Decimal(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).into()),
        DataType::Binary => Value::Bytes(column.as_binary::<i32>().value(row).into()),
        DataType::Date32 => Value::Int(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time64(_) => Value::Int(column.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => {
            Value::Int(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => return Err(Error::unsupported("a partition column must be of a primitive type").with("type", other)),
    }))
}

fn truncate(value: &Value, width: u32) -> Option<Value> {
    Some(match value {
        Value::Int(number) => Value::Int(number - number.rem_euclid(i64::from(width))),
        Value::Decimal(number) => Value::Decimal(number - number.rem_euclid(i128::from(width))),
        Value::Text(text) => Value::Text(text.chars().take(width as usize).collect()),
        Value::Bytes(bytes) => Value::Bytes(bytes.iter().copied().take(width as usize).collect()),
        Value::Bool(_) | Value::Float(_) => return None,
    })
}

/// Iceberg spec, appendix B: 32-bit murmur3 of the value's bytes; integers and times as eight bytes.
fn hash(value: &Value) -> Option<i32> {
    Some(match value {
        Value::Int(number) => murmur3(&number.to_le_bytes()),
        Value::Decimal(number) => murmur3(minimal_big_endian(*number).as_slice()),
        Value::Text(text) => murmur3(text.as_bytes()),
        Value::Bytes(bytes) => murmur3(bytes),
        Value::Bool(_) | Value::Float(_) => return None,
    })
}

/// Two's complement in as few bytes as hold the number.
fn minimal_big_endian(number: i128) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let filler = if number < 0 { 0xff } else { 0 };
    let sign = |byte: u8| (byte & 0x80 != 0) == (number < 0);
    let redundant = bytes.windows(2).take_while(|pair| pair[0] == filler && sign(pair[1])).count();
    bytes[redundant..].to_vec()
}

fn murmur3(bytes: &[u8]) -> i32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let scramble = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = 0u32;
    let mut blocks = bytes.chunks_exact(4);
    for block in &mut blocks {
        let k = block.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        hash = (hash ^ scramble(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        hash ^= scramble(tail.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte)));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)).cast_signed()
}
