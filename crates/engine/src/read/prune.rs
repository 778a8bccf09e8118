//! Leaves out files whose bounds and partition values say that no row can match a query's filters.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::conjunction;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use waterline_core::format::{Bounds, FilePruner, FileSummary, KeepAll};
use waterline_core::value::Value;

use crate::parquet_io::{constants, scalar};

/// A pruner for rows that match all filters. Filters that say nothing about files are passed over.
pub(crate) fn pruner(session: &dyn Session, schema: &SchemaRef, filters: &[Expr]) -> Box<dyn FilePruner> {
    let Ok(df_schema) = DFSchema::try_from(schema.as_ref().clone()) else { return Box::new(KeepAll) };
    let physical = filters.iter().filter_map(|filter| session.create_physical_expr(filter.clone(), &df_schema).ok());
    match PruningPredicateBuilder::new().with_file_schema(schema.clone()).try_build(conjunction(physical)) {
        Ok(predicate) if !predicate.always_true() => Box::new(FilterPruner { predicate, schema: schema.clone() }),
        _ => Box::new(KeepAll),
    }
}

struct FilterPruner {
    predicate: PruningPredicate,
    schema: SchemaRef,
}

impl FilePruner for FilterPruner {
    fn keep(&self, file: &FileSummary) -> bool {
        let summary = Summary { file, schema: &self.schema, constants: constants(&self.schema, file).into_iter().collect() };
        self.predicate.prune(&summary).map_or(true, |kept| kept.first().copied().unwrap_or(true))
    }
}

/// One file as DataFusion's statistics.
struct Summary<'a> {
    file: &'a FileSummary,
    schema: &'a SchemaRef,
    constants: BTreeMap<String, ScalarValue>,
}

impl Summary<'_> {
    fn bound(&self, column: &Column, pick: impl Fn(&Bounds) -> Option<&Value>) -> Option<ArrayRef> {
        let data_type = self.schema.field_with_name(&column.name).ok()?.data_type();
        let value = match self.constants.get(&column.name) {
            Some(value) if !value.is_null() => value.clone(),
            // NaN lies outside of the bounds of a file, and above all numbers in SQL.
            _ if matches!(data_type, DataType::Float32 | DataType::Float64) => return None,
            _ => scalar(pick(self.file.bounds.get(&column.name)?)?, data_type)?,
        };
        value.to_array().ok()
    }
}

impl PruningStatistics for Summary<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, |bounds| bounds.lower.as_ref())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, |bounds| bounds.upper.as_ref())
    }

    fn num_containers(&self) -> usize {
        1
    }

    /// Known for constants: all rows are null, or none; against a row count of one.
    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let value = self.constants.get(&column.name)?;
        Some(Arc::new(UInt64Array::from(vec![u64::from(value.is_null())])))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from(vec![1])))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
