//! One column of a result, seen as text or as JSON. Values keep their exactness: decimals as stored, floats with as
//! many digits as bring the same number back.

use std::fmt::Write as _;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int64Array, ListArray, MapArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Result;
use crate::text::{Zone, format_date, format_time, format_timestamp};

pub struct Cells {
    array: ArrayRef,
    kind: Kind,
}

enum Kind {
    Null,
    Boolean(BooleanArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Decimal128(Decimal128Array, i8),
    Decimal256(Decimal256Array, i8),
    Text(StringArray),
    Binary(BinaryArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray, Zone),
    List(ListArray, Box<Cells>),
    Struct(Vec<(String, Cells)>),
    Map(MapArray, Box<Cells>, Box<Cells>),
}

impl Cells {
    pub fn new(array: &ArrayRef) -> Result<Self> {
        let array = match plainer(array.data_type()) {
            Some(data_type) => cast(array, &data_type)?,
            None => array.clone(),
        };
        let kind = Kind::of(&array)?;
        Ok(Self { array, kind })
    }

    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Null) || self.array.is_null(row)
    }

    /// Appends a value as text; nothing for a null. Lists, structs and maps are JSON.
    pub fn write_text(&self, out: &mut String, row: usize) {
        if self.is_null(row) {
            return;
        }
        match &self.kind {
            Kind::Text(values) => out.push_str(values.value(row)),
            Kind::Float32(values) => write_float(out, values.value(row), values.value(row).into()),
            Kind::Float64(values) => write_float(out, values.value(row), values.value(row)),
            Kind::Binary(values) => write_hex(out, values.value(row)),
            Kind::Date(values) => write_display(out, format_date(values.value(row))),
            Kind::Time(values) => write_display(out, format_time(values.value(row))),
            Kind::Timestamp(values, zone) => write_display(out, format_timestamp(values.value(row), *zone)),
            _ => self.write_json(out, row),
        }
    }

    /// Appends a value as a dump has it: as [`Self::write_text`], but lists in PostgreSQL's notation.
    pub(crate) fn write_dumped(&self, out: &mut String, row: usize) {
        match &self.kind {
            Kind::List(values, items) if !self.is_null(row) => write_array(out, span(values.value_offsets(), row), items),
            _ => self.write_text(out, row),
        }
    }

    /// Appends a value as JSON.
    pub fn write_json(&self, out: &mut String, row: usize) {
        if self.is_null(row) {
            return out.push_str("null");
        }
        match &self.kind {
            Kind::Null => out.push_str("null"),
            Kind::Boolean(values) => out.push_str(if values.value(row) { "true" } else { "false" }),
            Kind::Int(values) => write_display(out, values.value(row)),
            Kind::UInt(values) => write_display(out, values.value(row)),
            Kind::Float32(values) if values.value(row).is_finite() => self.write_text(out, row),
            Kind::Float64(values) if values.value(row).is_finite() => self.write_text(out, row),
            Kind::Decimal128(values, scale) => write_decimal(out, &values.value(row).to_string(), *scale),
            Kind::Decimal256(values, scale) => write_decimal(out, &values.value(row).to_string(), *scale),
            Kind::Text(values) => write_json_text(out, values.value(row)),
            Kind::Binary(values) => {
                out.push_str("\"\\");
                write_hex(out, values.value(row));
                out.push('"');
            }
            Kind::Float32(_) | Kind::Float64(_) | Kind::Date(_) | Kind::Time(_) | Kind::Timestamp(..) => {
                quoted(out, |out| self.write_text(out, row))
            }
            Kind::List(values, items) => write_list(out, span(values.value_offsets(), row), items),
            Kind::Struct(fields) => write_object(out, fields.iter().map(|(name, cells)| (name.as_str(), cells)), row),
            Kind::Map(values, keys, items) => write_map(out, span(values.value_offsets(), row), keys, items),
        }
    }
}

