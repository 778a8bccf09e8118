//! A table at one version as a DataFusion table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use waterline_core::error::Result;
use waterline_core::format::{TableFormat, TableState};

use super::error::external;
use super::prune::pruner;
use super::scan::{FileScan, live_files};
use crate::as_of::Gone;
use crate::parquet_io::{ParquetFiles, TableColumns};

/// A table as of a state.
#[derive(Debug)]
pub struct LakeTable {
    format: Arc<dyn TableFormat>,
    state: TableState,
    scan: FileScan,
}

impl LakeTable {
    pub fn new(format: Arc<dyn TableFormat>, state: TableState, files: ParquetFiles) -> Result<Self> {
        let columns = Arc::new(TableColumns::of(&state)?);
        let schema = columns.plain_schema();
        Ok(Self { format, state, scan: FileScan { files, columns, schema } })
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.scan.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters leave out files and are tried on rows again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let pruner = pruner(session, &self.scan.schema, filters);
        let rows_enough = limit.filter(|_| filters.is_empty());
        let gone = Gone::default();
        let files = live_files(&self.format, &self.state, &self.scan.files, &gone, pruner.as_ref(), rows_enough);
        self.scan.plan(session, &files.await.map_err(external)?, projection, rows_enough)
    }
}
