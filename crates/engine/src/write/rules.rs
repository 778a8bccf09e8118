//! What a table asks of its rows: values that are made of others, and conditions that must be true. A table with an expression
//! that is not understood is not written to.

mod spark;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::context::SessionContext;
use datafusion::physical_expr::PhysicalExpr;
use waterline_core::conform::conform_batch;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{Constraint, GeneratedColumn, RowRules, TableState};

use self::spark::Kind;

/// The rules of one table, ready for its rows.
pub(super) struct Rules {
    /// The table's, and without what only values that are made yet will satisfy.
    schema: SchemaRef,
    unmade: SchemaRef,
    keys: Vec<String>,
    constraints: Vec<(Constraint, Arc<dyn PhysicalExpr>)>,
    generated: Vec<(usize, Arc<dyn PhysicalExpr>)>,
}

impl Rules {
    /// `None` for a table without any. Fails for one that cannot be followed.
    pub(super) fn of(state: &TableState) -> Result<Option<Self>> {
        let RowRules { constraints, generated } = state.rules.as_ref();
        if state.rules.is_empty() {
            return Ok(None);
        }
        let schema = &state.schema;
        let understand =
            Understanding { schema, columns: DFSchema::try_from(schema.clone()).map_err(planning)?, session: SessionContext::new() };
        Ok(Some(Self {
            schema: schema.clone(),
            unmade: nullable(schema, generated),
            keys: state.keys.clone(),
            constraints: constraints.iter().map(|rule| Ok((rule.clone(), understand.constraint(rule)?))).collect::<Result<_>>()?,
            generated: generated.iter().map(|rule| understand.generated(rule, generated)).collect::<Result<_>>()?,
        }))
    }

    /// The rows in the table's schema with the values that are made; what they had there before does not count.
    pub(super) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut rows = conform_batch(rows, &self.unmade)?;
        if !self.generated.is_empty() {
            let mut columns = rows.columns().to_vec();
            for (at, expression) in &self.generated {
                columns[*at] = self.made(expression.as_ref(), &rows, self.schema.field(*at).data_type())?;
            }
            rows = RecordBatch::try_new(self.unmade.clone(), columns)?;
        }
        let rows = conform_batch(&rows, &self.schema)?;
        self.constraints.iter().try_for_each(|(rule, condition)| self.check(rule, condition.as_ref(), &rows))?;
        Ok(rows)
    }

    fn made(&self, expression: &dyn PhysicalExpr, rows: &RecordBatch, data_type: &DataType) -> Result<ArrayRef> {
        let values = evaluate(expression, rows)?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&values, data_type, &options)
            .map_err(|_| Error::bad_input("a generated column cannot hold the value that its expression gives").with("type", data_type))
    }

    fn check(&self, rule: &Constraint, condition: &dyn PhysicalExpr, rows: &RecordBatch) -> Result<()> {
        let found = evaluate(condition, rows)?;
        let held = found.as_boolean().true_count();
        if held == rows.num_rows() {
            return Ok(());
        }
        let why =
            "rows of the source break a constraint of the table, which stays as it is; mend them in the source, or drop the constraint";
        Err(Error::new(ErrorKind::BadInput, why)
            .with("constraint", &rule.name)
            .with("condition", &rule.condition)
            .with("rows", rows.num_rows() - held)
            .with("key columns", self.keys.join(", ")))
    }
}

fn evaluate(expression: &dyn PhysicalExpr, rows: &RecordBatch) -> Result<ArrayRef> {
    let values = expression.evaluate(rows).and_then(|values| values.into_array(rows.num_rows()));
    values.map_err(|e| Error::bad_input("an expression of the table cannot be evaluated on its rows").caused_by(e))
}

/// The schema in which generated columns may lack their values.
fn nullable(schema: &SchemaRef, generated: &[GeneratedColumn]) -> SchemaRef {
    let is_made = |name: &str| generated.iter().any(|rule| rule.column == name);
    let fields = schema.fields().iter().map(|field| match is_made(field.name()) {
        true => Arc::new(field.as_ref().clone().with_nullable(true)),
        false => field.clone(),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

struct Understanding<'a> {
    schema: &'a SchemaRef,
    columns: DFSchema,
    session: SessionContext,
}

impl Understanding<'_> {
    fn constraint(&self, rule: &Constraint) -> Result<Arc<dyn PhysicalExpr>> {
        let refused = |e| refused(e, &rule.condition).with("constraint", &rule.name);
        let condition = spark::parse(&rule.condition, self.schema).map_err(refused)?;
        match condition.kind {
            Kind::Bool => self.physical(condition.expr),
            _ => Err(refused("it is no condition".into())),
        }
    }

    fn generated(&self, rule: &GeneratedColumn, all: &[GeneratedColumn]) -> Result<(usize, Arc<dyn PhysicalExpr>)> {
        let refused = |e| refused(e, &rule.expression).with("generated column", &rule.column);
        let made = spark::parse(&rule.expression, self.schema).map_err(refused)?;
        let (at, field) = self.schema.column_with_name(&rule.column).ok_or_else(|| refused("the table has no such column".into()))?;
        if !made.kind.fits(Kind::of(field.data_type())) {
            return Err(refused("its type is not the column's".into()));
        }
        if all.iter().any(|other| made.expr.column_refs().iter().any(|column| column.name == other.column)) {
            return Err(refused("it is made of another generated column".into()));
        }
        Ok((at, self.physical(made.expr)?))
    }

    fn physical(&self, expr: datafusion::logical_expr::Expr) -> Result<Arc<dyn PhysicalExpr>> {
        self.session.create_physical_expr(expr, &self.columns).map_err(planning)
    }
}

fn refused(why: String, expression: &str) -> Error {
    Error::unsupported("the table has an expression that is not understood as Spark means it; nothing was written")
        .with("expression", expression)
        .with("reason", why)
}

fn planning(error: datafusion::error::DataFusionError) -> Error {
    Error::unsupported("an expression of the table cannot be planned; nothing was written").caused_by(error)
}

#[cfg(test)]
mod tests;
