//! Partition transforms (Iceberg spec, "Partition Transforms"): how a column's values choose a partition.

mod apply;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::apply::value_at;
use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transform {
    Identity,
    Bucket(u32),
    Truncate(u32),
    Year,
    Month,
    Day,
    Hour,
    /// Always null; left by a dropped partition field.
    Void,
}

/// One partition field: a column under a transform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PartitionField {
    pub column: String,
    pub transform: Transform,
}

impl FromStr for PartitionField {
    type Err = Error;

    /// `column`, `identity(column)`, `bucket(4, column)`, `truncate(10, column)`, `year(column)` and so on.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            Error::usage("not a partition transform; write COLUMN, bucket(N, COLUMN), truncate(N, COLUMN), year(COLUMN), month(COLUMN), day(COLUMN) or hour(COLUMN)").with("transform", text)
        };
        let Some((name, arguments)) = text.trim().split_once('(') else {
            return Ok(Self { column: text.trim().into(), transform: Transform::Identity });
        };
        let arguments = arguments.strip_suffix(')').ok_or_else(invalid)?;
        let (width, column) = match arguments.split_once(',') {
            Some((width, column)) => (Some(width.trim().parse::<u32>().ok().filter(|w| *w > 0).ok_or_else(invalid)?), column.trim()),
            None => (None, arguments.trim()),
        };
        let transform = match (name.trim().to_ascii_lowercase().as_str(), width) {
            ("identity", None) => Transform::Identity,
            ("bucket", Some(n)) => Transform::Bucket(n),
            ("truncate", Some(n)) => Transform::Truncate(n),
            ("year" | "years", None) => Transform::Year,
            ("month" | "months", None) => Transform::Month,
            ("day" | "days" | "date", None) => Transform::Day,
            ("hour" | "hours", None) => Transform::Hour,
            _ => return Err(invalid()),
        };
        if column.is_empty() {
            return Err(invalid());
        }
        Ok(Self { column: column.into(), transform })
    }
}

impl fmt::Display for PartitionField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transform {
            Transform::Identity => f.write_str(&self.column),
            Transform::Bucket(n) => write!(f, "bucket({n}, {})", self.column),
            Transform::Truncate(n) => write!(f, "truncate({n}, {})", self.column),
            Transform::Year => write!(f, "year({})", self.column),
            Transform::Month => write!(f, "month({})", self.column),
            Transform::Day => write!(f, "day({})", self.column),
            Transform::Hour => write!(f, "hour({})", self.column),
            Transform::Void => write!(f, "void({})", self.column),
        }
    }
}
