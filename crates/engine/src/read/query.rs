//! Running SQL that only reads.

use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::prelude::DataFrame;
use waterline_core::error::Result;

use super::error::from_datafusion;

/// Plans a query; statements that would change anything are refused as wrong usage.
pub async fn query(session: &SessionContext, sql: &str) -> Result<DataFrame> {
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    session.sql_with_options(sql, read_only).await.map_err(from_datafusion)
}
