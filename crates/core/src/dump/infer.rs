//! Columns from a dump itself, when there is neither DDL nor a declaration.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::csv::header_names;
use super::{CsvOptions, Header};
use crate::error::{Error, Result};
use crate::schema::list_of;

/// How many lines of JSON Lines decide the types.
pub const INFERENCE_LINES: usize = 1_000;

/// The columns of a CSV file by its header, all text: CSV does not say what it means. Fails without a header.
pub fn infer_csv_schema(sample: &[u8], options: &CsvOptions) -> Result<Vec<FieldRef>> {
    if options.header == Header::Absent {
        return Err(Error::usage("a CSV file without a header needs its columns declared, or a DDL file"));
    }
    let names = header_names(sample, options)?;
    Ok(names.into_iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true))).collect())
}

/// The columns of the first [`INFERENCE_LINES`] lines, in the order in which they come. A line at the end of `sample`
/// that is cut off is left out. Numbers are 64-bit integers, or 64-bit floats when no integer among them loses digits by
/// it. What differs from line to line, nests or is always null is text.
pub fn infer_json_schema(sample: &[u8]) -> Result<Vec<FieldRef>> {
    let mut columns = Columns::default();
    let whole = sample.iter().rposition(|&byte| byte == b'\n').map_or(sample.len(), |at| at + 1);
    let lines = sample.get(..whole).unwrap_or_default().split(|&byte| byte == b'\n');
    for (at, line) in lines.enumerate().take(INFERENCE_LINES).filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let members: Members = serde_json::from_slice(line)
            .map_err(|e| Error::bad_input("the record is not one JSON object").with("line", at + 1).with("column", e.column()))?;
        columns.see(members);
    }
    Ok(columns.kinds.into_iter().map(|(name, kind)| Arc::new(Field::new(name, kind.data_type(), true))).collect())
}

#[derive(Default)]
struct Columns {
    kinds: Vec<(String, Kind)>,
    positions: HashMap<String, usize>,
}

impl Columns {
    fn see(&mut self, members: Members) {
        for (name, value) in members.0 {
            let kind = Kind::of(value);
            let at = *self.positions.entry(name.clone().into_owned()).or_insert_with(|| {
                self.kinds.push((name.into_owned(), Kind::Null));
                self.kinds.len() - 1
            });
            if let Some((_, known)) = self.kinds.get_mut(at) {
                *known = std::mem::replace(known, Kind::Null).and(kind);
            }
        }
    }
}

/// What the values seen so far have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    /// Integers that a 64-bit float holds exactly.
    ShortInteger,
    Integer,
    Float,
    List(Box<Kind>),
    Text,
}

impl Kind {
    /// The largest integer below which a 64-bit float holds each.
    const EXACT_IN_FLOAT: u64 = 1 << f64::MANTISSA_DIGITS;

    fn of(value: &RawValue) -> Self {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'-' | b'0'..=b'9') => Self::of_number(text),
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
                Self::of_list(elements.into_iter().map(Self::of).fold(Self::Null, Self::and))
            }
            _ => Self::Text,
        }
    }

    fn of_number(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(value) if value.unsigned_abs() <= Self::EXACT_IN_FLOAT => Self::ShortInteger,
            Ok(_) => Self::Integer,
            Err(_) if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => Self::Float,
            Err(_) => Self::Text,
        }
    }

    fn of_list(element: Self) -> Self {
        match element {
            Self::List(_) => Self::Text,
            element => Self::List(Box::new(element)),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (Self::ShortInteger, Self::Integer) | (Self::Integer, Self::ShortInteger) => Self::Integer,
            (Self::ShortInteger, Self::Float) | (Self::Float, Self::ShortInteger) => Self::Float,
            (Self::List(a), Self::List(b)) => Self::of_list(a.and(*b)),
            _ => Self::Text,
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::ShortInteger | Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::List(element) => list_of(element.data_type()),
            Self::Null | Self::Text => DataType::Utf8,
        }
    }
}

/// The members of an object in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Members)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
