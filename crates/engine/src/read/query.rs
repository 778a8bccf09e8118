//! Running SQL that only reads.

use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::prelude::DataFrame;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use waterline_core::error::{Error, Result};

use super::error::from_datafusion;
use super::moments::name_moments;
use super::session::Lakeside;

/// Plans a query; statements that would change anything are refused as wrong usage.
pub async fn query(session: &SessionContext, sql: &str) -> Result<DataFrame> {
    let state = session.state();
    let dialect = state.config_options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(sql, &dialect).map_err(from_datafusion)?;
    if !is_query(&statement) {
        return Err(Error::usage("only queries can be run here"));
    }
    let lakeside = state.config().get_extension::<Lakeside>();
    name_moments(&mut statement, lakeside.as_ref().and_then(|lakeside| lakeside.timezone))?;
    if let Some(lakeside) = lakeside {
        let named = state.resolve_table_references(&statement).map_err(from_datafusion)?;
        lakeside.tables.open_ahead(&named).await;
    }
    let plan = state.statement_to_plan(statement).await.map_err(from_datafusion)?;
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan).map_err(from_datafusion)?;
    session.execute_logical_plan(plan).await.map_err(from_datafusion)
}

fn is_query(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(statement.as_ref(), SqlStatement::Query(_) | SqlStatement::ExplainTable { .. }),
        Statement::Explain(explain) => is_query(&explain.statement),
        _ => false,
    }
}
