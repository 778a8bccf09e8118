//! Statistics of data files (Delta protocol, "Per-file Statistics"): JSON with values by column, which every writer fills
//! in its own way. What cannot be relied upon is unknown.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use serde::Deserialize;
use serde_json::value::RawValue;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, ColumnStatistics, FIELD_ID, NewDataFile};
use waterline_core::text::cut_upwards;
use waterline_core::value::Value;

use crate::partition::{parse, print};
use crate::table_metadata::{Column, TableMetadata};

/// Characters of text that are kept; Spark's default.
const KEPT: usize = 32;
/// Spark cuts timestamps to milliseconds.
const LOST_US: i64 = 999;
/// Digits that survive in a number that some writer had as a double.
const SAFE_DIGITS: usize = 15;

/// What is known of a file from its statistics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) record_count: Option<u64>,
    pub(crate) bounds: BTreeMap<String, Bounds>,
    /// Columns without any value.
    pub(crate) all_null: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    num_records: Option<u64>,
    #[serde(default)]
    min_values: Option<BTreeMap<String, Box<RawValue>>>,
    #[serde(default)]
    max_values: Option<BTreeMap<String, Box<RawValue>>>,
    #[serde(default)]
    null_count: Option<BTreeMap<String, Box<RawValue>>>,
}

/// What cannot be parsed is as if it were not there: statistics are optional.
pub(crate) fn read(json: &str, table: &TableMetadata) -> Statistics {
    let Ok(stored) = serde_json::from_str::<Stored>(json) else { return Statistics::default() };
    let value_of = |values: &Option<BTreeMap<String, Box<RawValue>>>, column: &Column| {
        let value = values.as_ref()?.get(&column.physical)?;
        bound(value, &column.data_type)
    };
    let mut statistics = Statistics { record_count: stored.num_records, ..Statistics::default() };
    for column in &table.columns {
        let lower = value_of(&stored.min_values, column).map(|value| below(value, &column.data_type));
        let upper = value_of(&stored.max_values, column).map(|value| above(value, &column.data_type));
        if lower.is_some() || upper.is_some() {
            statistics.bounds.insert(column.name.clone(), Bounds { lower, upper });
        }
        let nulls = stored.null_count.as_ref().and_then(|counts| counts.get(&column.physical)?.get().parse::<u64>().ok());
        if nulls.is_some() && nulls == stored.num_records {
            statistics.all_null.push(column.name.clone());
        }
    }
    statistics
}

fn bound(json: &RawValue, data_type: &DataType) -> Option<Value> {
    let text = json.get();
    let unquoted: String;
    let text = match text.strip_prefix('"') {
        Some(_) => {
            unquoted = serde_json::from_str(text).ok()?;
            &unquoted
        }
        None => text,
    };
    let value = parse(text, data_type)?;
    let is_exact = text.bytes().filter(u8::is_ascii_digit).count() <= SAFE_DIGITS;
    // A decimal that went through a double is near its value only.
    Some(match value {
        Value::Float(number) if number.is_nan() => return None,
        Value::Bool(_) => return None,
        Value::Decimal(_) if !is_exact && text.contains(['e', 'E']) => return None,
        value => value,
    })
}

fn below(value: Value, data_type: &DataType) -> Value {
    match (value, data_type) {
        (Value::Decimal(number), _) => Value::Decimal(number.saturating_sub(slack(number))),
        // It may have been written when the column held single precision.
        (Value::Float(number), DataType::Float64) => Value::Float(number - number.abs() * f64::from(f32::EPSILON)),
        (value, _) => value,
    }
}

