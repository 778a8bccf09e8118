//! A table at a moment of its source as a DataFusion table.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use waterline_core::as_of::Cut;
use waterline_core::conform::conform_batch;
use waterline_core::error::Result;
use waterline_core::format::{FilePruner, VersionId};
use waterline_core::table::TableName;

use super::error::external;
use super::prune::pruner;
use super::scan::{FileScan, ScanFile, live_files};
use crate::as_of::{AsOf, Gone, source_columns};
use crate::lake::{Lake, Limits};
use crate::parquet_io::TableColumns;

/// The rows of a table as they were in its source at one moment. The cut is fixed when it is opened (DESIGN.md rule 15); what
/// happened between the base and the moment is read when a query first needs it.
#[derive(Debug)]
pub struct AsOfTable {
    at: AsOf,
    pub(super) base: FileScan,
    pub(super) changelog: FileScan,
}

impl AsOfTable {
    pub async fn open(lake: &Lake, table: &TableName, cut: &Cut, limits: &Limits) -> Result<Self> {
        Self::new(AsOf::open(lake, table, cut, limits).await?)
    }

    pub fn new(at: AsOf) -> Result<Self> {
        let files = at.lake().files.clone();
        let columns = Arc::new(TableColumns::of(at.mirror())?);
        let schema = nullable(&columns.plain_schema());
        let changelog = Arc::new(source_columns(at.log(), &schema)?);
        let scan = |columns| FileScan { files: files.clone(), columns, schema: schema.clone() };
        Ok(Self { base: scan(columns), changelog: scan(changelog), at })
    }

    pub fn as_of(&self) -> &AsOf {
        &self.at
    }
}

#[async_trait]
impl TableProvider for AsOfTable {
    fn schema(&self) -> SchemaRef {
        self.base.schema.clone()
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
        let rows_enough = limit.filter(|_| filters.is_empty());
        let pruner = pruner(session, &self.base.schema, filters);
        let (state, early) = tokio::try_join!(self.at.state(), self.early_files(pruner.as_ref(), rows_enough)).map_err(external)?;
        let mut parts = Vec::new();
        if let Some(base) = &state.base {
            let (mirror, gone) = (&self.at.pair().mirror, &state.overlay.gone);
            let files = match early {
                Some((version, files)) if version == base.version => files.into_iter().filter_map(|file| file.without(gone)).collect(),
                _ => live_files(mirror, base, &self.base.files, gone, pruner.as_ref(), rows_enough).await.map_err(external)?,
            };
            parts.push(self.base.plan(session, &files, projection, rows_enough)?);
        }
        let images: Vec<ScanFile> = state.overlay.images.iter().map(|(file, rows)| ScanFile::only(file.clone(), rows.clone())).collect();
        parts.push(self.changelog.plan(session, &images, projection, rows_enough)?);
        let made = state.overlay.made.iter().map(|rows| self.visible(rows)).collect::<Result<Vec<_>>>().map_err(external)?;
        if made.iter().any(|rows| rows.num_rows() > 0) {
            parts.push(MemorySourceConfig::try_new_exec(&[made], self.schema(), projection.cloned())?);
        }
        match parts.len() {
            1 => Ok(parts.swap_remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}

impl AsOfTable {
    /// The base's version and files, to be read while it is not known yet what is gone of them. `None` where few rows are enough.
    async fn early_files(&self, pruner: &dyn FilePruner, rows_enough: Option<usize>) -> Result<Option<(Option<VersionId>, Vec<ScanFile>)>> {
        let (Some(base), None) = (self.at.base().await?, rows_enough) else { return Ok(None) };
        let files = live_files(&self.at.pair().mirror, &base, &self.base.files, &Gone::default(), pruner, None).await?;
        Ok(Some((base.version, files)))
    }

    /// Rows with the schema of the query.
    fn visible(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        conform_batch(rows, &self.base.schema)
    }
}

/// Rows of the changelog and of the table have one schema, and only the former may lack any value.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<Field>>()))
}
