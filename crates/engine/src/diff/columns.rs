//! Which columns two sides share, and the type in which values of both can be compared.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Float32Type, Float64Type, Schema, TimeUnit,
};
use datafusion::common::exec_err;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{Expr, cast as cast_to, ident};
use waterline_core::error::{Error, ErrorKind, Result};

/// Columns of two sides, by name.
pub(super) struct SharedColumns {
    /// Name and common type, in the order of the left side.
    shared: Vec<(String, DataType)>,
    pub(super) only_left: Vec<String>,
    pub(super) only_right: Vec<String>,
}

impl SharedColumns {
    pub(super) fn of(left: &Schema, right: &Schema) -> Result<Self> {
        let mut shared = Vec::new();
        for field in left.fields() {
            let Ok(other) = right.field_with_name(field.name()) else { continue };
            let common = common_type(field.data_type(), other.data_type()).ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, "the types of a column cannot be compared")
                    .with("column", field.name())
                    .with("left type", field.data_type())
                    .with("right type", other.data_type())
            })?;
            shared.push((field.name().clone(), common));
        }
        if shared.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, "the sides have no column in common"));
        }
        let only = |of: &Schema, other: &Schema| {
            of.fields().iter().map(|field| field.name().clone()).filter(|name| other.field_with_name(name).is_err()).collect()
        };
        Ok(Self { shared, only_left: only(left, right), only_right: only(right, left) })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.shared.iter().any(|(shared, _)| shared == name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.shared.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The columns of either side in their common types.
    pub(super) fn expressions(&self) -> Vec<Expr> {
        let expression = |(name, common): &(String, DataType)| {
            let value = cast_to(ident(name), common.clone());
            let value = if common.is_floating() { one_float(common).call(vec![value]) } else { value };
            value.alias(name)
        };
        self.shared.iter().map(expression).collect()
    }
}

/// Gives each float one pattern of bits, so that all NaN are equal, and both zeros.
fn one_float(data_type: &DataType) -> ScalarUDF {
    let function = |values: &[ColumnarValue]| match ColumnarValue::values_to_arrays(values)?.as_slice() {
        [column] => Ok(ColumnarValue::Array(unified(column))),
        _ => exec_err!("one_float takes one column"),
    };
    create_udf("one_float", vec![data_type.clone()], data_type.clone(), Volatility::Immutable, Arc::new(function))
}

fn unified(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => {
            let one = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        DataType::Float64 => {
            let one = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        _ => column.clone(),
    }
}

/// Whether values of both types can be compared with each other.
pub(crate) fn comparable(left: &DataType, right: &DataType) -> bool {
    common_type(left, right).is_some()
}

/// A type that holds the values of both exactly; `None` for types that mean different things.
fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match (left, right) {
        (Float16 | Float32, Float16 | Float32) => Float32,
        (Float16 | Float32 | Float64, Float16 | Float32 | Float64) => Float64,
        (Dictionary(_, values), other) | (other, Dictionary(_, values)) => common_type(values, other)?,
        (RunEndEncoded(_, values), other) | (other, RunEndEncoded(_, values)) => common_type(values.data_type(), other)?,
        (Timestamp(a, Some(_)), Timestamp(b, Some(_))) => Timestamp(finer(*a, *b), Some("UTC".into())),
        (Timestamp(a, None), Timestamp(b, None)) => Timestamp(finer(*a, *b), None),
        (same, other) if same == other => same.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (a, b) if a.is_integer() && b.is_integer() && !matches!((a, b), (UInt64, _) | (_, UInt64)) => Int64,
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Utf8,
        (Binary | LargeBinary | BinaryView | FixedSizeBinary(_), Binary | LargeBinary | BinaryView | FixedSizeBinary(_)) => Binary,
        (Date32 | Date64, Date32 | Date64) => Date64,
        (Time32(a) | Time64(a), Time32(b) | Time64(b)) => Time64(finer(finer(*a, *b), TimeUnit::Microsecond)),
        (List(a) | LargeList(a) | FixedSizeList(a, _), List(b) | LargeList(b) | FixedSizeList(b, _)) => List(common_field(a, b)?),
        (Struct(a), Struct(b)) if a.len() == b.len() => Struct(a.iter().zip(b).map(|(a, b)| common_field(a, b)).collect::<Option<_>>()?),
        (a, b) => common_decimal(digits(a)?, digits(b)?)?,
    })
}

fn common_field(left: &FieldRef, right: &FieldRef) -> Option<FieldRef> {
    Some(Arc::new(Field::new(left.name(), common_type(left.data_type(), right.data_type())?, true)))
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    a.max(b)
}

/// Digits before and after the point.
fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    use DataType::*;
    Some(match data_type {
        Int8 | UInt8 => (3, 0),
        Int16 | UInt16 => (5, 0),
        Int32 | UInt32 => (10, 0),
        Int64 => (19, 0),
        UInt64 => (20, 0),
        Decimal32(precision, scale) | Decimal64(precision, scale) | Decimal128(precision, scale) | Decimal256(precision, scale) => {
            let scale = i16::from(*scale);
            (i16::from(*precision) - scale, scale)
        }
        _ => return None,
    })
}

fn common_decimal(left: (i16, i16), right: (i16, i16)) -> Option<DataType> {
    let (whole, scale) = (left.0.max(right.0), left.1.max(right.1));
    let (precision, scale) = (u8::try_from(whole + scale).ok()?, i8::try_from(scale).ok()?);
    match precision {
        0..=DECIMAL128_MAX_PRECISION => Some(DataType::Decimal128(precision.max(1), scale)),
        _ if precision <= DECIMAL256_MAX_PRECISION => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}
