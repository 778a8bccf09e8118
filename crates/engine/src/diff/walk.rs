//! Two sorted streams, walked in step.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::take;
use arrow::datatypes::{Field, Fields, SchemaRef};
use datafusion::physical_plan::SendableRecordBatchStream;
use waterline_core::error::{Error, Result};
use waterline_core::key::KeyEncoder;

use super::examples::row_of;
use super::side::Side;
use super::{DiffReport, Example};

/// Compares two streams of the same columns, each sorted by `keys` ascending with nulls first. Floats are equal where their bits
/// are. Fails when a stream fails, is not sorted, or lacks a key; the columns of the report are those outside of `keys`.
pub async fn compare(
    left: SendableRecordBatchStream,
    right: SendableRecordBatchStream,
    keys: &[String],
    example_limit: usize,
) -> Result<DiffReport> {
    let (left_schema, right_schema) = (left.schema(), right.schema());
    let (left_keys, right_keys) = (indices(&left_schema, keys)?, indices(&right_schema, keys)?);
    let key_fields: Fields = left_keys.iter().map(|&at| left_schema.field(at).clone()).collect::<Vec<Field>>().into();
    let encoder = KeyEncoder::new(&key_fields)?;
    let columns = ValueColumns::of(&left_schema, &right_schema, &left_keys)?;
    let mut walk = Walk {
        report: DiffReport {
            keys: keys.to_vec(),
            columns: columns.names.iter().map(|name| (name.clone(), 0)).collect(),
            ..DiffReport::default()
        },
        left: Side::start(left, left_keys, &encoder).await?,
        right: Side::start(right, right_keys, &encoder).await?,
        encoder,
        columns,
        met: Vec::new(),
        example_limit,
    };
    walk.run().await?;
    Ok(DiffReport { left: walk.left.report, right: walk.right.report, ..walk.report })
}

fn indices(schema: &SchemaRef, names: &[String]) -> Result<Vec<usize>> {
    let index = |name: &String| schema.index_of(name).map_err(|_| Error::usage("a side lacks a column of the key").with("column", name));
    names.iter().map(index).collect()
}

/// Columns outside of the key, in the order of the left side.
struct ValueColumns {
    names: Vec<String>,
    left: Vec<usize>,
    right: Vec<usize>,
}

impl ValueColumns {
    fn of(left: &SchemaRef, right: &SchemaRef, left_keys: &[usize]) -> Result<Self> {
        let values: Vec<usize> = (0..left.fields().len()).filter(|at| !left_keys.contains(at)).collect();
        let names: Vec<String> = values.iter().map(|&at| left.field(at).name().clone()).collect();
        let right = names.iter().map(|name| right.index_of(name)).collect::<Result<_, _>>();
        Ok(Self { right: right.map_err(|_| Error::internal("the sides to compare have other columns"))?, left: values, names })
    }
}

/// Rows that the walk came to, of the batches at hand: one, or two with the same key.
#[derive(Clone, Copy)]
enum Met {
    Left(usize),
    Right(usize),
    Both(usize, usize),
}

struct Walk {
    report: DiffReport,
    left: Side,
    right: Side,
    encoder: KeyEncoder,
    columns: ValueColumns,
    met: Vec<Met>,
    example_limit: usize,
}

impl Walk {
    async fn run(&mut self) -> Result<()> {
        while self.left.has_batch() || self.right.has_batch() {
            self.meet()?;
            self.settle()?;
            // Whatever ended is followed by its next batch; rows of the other batch wait.
            if self.left.row().is_none() && self.left.has_batch() {
                self.left.next_batch(&self.encoder).await?;
            }
            if self.right.row().is_none() && self.right.has_batch() {
                self.right.next_batch(&self.encoder).await?;
            }
        }
        Ok(())
    }

