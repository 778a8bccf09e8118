//! Bounds of new files (Iceberg spec, "Metrics"): long text and binaries are cut, the upper bound upwards; NaN bounds
//! nothing; both zeros are inside of bounds that touch zero.

use iceberg::spec::{Datum, PrimitiveType};
use waterline_core::text::cut_upwards;
use waterline_core::value::Value;

use crate::value::to_datum;

/// Code points of text and bytes of binaries that are kept, the default of Iceberg's writers.
const KEPT: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    Full,
    Truncated,
}

/// A bound that no value is below. `None` when there is none, or the value is not of the type.
pub(crate) fn lower(value: &Value, kind: &PrimitiveType, precision: Precision) -> Option<Datum> {
    let bound = match (value, kind) {
        (Value::Float(value), _) => Value::Float(outward(*value, -0.0)?),
        (Value::Text(text), _) if precision == Precision::Truncated => Value::Text(text.chars().take(KEPT).collect()),
        (Value::Bytes(bytes), PrimitiveType::Binary) if precision == Precision::Truncated => {
            Value::Bytes(bytes.iter().take(KEPT).copied().collect())
        }
        (value, _) => value.clone(),
    };
    to_datum(&bound, kind)
}

/// A bound that no value is above. `None` also when all that is kept of it is the greatest there is.
pub(crate) fn upper(value: &Value, kind: &PrimitiveType, precision: Precision) -> Option<Datum> {
    let bound = match (value, kind) {
        (Value::Float(value), _) => Value::Float(outward(*value, 0.0)?),
        (Value::Text(text), _) if precision == Precision::Truncated => Value::Text(cut_upwards(text, KEPT)?),
        (Value::Bytes(bytes), PrimitiveType::Binary) if precision == Precision::Truncated => Value::Bytes(bytes_above(bytes)?),
        (value, _) => value.clone(),
    };
    to_datum(&bound, kind)
}

fn outward(value: f64, zero: f64) -> Option<f64> {
    if value == 0.0 { Some(zero) } else { (!value.is_nan()).then_some(value) }
}

fn bytes_above(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() <= KEPT {
        return Some(bytes.to_vec());
    }
    let end = bytes.iter().take(KEPT).rposition(|byte| *byte != u8::MAX)?;
    let mut kept: Vec<u8> = bytes.iter().take(end + 1).copied().collect();
    if let Some(last) = kept.last_mut() {
        *last += 1;
    }
    Some(kept)
}

#[cfg(test)]
mod tests;
