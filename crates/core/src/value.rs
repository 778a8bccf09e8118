//! One cell outside of an array: bounds of files and partition values.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// A non-null value. Dates are days, times and timestamps microseconds since midnight or the epoch, decimals unscaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(i128),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// [`PartialOrd`] made total: NaN has a place of its own, and values of different variants go by variant.
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            _ => self.partial_cmp(other).unwrap_or_else(|| self.variant().cmp(&other.variant())),
        }
    }

    fn variant(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) => 1,
            Self::Float(_) => 2,
            Self::Decimal(_) => 3,
            Self::Text(_) => 4,
            Self::Bytes(_) => 5,
        }
    }
}

impl PartialOrd for Value {
    /// `None` between values of different variants, and for NaN.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Int(b)) => a.partial_cmp(b),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().partial_cmp(b.as_bytes()),
            (Self::Bytes(a), Self::Bytes(b)) => a.partial_cmp(b),
            _ => None,
        }
    }
}
