//! Tables as functions of a moment: `shop.orders('2025-11-12T18:54:11Z')`.
//!
//! DataFusion's table functions have one-part names and cannot wait for I/O, so the call becomes a table's name before the query is
//! planned.

use std::ops::ControlFlow;

use chrono_tz::Tz;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectNamePart, TableAlias, TableFactor, TableFunctionArgs, Value, VisitMut, VisitorMut,
};
use waterline_core::error::{Error, Result};
use waterline_core::moments::parse_moment;

use super::catalog::name_at;

/// Replaces each table that is called with a moment by the name of the table at that moment.
pub(super) fn name_moments(statement: &mut Statement, timezone: Option<Tz>) -> Result<()> {
    let named = match statement {
        Statement::Statement(statement) => statement.visit(&mut Calls { timezone }),
        Statement::Explain(explain) => return name_moments(&mut explain.statement, timezone),
        _ => ControlFlow::Continue(()),
    };
    match named {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Calls {
    timezone: Option<Tz>,
}

impl VisitorMut for Calls {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match self.name_moment(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Calls {
    /// Functions with a name of one part are DataFusion's.
    fn name_moment(&self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table { name, alias, args, .. } = factor else { return Ok(()) };
        let Some(call) = args.as_ref().filter(|_| name.0.len() > 1) else { return Ok(()) };
        let at_us = parse_moment(moment(call).map_err(|e| e.with("table", &*name))?, self.timezone)?;
        let Some(ObjectNamePart::Identifier(table)) = name.0.last_mut() else { return Ok(()) };
        // What the query calls the table, as if it had been named without a moment.
        alias.get_or_insert_with(|| TableAlias { explicit: true, name: table.clone(), columns: Vec::new(), at: None });
        let own_name = if table.quote_style.is_some() { table.value.clone() } else { table.value.to_lowercase() };
        *table = Ident::with_quote('"', name_at(&own_name, at_us));
        *args = None;
        Ok(())
    }
}

fn moment(call: &TableFunctionArgs) -> Result<&str> {
    let text = match call.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &value.value {
            Value::SingleQuotedString(text) => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    };
    text.ok_or_else(|| Error::usage("a table is a function of one moment, as text: namespace.table('2025-11-12T18:54:11Z')"))
}