fn above(value: Value, data_type: &DataType) -> Value {
    match (value, data_type) {
        (Value::Decimal(number), _) => Value::Decimal(number.saturating_add(slack(number))),
        (Value::Float(number), DataType::Float64) => Value::Float(number + number.abs() * f64::from(f32::EPSILON)),
        (Value::Int(time_us), DataType::Timestamp(..)) if time_us % (LOST_US + 1) == 0 => Value::Int(time_us.saturating_add(LOST_US)),
        // Possibly a prefix of the greatest value.
        (Value::Text(text), _) if text.chars().count() >= KEPT => Value::Text(format!("{text}{}", char::MAX)),
        (value, _) => value,
    }
}

/// How far a decimal may be off that a writer had as a double.
fn slack(number: i128) -> i128 {
    let is_exact = number.unsigned_abs() < 10_u128.pow(SAFE_DIGITS as u32);
    if is_exact { 0 } else { (number.abs() >> 50) + 1 }
}

/// The statistics of a new file.
pub(crate) fn write(file: &NewDataFile, table: &TableMetadata) -> Result<String> {
    let (mut lower, mut upper, mut nulls) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for column in table.columns.iter().filter(|column| table.has_statistics(column)) {
        let Some(statistics) = file.statistics.get(&column.id) else { continue };
        if let Some(count) = statistics.null_count {
            nulls.insert(column.physical.clone(), raw(count.to_string())?);
        }
        let (from, to) = bounds(statistics, &column.data_type);
        for (bound, bounds) in [(from, &mut lower), (to, &mut upper)] {
            if let Some(text) = bound {
                bounds.insert(column.physical.clone(), literal(&text, &column.data_type)?);
            }
        }
    }
    let all = BTreeMap::from([("minValues", lower), ("maxValues", upper), ("nullCount", nulls)]);
    let mut json: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
    for (name, values) in all.into_iter().filter(|(_, values)| !values.is_empty()) {
        json.insert(name, raw(text_of(&values)?)?);
    }
    json.insert("numRecords", raw(file.record_count.to_string())?);
    text_of(&json)
}

/// Bounds that hold for every reader: NaN is above all numbers for Spark, so a float has no upper one.
fn bounds(statistics: &ColumnStatistics, data_type: &DataType) -> (Option<String>, Option<String>) {
    let (lower, upper) = (statistics.bounds.lower.as_ref(), statistics.bounds.upper.as_ref());
    let finite = |value: &&Value| !matches!(value, Value::Float(number) if !number.is_finite());
    match data_type {
        DataType::Boolean | DataType::Binary => (None, None),
        DataType::Utf8 => {
            let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
            let cut = lower.and_then(text).map(|text| text.chars().take(KEPT).collect());
            (cut, upper.and_then(text).and_then(|text| cut_upwards(&text, KEPT)))
        }
        DataType::Float32 | DataType::Float64 => (lower.filter(finite).and_then(|value| print(value, data_type)), None),
        _ => (lower.and_then(|value| print(value, data_type)), upper.and_then(|value| print(value, data_type))),
    }
}

/// Numbers are bare, anything else is a string.
fn literal(text: &str, data_type: &DataType) -> Result<Box<RawValue>> {
    if data_type.is_numeric() || matches!(data_type, DataType::Time64(_)) { raw(text.to_owned()) } else { raw(text_of(&text)?) }
}

/// The statistics of a file that gets a deletion vector: its rows stay, and its bounds may be wider than what is left.
pub(crate) fn loosened(json: &str) -> Result<String> {
    let corrupt = |e| Error::corrupt("the statistics of a data file cannot be read").caused_by(e);
    let mut all: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).map_err(corrupt)?;
    all.insert("tightBounds".to_owned(), raw("false".to_owned())?);
    text_of(&all)
}

fn raw(json: String) -> Result<Box<RawValue>> {
    RawValue::from_string(json).map_err(unwritten)
}

fn text_of(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::internal("statistics cannot be written").caused_by(error)
}

/// The id of a field as the engine knows it.
pub(crate) fn field_id(field: &arrow::datatypes::Field) -> i32 {
    field.metadata().get(FIELD_ID).and_then(|id| id.parse().ok()).unwrap_or_default()
}