    /// Goes on until one of the batches ends.
    fn meet(&mut self) -> Result<()> {
        loop {
            let order = match (self.left.key(), self.right.key()) {
                (Some(left), Some(right)) => left.cmp(&right),
                (Some(_), None) if !self.right.has_batch() => Ordering::Less,
                (None, Some(_)) if !self.left.has_batch() => Ordering::Greater,
                _ => return Ok(()),
            };
            match (order, self.left.row(), self.right.row()) {
                (Ordering::Less, Some(left), _) => self.met.push(Met::Left(left)),
                (Ordering::Greater, _, Some(right)) => self.met.push(Met::Right(right)),
                (_, Some(left), Some(right)) => self.met.push(Met::Both(left, right)),
                _ => return Ok(()),
            }
            if order != Ordering::Greater {
                self.left.step()?;
            }
            if order != Ordering::Less {
                self.right.step()?;
            }
        }
    }

    /// Compares the rows that were met, and counts them.
    fn settle(&mut self) -> Result<()> {
        let met = std::mem::take(&mut self.met);
        let pairs: Vec<(usize, usize)> = met.iter().filter_map(Met::pair).collect();
        let differing = match (self.left.batch(), self.right.batch()) {
            (Some(left), Some(right)) if !pairs.is_empty() => self.columns.differing(left, right, &pairs)?,
            _ => Vec::new(),
        };
        for ((_, count), column) in self.report.columns.iter_mut().zip(&differing) {
            *count += column.true_count() as u64;
        }
        let mut pair = 0;
        for met in met {
            match met {
                Met::Left(_) => self.left.report.only_rows += 1,
                Met::Right(_) => self.right.report.only_rows += 1,
                Met::Both(..) => {
                    pair += 1;
                    if !differing.iter().any(|column| column.value(pair - 1)) {
                        continue;
                    }
                    self.report.changed_rows += 1;
                }
            }
            if self.report.examples.len() < self.example_limit {
                let columns = differing.iter().zip(&self.columns.names).filter(|(column, _)| pair > 0 && column.value(pair - 1));
                let columns = columns.map(|(_, name)| name.clone()).collect();
                self.report.examples.extend(self.example(met, columns)?);
            }
        }
        Ok(())
    }

    fn example(&self, met: Met, columns: Vec<String>) -> Result<Option<Example>> {
        Ok(match (met, self.left.batch(), self.right.batch()) {
            (Met::Left(row), Some(left), _) => Some(Example::OnlyLeft(row_of(left, row)?)),
            (Met::Right(row), _, Some(right)) => Some(Example::OnlyRight(row_of(right, row)?)),
            (Met::Both(left_row, right_row), Some(left), Some(right)) => {
                Some(Example::Changed { left: row_of(left, left_row)?, right: row_of(right, right_row)?, columns })
            }
            _ => None,
        })
    }
}

impl Met {
    fn pair(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Both(left, right) => Some((left, right)),
            Self::Left(_) | Self::Right(_) => None,
        }
    }
}

impl ValueColumns {
    /// For each column, in which of the pairs it differs.
    fn differing(&self, left: &RecordBatch, right: &RecordBatch, pairs: &[(usize, usize)]) -> Result<Vec<BooleanArray>> {
        let left_rows: UInt32Array = pairs.iter().map(|(row, _)| *row as u32).collect::<Vec<_>>().into();
        let right_rows: UInt32Array = pairs.iter().map(|(_, row)| *row as u32).collect::<Vec<_>>().into();
        let column = |(&left_at, &right_at): (&usize, &usize)| {
            differing(&take(left.column(left_at), &left_rows, None)?, &take(right.column(right_at), &right_rows, None)?)
        };
        self.left.iter().zip(&self.right).map(column).collect()
    }
}

fn differing(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    if !left.data_type().is_nested() {
        return Ok(distinct(left, right)?);
    }
    let encoder = KeyEncoder::new(&vec![Field::new("value", left.data_type().clone(), true)].into())?;
    let (left, right) = (encoder.encode(std::slice::from_ref(left))?, encoder.encode(std::slice::from_ref(right))?);
    Ok(left.iter().zip(&right).map(|(left, right)| Some(left != right)).collect())
}