impl Kind {
    fn of(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Self::UInt(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal128(_, scale) => Self::Decimal128(array.as_primitive::<Decimal128Type>().clone(), *scale),
            DataType::Decimal256(_, scale) => Self::Decimal256(array.as_primitive::<Decimal256Type>().clone(), *scale),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::Binary => Self::Binary(array.as_binary().clone()),
            DataType::Date32 => Self::Date(array.as_primitive().clone()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(array.as_primitive::<Time64MicrosecondType>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Self::Timestamp(
                array.as_primitive::<TimestampMicrosecondType>().clone(),
                if zone.is_some() { Zone::Utc } else { Zone::Local },
            ),
            DataType::List(_) => Self::List(array.as_list().clone(), Box::new(Cells::new(array.as_list::<i32>().values())?)),
            DataType::Struct(fields) => {
                let children = array.as_struct();
                let named = fields.iter().zip(children.columns()).map(|(field, column)| Ok((field.name().clone(), Cells::new(column)?)));
                Self::Struct(named.collect::<Result<_>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Self::Map(map.clone(), Box::new(Cells::new(map.keys())?), Box::new(Cells::new(map.values())?))
            }
            _ => Self::Text(formatted(array)?),
        })
    }
}

/// The type with the same values that [`Kind`] knows.
fn plainer(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 => Int64,
        Float16 => Float32,
        Utf8View | LargeUtf8 => Utf8,
        BinaryView | LargeBinary | FixedSizeBinary(_) => Binary,
        Decimal32(precision, scale) | Decimal64(precision, scale) => Decimal128(*precision, *scale),
        Time32(_) => Time64(TimeUnit::Microsecond),
        Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone) => Timestamp(TimeUnit::Microsecond, zone.clone()),
        LargeList(item) | FixedSizeList(item, _) => List(item.clone()),
        Dictionary(_, values) => plainer(values).unwrap_or_else(|| values.as_ref().clone()),
        _ => return None,
    })
}

/// Types that no table holds, but a query can make, as Arrow writes them.
fn formatted(array: &ArrayRef) -> Result<StringArray> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    Ok((0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect())
}

fn span(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

fn write_display(out: &mut String, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// The shortest digits that read back as the same float; names for what is not finite.
fn write_float(out: &mut String, value: impl std::fmt::Debug, wide: f64) {
    match wide {
        wide if wide.is_nan() => out.push_str("NaN"),
        f64::INFINITY => out.push_str("Infinity"),
        f64::NEG_INFINITY => out.push_str("-Infinity"),
        _ => {
            let _ = write!(out, "{value:?}");
        }
    }
}

/// `digits` is the unscaled integer.
fn write_decimal(out: &mut String, digits: &str, scale: i8) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    out.push_str(sign);
    match usize::try_from(scale) {
        Ok(0) => out.push_str(digits),
        Ok(scale) => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            let _ = write!(out, "{whole}.{fraction}");
        }
        Err(_) if digits == "0" => out.push('0'),
        Err(_) => {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
    }
}

/// PostgreSQL's notation of binary: `\x` and hexadecimal digits.
fn write_hex(out: &mut String, bytes: &[u8]) {
    out.push_str("\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

pub fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn quoted(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push('"');
    write(out);
    out.push('"');
}

/// `{"1",NULL,"a \\"b\\""}`
fn write_array(out: &mut String, rows: std::ops::Range<usize>, items: &Cells) {
    let mut text = String::new();
    out.push('{');
    for (i, row) in rows.enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        if items.is_null(row) {
            out.push_str("NULL");
            continue;
        }
        text.clear();
        items.write_text(&mut text, row);
        out.push('"');
        out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
        out.push('"');
    }
    out.push('}');
}

fn write_list(out: &mut String, rows: std::ops::Range<usize>, items: &Cells) {
    out.push('[');
    for (i, row) in rows.enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        items.write_json(out, row);
    }
    out.push(']');
}

/// One JSON object from one row of named columns.
pub fn write_object<'a>(out: &mut String, fields: impl Iterator<Item = (&'a str, &'a Cells)>, row: usize) {
    out.push('{');
    for (i, (name, cells)) in fields.enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        write_json_text(out, name);
        out.push(':');
        cells.write_json(out, row);
    }
    out.push('}');
}

/// A map as an object; keys that are not text are written as their text.
fn write_map(out: &mut String, rows: std::ops::Range<usize>, keys: &Cells, items: &Cells) {
    out.push('{');
    let mut key = String::new();
    for (i, row) in rows.enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        key.clear();
        keys.write_text(&mut key, row);
        write_json_text(out, &key);
        out.push(':');
        items.write_json(out, row);
    }
    out.push('}');
}

#[cfg(test)]
mod tests;
