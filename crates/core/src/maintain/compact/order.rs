//! The order that rows and files are put into.

use std::cmp::Ordering;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::format::{Bounds, DataFile};
use crate::value::Value;

/// Columns in the order of their weight. May be empty: then files keep their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortOrder(pub Vec<SortColumn>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortColumn {
    pub name: String,
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl SortOrder {
    pub fn ascending(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let column = |name: String| SortColumn { name, direction: Direction::Ascending };
        Self(columns.into_iter().map(|name| column(name.into())).collect())
    }

    /// Puts files into the order by where they begin; those that begin alike stay as they are.
    pub(super) fn arrange(&self, files: &mut [DataFile]) {
        files.sort_by(|a, b| {
            let by_column = |column: &SortColumn| compare(column.start(a), column.start(b), column.direction);
            self.0.iter().map(by_column).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
    }

    /// Whether two of the files, which are arranged, hold rows of the same range. Unknown bounds may hold any.
    pub(super) fn overlap(&self, files: &[DataFile]) -> bool {
        !self.0.is_empty() && files.windows(2).any(|pair| self.pair_overlaps(&pair[0], &pair[1]))
    }

    fn pair_overlaps(&self, earlier: &DataFile, later: &DataFile) -> bool {
        for column in &self.0 {
            let (Some(end), Some(start)) = (column.end(earlier), column.start(later)) else { return true };
            match compare(Some(end), Some(start), column.direction) {
                Ordering::Less => return false,
                Ordering::Greater => return true,
                // Further columns tell only where this one is the same in all rows of both.
                Ordering::Equal if column.start(earlier) == Some(end) && column.end(later) == Some(start) => {}
                Ordering::Equal => return false,
            }
        }
        false
    }
}

impl SortColumn {
    fn start<'a>(&self, file: &'a DataFile) -> Option<&'a Value> {
        let bounds = file.summary.bounds.get(&self.name)?;
        self.ends(bounds).0
    }

    fn end<'a>(&self, file: &'a DataFile) -> Option<&'a Value> {
        let bounds = file.summary.bounds.get(&self.name)?;
        self.ends(bounds).1
    }

    fn ends<'a>(&self, bounds: &'a Bounds) -> (Option<&'a Value>, Option<&'a Value>) {
        match self.direction {
            Direction::Ascending => (bounds.lower.as_ref(), bounds.upper.as_ref()),
            Direction::Descending => (bounds.upper.as_ref(), bounds.lower.as_ref()),
        }
    }
}

/// What is not known comes first.
fn compare(a: Option<&Value>, b: Option<&Value>, direction: Direction) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => {
            let order = a.total_cmp(b);
            if direction == Direction::Descending { order.reverse() } else { order }
        }
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

impl FromStr for SortOrder {
    type Err = Error;

    /// `a, b desc, c asc`.
    fn from_str(text: &str) -> Result<Self> {
        let invalid =
            || Error::usage("not a sort order; write columns with commas between, each with `desc` or `asc` if need be").with("text", text);
        let column = |part: &str| {
            let mut words = part.split_whitespace();
            let name = words.next().ok_or_else(invalid)?.to_owned();
            let direction = match (words.next().map(str::to_ascii_lowercase).as_deref(), words.next()) {
                (None | Some("asc"), None) => Direction::Ascending,
                (Some("desc"), None) => Direction::Descending,
                _ => return Err(invalid()),
            };
            Ok(SortColumn { name, direction })
        };
        text.split(',').map(column).collect::<Result<_>>().map(Self)
    }
}
