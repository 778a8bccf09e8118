//! Values, keys and rows as plain Rust data, so that an oracle needs no Arrow and a failed test prints what differs.

use std::collections::BTreeMap;
use std::fmt;

/// A non-null value. Dates are days, times and timestamps microseconds, decimals unscaled; what type it has is the schema's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    Bool(bool),
    Int(i64),
    Float(Float),
    Decimal(i128),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Option<Cell>>),
    Struct(Row),
}

/// Key columns in key order. A key column is never null.
pub type Key = Vec<Cell>;

/// Columns by name; an absent one is null.
pub type Row = BTreeMap<String, Cell>;

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Float(Float::new(value))
    }
}

/// A row from its columns that are not null.
pub fn row<const N: usize>(columns: [(&str, Cell); N]) -> Row {
    columns.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect()
}

/// A float that equals itself: all NaN are one value, and the two zeros are two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Float(u64);

impl Float {
    pub fn new(value: f64) -> Self {
        Self(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }

    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get())
    }
}
