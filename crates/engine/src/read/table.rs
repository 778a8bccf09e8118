//! A table at one version as a DataFusion table. It reads only the columns and files that a query needs, and skips
//! deleted rows inside the Parquet reader.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::stream::{StreamExt, TryStreamExt};
use roaring::RoaringTreemap;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FilePruner, TableFormat, TableState};

use super::deletes::Deletes;
use super::error::external;
use super::groups::balanced;
use super::opener::{DataFileOpener, DataFileUrl};
use super::prune::pruner;
use crate::parquet_io::{ParquetFiles, TableColumns, constants, select_except};

/// How many files' deletes are read at the same time.
const CONCURRENT_DELETES: usize = 16;

/// A table as of a state.
#[derive(Debug)]
pub struct LakeTable {
    format: Arc<dyn TableFormat>,
    state: TableState,
    files: ParquetFiles,
    columns: Arc<TableColumns>,
    /// The columns without their ids, which would make columns of two tables different in a query.
    schema: SchemaRef,
}

/// What a scan reads.
#[derive(Debug)]
struct Scan {
    files: Vec<ScanFile>,
}

#[derive(Debug)]
struct ScanFile {
    file: DataFile,
    deleted: RoaringTreemap,
}

impl ScanFile {
    fn live_rows(&self) -> u64 {
        self.file.record_count.saturating_sub(self.deleted.len())
    }
}

impl LakeTable {
    pub fn new(format: Arc<dyn TableFormat>, state: TableState, files: ParquetFiles) -> Result<Self> {
        let columns = Arc::new(TableColumns::of(&state)?);
        let schema = columns.plain_schema();
        Ok(Self { format, state, files, columns, schema })
    }

    /// The files that may hold rows of the answer, with their deletes; no more than hold `limit` rows.
    async fn plan(&self, pruner: &dyn FilePruner, limit: Option<usize>) -> Result<Scan> {
        let limit = limit.map_or(u64::MAX, |rows| rows as u64);
        let deletes = Deletes::new(self.format.clone(), &self.state, self.files.clone())?;
        let candidates = self.format.data_files(&self.state, pruner).await?;
        let mut with_deletes = futures::stream::iter(candidates)
            .map(|file| async { deletes.of(&file).await.map(|deleted| ScanFile { file, deleted }) })
            .buffered(CONCURRENT_DELETES);
        let mut files = Vec::new();
        let mut rows = 0;
        while rows < limit {
            let Some(file) = with_deletes.try_next().await? else { break };
            rows += file.live_rows();
            if file.live_rows() > 0 {
                files.push(file);
            }
        }
        Ok(Scan { files })
    }

    fn partitioned_file(&self, scanned: &ScanFile) -> PartitionedFile {
        let mut file = PartitionedFile::new(&scanned.file.path, scanned.file.size_bytes);
        if !scanned.deleted.is_empty() {
            let selection = select_except(&scanned.deleted, scanned.file.record_count);
            file = file.with_extension(ParquetRowSelection::new(selection));
        }
        if let Some(statistics) = self.constant_columns(scanned) {
            file = file.with_statistics(Arc::new(statistics));
        }
        file.with_extension(DataFileUrl(scanned.file.path.clone()))
    }

    /// DataFusion takes the value of a column that has only one in a file from the file's statistics.
    fn constant_columns(&self, scanned: &ScanFile) -> Option<Statistics> {
        let constants = constants(&self.schema, &scanned.file.summary);
        if constants.is_empty() {
            return None;
        }
        let rows = count(scanned.live_rows());
        let mut statistics = Statistics::new_unknown(&self.schema).with_num_rows(Precision::Exact(rows));
        for (name, value) in constants {
            let Some(column) = self.schema.index_of(&name).ok().and_then(|at| statistics.column_statistics.get_mut(at)) else { continue };
            let known = ColumnStatistics::new_unknown().with_null_count(Precision::Exact(if value.is_null() { rows } else { 0 }));
            *column = if value.is_null() {
                known
            } else {
                known.with_min_value(Precision::Exact(value.clone())).with_max_value(Precision::Exact(value))
            };
        }
        Some(statistics)
    }

    fn statistics_of(&self, scan: &Scan) -> Statistics {
        let rows = scan.files.iter().map(ScanFile::live_rows).sum();
        let bytes = scan.files.iter().map(|scanned| scanned.file.size_bytes).sum();
        Statistics::new_unknown(&self.schema)
            .with_num_rows(Precision::Exact(count(rows)))
            .with_total_byte_size(Precision::Inexact(count(bytes)))
    }

    fn parquet_source(&self, session: &dyn Session) -> ParquetSource {
        let mut options = TableParquetOptions { global: session.config_options().execution.parquet.clone(), ..Default::default() };
        options.global.coerce_int96 = Some("us".into());
        ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(DataFileOpener { files: self.files.clone(), columns: self.columns.clone() }))
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
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
        let pruner = pruner(session, &self.schema, filters);
        let rows_enough = limit.filter(|_| filters.is_empty());
        let scan = self.plan(pruner.as_ref(), rows_enough).await.map_err(external)?;
        if scan.files.is_empty() {
            let schema = datafusion::common::project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let files = scan.files.iter().map(|scanned| self.partitioned_file(scanned)).collect();
        // Files are opened by our own opener, which finds their stores; DataFusion asks for one all the same.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(self.parquet_source(session)))
            .with_file_groups(balanced(files, session.config().target_partitions()))
            .with_statistics(self.statistics_of(&scan))
            .with_projection_indices(projection.cloned())?
            .with_limit(rows_enough)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
