//! Rules out files by bounds and partition values.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use arrow::array::ArrayRef;
use arrow::datatypes::Fields;

use crate::error::Result;
use crate::format::{Bounds, FilePruner, FileSummary};
use crate::partition::{PartitionField, value_at};
use crate::value::Value;

/// Keeps the files that may hold one of a set of keys, and parts of files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyPruner {
    /// In key order.
    pub(super) names: Arc<Vec<String>>,
    columns: Arc<HashMap<String, Column>>,
    /// Partition values of the keys, computed when a partition field is first met; `None` when it cannot rule out anything.
    partitions: Arc<Mutex<HashMap<PartitionField, Option<HashSet<String>>>>>,
}

#[derive(Debug)]
struct Column {
    array: ArrayRef,
    /// Distinct values in order; `None` when a key is null or the values have no order.
    sorted: Option<Vec<Value>>,
}

impl KeyPruner {
    pub(super) fn new(fields: &Fields, columns: &[ArrayRef]) -> Result<Self> {
        let names = Arc::new(fields.iter().map(|field| field.name().clone()).collect());
        let columns: HashMap<String, Column> = fields
            .iter()
            .zip(columns)
            .map(|(field, array)| Ok((field.name().clone(), Column { array: array.clone(), sorted: sorted(array)? })))
            .collect::<Result<_>>()?;
        Ok(Self { names, columns: Arc::new(columns), partitions: Arc::default() })
    }

    /// Whether a key may lie within bounds of a key column.
    pub fn may_hold(&self, column: &str, bounds: &Bounds) -> bool {
        let Some(sorted) = self.sorted(column) else { return true };
        let first = bounds.lower.as_ref().map_or(0, |lower| sorted.partition_point(|v| v.partial_cmp(lower) == Some(Ordering::Less)));
        match (sorted.get(first), &bounds.upper) {
            (None, _) => false,
            (Some(value), Some(upper)) => value.partial_cmp(upper) != Some(Ordering::Greater),
            (Some(_), None) => true,
        }
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.arrays().next().map_or(0, |array| array.len())
    }

    /// The columns of the keys, in key order.
    pub(super) fn arrays(&self) -> impl Iterator<Item = &ArrayRef> {
        self.names.iter().filter_map(|name| self.columns.get(name)).map(|column| &column.array)
    }

    /// Distinct values of a key column in order; `None` when one is null or they have no order.
    pub(super) fn sorted(&self, column: &str) -> Option<&[Value]> {
        self.columns.get(column)?.sorted.as_deref()
    }

    fn in_partition(&self, field: &PartitionField, value: Option<&Value>) -> bool {
        let Some(column) = self.columns.get(&field.column) else { return true };
        let mut partitions = self.partitions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let values = partitions.entry(field.clone()).or_insert_with(|| {
            let values = field.transform.apply(&column.array).ok()?;
            Some(values.iter().map(|v| format!("{v:?}")).collect())
        });
        values.as_ref().is_none_or(|values| values.contains(&format!("{:?}", value.cloned())))
    }
}

impl FilePruner for KeyPruner {
    fn keep(&self, file: &FileSummary) -> bool {
        file.partition.iter().all(|(field, value)| self.in_partition(field, value.as_ref()))
            && file.bounds.iter().all(|(column, bounds)| self.may_hold(column, bounds))
    }
}

fn sorted(array: &ArrayRef) -> Result<Option<Vec<Value>>> {
    // Arrow sorts its own values much faster; the order of `Value` decides.
    let array = arrow::compute::sort(array, None).unwrap_or_else(|_| array.clone());
    let mut values = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        match value_at(&array, row)? {
            Some(Value::Float(f)) if f.is_nan() => return Ok(None),
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    values.dedup();
    Ok(Some(values))
}
