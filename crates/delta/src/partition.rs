//! Partition columns and their values (Delta protocol, "Partition Value Serialization").
//!
//! Delta partitions by columns. A partition field with a transform is a column of its own, generated from the other where
//! Spark has an expression for it. The seam does not show it. What another writer put into it is not relied upon, since the expressions
//! depend on a session's time zone.

use arrow::datatypes::DataType;
use waterline_core::error::{Error, Result};
use waterline_core::partition::{PartitionField, Transform};
use waterline_core::text::{Zone, format_date, format_decimal, format_timestamp, parse_date_days, parse_decimal, parse_timestamp_us};
use waterline_core::value::Value;

use crate::schema::{self, DeltaField, DeltaType};

/// Tag of a file whose partition values are ours.
pub(crate) const OURS: &str = "waterline.partition";
const FIRST_YEAR: i64 = 1970;
const HOURS_OF_DAY: i64 = 24;

/// The column of a partition field with a transform.
pub(crate) fn column(field: &PartitionField, source: &DataType) -> Result<DeltaField> {
    let text = || DeltaType::Primitive("string".into());
    let integer = || DeltaType::Primitive("integer".into());
    let quoted = quoted(&field.column);
    let (suffix, data_type, expression) = match field.transform {
        Transform::Identity | Transform::Void => return Err(Error::internal("no transform").with("partition field", field)),
        Transform::Year => ("year", integer(), Some(format!("YEAR({quoted})"))),
        Transform::Month => ("month", text(), Some(format!("DATE_FORMAT({quoted}, 'yyyy-MM')"))),
        Transform::Day => ("day", DeltaType::Primitive("date".into()), Some(format!("CAST({quoted} AS DATE)"))),
        Transform::Hour => ("hour", text(), Some(format!("DATE_FORMAT({quoted}, 'yyyy-MM-dd-HH')"))),
        Transform::Bucket(_) => ("bucket", integer(), None),
        Transform::Truncate(_) => ("truncate", schema::to_primitive(source)?, None),
    };
    Ok(DeltaField::of_partition(format!("{}__{suffix}", field.column), data_type, field, expression))
}

fn quoted(name: &str) -> String {
    let is_plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// Fails for columns whose values would not come back from the log.
pub(crate) fn ensure_identity(field: &PartitionField, source: &DataType) -> Result<()> {
    match source {
        DataType::Binary | DataType::List(_) | DataType::Struct(_) | DataType::Map(..) => {
            Err(Error::unsupported("a Delta table cannot be partitioned by a column of this type")
                .with("column", &field.column)
                .with("type", source))
        }
        _ => Ok(()),
    }
}

/// The value of a partition field as the log has it. `source` is the type of the column that the field is of.
pub(crate) fn to_text(value: &Value, field: &PartitionField, source: &DataType) -> Result<String> {
    let text = match (field.transform, value) {
        (Transform::Year, Value::Int(years)) => Some((FIRST_YEAR + years).to_string()),
        (Transform::Month, Value::Int(months)) => Some(month(*months)),
        (Transform::Day, Value::Int(days)) => date(*days),
        (Transform::Hour, Value::Int(hours)) => {
            date(hours.div_euclid(HOURS_OF_DAY)).map(|day| format!("{day}-{:02}", hours.rem_euclid(HOURS_OF_DAY)))
        }
        (Transform::Bucket(_), Value::Int(bucket)) => Some(bucket.to_string()),
        (_, value) => print(value, source),
    };
    // An empty text is read as null.
    let text = text.filter(|text| !text.is_empty());
    text.ok_or_else(|| Error::unsupported("a partition column of a Delta table cannot hold this value").with("partition field", field))
}

fn month(months: i64) -> String {
    format!("{:04}-{:02}", FIRST_YEAR + months.div_euclid(12), months.rem_euclid(12) + 1)
}

/// Of the years that four digits can name.
fn date(days: i64) -> Option<String> {
    let text = format_date(i32::try_from(days).ok()?).to_string();
    (text.len() == "0000-00-00".len()).then_some(text)
}

/// A value of a column as text; `None` where Delta has none for it.
pub(crate) fn print(value: &Value, data_type: &DataType) -> Option<String> {
    Some(match (value, data_type) {
        (Value::Bool(value), _) => value.to_string(),
        (Value::Int(days), DataType::Date32) => return date(*days),
        (Value::Int(time_us), DataType::Timestamp(_, zone)) => {
            let zone = if zone.is_some() { Zone::Utc } else { Zone::Local };
            return Some(format_timestamp(*time_us, zone).to_string())
                .filter(|text| text.find('T') == Some("0000-00-00".len()) && !text.contains("BC"));
        }
        (Value::Int(number), _) => number.to_string(),
        (Value::Float(number), _) if number.is_finite() => format!("{number:?}"),
        (Value::Float(number), _) if number.is_nan() => "NaN".to_owned(),
        (Value::Float(number), _) => if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        (Value::Decimal(unscaled), DataType::Decimal128(_, scale)) => format_decimal(*unscaled, *scale).to_string(),
        (Value::Text(text), _) => text.clone(),
        (Value::Decimal(_) | Value::Bytes(_), _) => return None,
    })
}

/// The value that [`to_text`] printed, or another writer.
pub(crate) fn from_text(text: &str, field: &PartitionField, source: &DataType) -> Result<Value> {
    let value = match field.transform {
        Transform::Year => text.parse::<i64>().ok().map(|year| Value::Int(year - FIRST_YEAR)),
        Transform::Month => months(text).map(Value::Int),
        Transform::Day => parse_date_days(text).map(|days| Value::Int(days.into())),
        Transform::Hour => hours(text).map(Value::Int),
        Transform::Bucket(_) => text.parse().ok().map(Value::Int),
        Transform::Identity | Transform::Truncate(_) | Transform::Void => parse(text, source),
    };
    value.ok_or_else(|| Error::corrupt("a partition value in the log is not of the column's type").with("partition field", field))
}

fn months(text: &str) -> Option<i64> {
    let (year, month) = text.split_once('-')?;
    Some((year.parse::<i64>().ok()? - FIRST_YEAR) * 12 + month.parse::<i64>().ok()? - 1)
}

fn hours(text: &str) -> Option<i64> {
    let (day, hour) = text.rsplit_once('-')?;
    Some(i64::from(parse_date_days(day)?) * HOURS_OF_DAY + hour.parse::<i64>().ok()?)
}

/// A value of a column from text.
pub(crate) fn parse(text: &str, data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        DataType::Boolean => Value::Bool(text.parse().ok()?),
        DataType::Int32 | DataType::Int64 | DataType::Time64(_) => Value::Int(text.parse().ok()?),
        DataType::Float32 => Value::Float(f64::from(float(text)? as f32)),
        DataType::Float64 => Value::Float(float(text)?),
        DataType::Decimal128(precision, scale) => Value::Decimal(parse_decimal(text, *precision, *scale)?),
        DataType::Date32 => Value::Int(parse_date_days(text)?.into()),
        DataType::Timestamp(..) => Value::Int(parse_timestamp_us(text)?.0),
        DataType::Utf8 => Value::Text(text.to_owned()),
        _ => return None,
    })
}

fn float(text: &str) -> Option<f64> {
    match text {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        other => other.parse().ok(),
    }
}
