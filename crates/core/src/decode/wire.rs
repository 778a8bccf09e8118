//! How the values of a column are written in the records, and the table's type that holds them exactly.

use arrow::datatypes::{DataType, TimeUnit};

use super::json::JsonKind;
use crate::schema::{list_of, timestamp_local, timestamp_utc};

/// Digits of the widest decimal.
pub(crate) const MAX_PRECISION: u8 = 38;

/// What a number of a time or timestamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// By the schema of a message, except for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// There is no schema: the column's type and the value decide.
    Unknown,
    Boolean,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Bytes,
    /// Bits, in bytes of the least significant first.
    Bits,
    /// Base64 of the unscaled value, big-endian.
    Decimal {
        precision: Option<u8>,
        scale: i8,
    },
    /// `{scale, value}`.
    VariableScaleDecimal,
    /// Days since the epoch.
    Date,
    DateText,
    Time(Unit),
    TimeText,
    /// A time of MySQL: it may be negative, or longer than a day.
    Elapsed(Unit),
    Timestamp(Unit),
    TimestampText,
    ZonedTimestamp,
    Duration(Unit),
    /// A structure without a column type of its own, kept as JSON.
    Json,
    List(Box<Wire>),
}

impl Wire {
    /// The type of a column whose values are written so, if nothing else is known of it.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Duration(_) => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Bytes | Self::Bits => DataType::Binary,
            Self::Decimal { precision, scale } => decimal_type(*precision, *scale),
            Self::Date | Self::DateText => DataType::Date32,
            Self::Time(_) | Self::TimeText => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp(_) | Self::TimestampText => timestamp_local(),
            Self::ZonedTimestamp => timestamp_utc(),
            Self::List(element) => list_of(element.data_type()),
            Self::Unknown | Self::Text | Self::VariableScaleDecimal | Self::Elapsed(_) | Self::Json => DataType::Utf8,
        }
    }
}

/// A decimal type, or text when no decimal is wide enough.
fn decimal_type(precision: Option<u8>, scale: i8) -> DataType {
    let precision = precision.unwrap_or(MAX_PRECISION);
    if precision > MAX_PRECISION || scale.unsigned_abs() > MAX_PRECISION { DataType::Utf8 } else { DataType::Decimal128(precision, scale) }
}

/// The type of a column of which only a JSON value is known.
pub(crate) fn inferred(json: &str) -> DataType {
    match JsonKind::of(json) {
        JsonKind::Boolean => DataType::Boolean,
        JsonKind::Number if json.parse::<i64>().is_ok() => DataType::Int64,
        JsonKind::Number => DataType::Float64,
        JsonKind::Null | JsonKind::String | JsonKind::Array | JsonKind::Object => DataType::Utf8,
    }
}
