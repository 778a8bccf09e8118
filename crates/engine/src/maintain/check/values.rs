//! The values of a file against its bounds and partition.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, Scalar};
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, DataFile, TableState};
use waterline_core::maintain::check::Problem;
use waterline_core::partition::PartitionField;
use waterline_core::value::Value;

use crate::parquet_io::{ParquetFile, Rows, TableColumns, scalar};

const BATCH_ROWS: usize = 1 << 14;

pub(super) struct FileValues<'a> {
    bounds: &'a BTreeMap<String, Bounds>,
    partition: &'a [(PartitionField, Option<Value>)],
    rows: u64,
    expected_rows: u64,
    found: BTreeMap<(Problem, String), u64>,
}

impl<'a> FileValues<'a> {
    pub(super) fn new(file: &'a DataFile) -> Self {
        Self {
            bounds: &file.summary.bounds,
            partition: &file.summary.partition,
            rows: 0,
            expected_rows: file.record_count,
            found: BTreeMap::new(),
        }
    }

    /// Reads all rows, deleted ones too: bounds are of the file.
    pub(super) async fn read(&mut self, state: &TableState, file: &ParquetFile) -> Result<()> {
        let mut batches = file.read(&TableColumns::of(state)?, Rows::All, BATCH_ROWS).await?;
        while let Some(batch) = batches.try_next().await? {
            self.add(&batch)?;
        }
        Ok(())
    }

    /// A line for each problem, with how many rows it is of.
    pub(super) fn problems(self) -> impl Iterator<Item = (Problem, String)> {
        let miscounted = (self.rows != self.expected_rows)
            .then(|| (Problem::WrongRowCount, format!("{} rows can be read; the metadata says {}", self.rows, self.expected_rows)));
        let found = self.found.into_iter().map(|((problem, what), rows)| (problem, format!("{what}, in {rows} rows")));
        miscounted.into_iter().chain(found)
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        for (name, bounds) in self.bounds {
            let Some(column) = rows.column_by_name(name) else { continue };
            for (bound, side, what) in
                [(&bounds.lower, Ordering::Less, "below the lower bound"), (&bounds.upper, Ordering::Greater, "above the upper bound")]
            {
                let Some(bound) = bound.as_ref().and_then(|bound| scalar(bound, column.data_type())) else { continue };
                let count = beyond(column, &bound, side)?;
                self.count(Problem::WrongBounds, || format!("column {name} holds values {what}"), count);
            }
        }
        for (field, value) in self.partition {
            let Some(column) = rows.column_by_name(&field.column) else { continue };
            let values = field.transform.apply(column).map_err(|e| e.with("partition field", field))?;
            let count = values.iter().filter(|found| !is_same(found.as_ref(), value.as_ref())).count() as u64;
            self.count(Problem::WrongPartition, || format!("values of {field} are not those of its partition"), count);
        }
        Ok(())
    }

    fn count(&mut self, problem: Problem, what: impl Fn() -> String, rows: u64) {
        if rows > 0 {
            *self.found.entry((problem, what())).or_default() += rows;
        }
    }
}

fn is_same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(b).is_eq() || a.partial_cmp(b) == Some(Ordering::Equal),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// How many values lie on that side of a bound. NaN lies on neither, and zeros are alike.
fn beyond(column: &ArrayRef, bound: &ScalarValue, side: Ordering) -> Result<u64> {
    match (column.data_type(), bound) {
        (DataType::Float32, ScalarValue::Float32(Some(bound))) => {
            let values = column.as_primitive::<Float32Type>().iter().flatten();
            Ok(values.filter(|value| value.partial_cmp(bound) == Some(side)).count() as u64)
        }
        (DataType::Float64, ScalarValue::Float64(Some(bound))) => {
            let values = column.as_primitive::<Float64Type>().iter().flatten();
            Ok(values.filter(|value| value.partial_cmp(bound) == Some(side)).count() as u64)
        }
        _ => {
            let bound = Scalar::new(bound.to_array().map_err(|e| Error::internal("a bound is no value of its column").caused_by(e))?);
            let beyond = if side == Ordering::Less { lt(column, &bound)? } else { gt(column, &bound)? };
            Ok(beyond.true_count() as u64)
        }
    }
}
