//! What a table asks of its rows (Delta protocol, "CHECK Constraints", "Column Invariants" and "Generated Columns"). The expressions
//! are the engine's to evaluate.

use serde::Deserialize;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Constraint, GeneratedColumn, RowRules};

use crate::features::{Configuration, text};
use crate::schema::DeltaField;

pub(crate) const CONSTRAINTS: &str = "delta.constraints.";
pub(crate) const INVARIANTS: &str = "delta.invariants";
pub(crate) const GENERATION: &str = "delta.generationExpression";

#[derive(Deserialize)]
struct Invariant {
    expression: Expression,
}

#[derive(Deserialize)]
struct Expression {
    expression: String,
}

/// Those of the configuration and of the columns, but for the partition columns of ours, which files say the values of.
pub(crate) fn rules(configuration: &Configuration, fields: &[DeltaField]) -> Result<RowRules> {
    let mut rules = RowRules::default();
    for (key, condition) in configuration {
        if let (Some(name), Some(condition)) = (key.strip_prefix(CONSTRAINTS), condition) {
            rules.constraints.push(Constraint { name: name.to_owned(), condition: condition.clone() });
        }
    }
    for field in fields.iter().filter(|field| !field.is_partition_of_ours()) {
        if let Some(json) = text(&field.metadata, INVARIANTS) {
            rules.constraints.push(invariant(&field.name, json)?);
        }
        if let Some(expression) = text(&field.metadata, GENERATION) {
            rules.generated.push(GeneratedColumn { column: field.name.clone(), expression: expression.to_owned() });
        }
    }
    Ok(rules)
}

fn invariant(column: &str, json: &str) -> Result<Constraint> {
    let invariant: Invariant =
        serde_json::from_str(json).map_err(|e| Error::corrupt("an invariant cannot be read").with("column", column).caused_by(e))?;
    Ok(Constraint { name: format!("invariant of {column}"), condition: invariant.expression.expression })
}
