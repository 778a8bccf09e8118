//! Scans of Parquet files as DataFusion plans. They read only the columns that a query needs, and skip rows that are
//! deleted or not chosen inside the Parquet reader.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::stream::{StreamExt, TryStreamExt};
use roaring::RoaringTreemap;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, FilePruner, TableFormat, TableState};

use super::deletes::Deletes;
use super::groups::balanced;
use super::opener::{DataFileOpener, DataFileUrl};
use crate::as_of::Gone;
use crate::parquet_io::{ParquetFiles, TableColumns, constants, select_except, select_only};

/// How many files' deletes are read at the same time.
const CONCURRENT_DELETES: usize = 16;

/// Some rows of a file.
#[derive(Debug)]
pub(super) struct ScanFile {
    file: DataFile,
    rows: ScanRows,
}

#[derive(Debug)]
enum ScanRows {
    Except(RoaringTreemap),
    Only(RoaringTreemap),
}

impl ScanFile {
    pub(super) fn only(file: DataFile, rows: RoaringTreemap) -> Self {
        Self { file, rows: ScanRows::Only(rows) }
    }

    /// The file without rows that are gone too; `None` when it has no others.
    pub(super) fn without(mut self, gone: &Gone) -> Option<Self> {
        if let (ScanRows::Except(deleted), Some(more)) = (&mut self.rows, gone.of(&self.file.path)) {
            *deleted |= more;
        }
        (self.row_count() > 0).then_some(self)
    }

    fn row_count(&self) -> u64 {
        match &self.rows {
            ScanRows::Except(deleted) => self.file.record_count.saturating_sub(deleted.len()),
            ScanRows::Only(chosen) => chosen.len(),
        }
    }
}

/// The files of a state that may hold rows of the answer, with their deletes and what else is gone; no more than hold `limit` rows.
pub(super) async fn live_files(
    format: &Arc<dyn TableFormat>,
    state: &TableState,
    files: &ParquetFiles,
    gone: &Gone,
    pruner: &dyn FilePruner,
    limit: Option<usize>,
) -> Result<Vec<ScanFile>> {
    let limit = limit.map_or(u64::MAX, |rows| rows as u64);
    let deletes = Deletes::new(format.clone(), state, files.clone())?;
    let candidates = format.data_files(state, pruner).await?;
    let mut with_deletes = futures::stream::iter(candidates)
        .map(|file| async { deletes.of(&file).await.map(|deleted| ScanFile { file, rows: ScanRows::Except(deleted) }) })
        .buffered(CONCURRENT_DELETES);
    let mut live = Vec::new();
    let mut rows = 0;
    while rows < limit {
        let Some(scanned) = with_deletes.try_next().await? else { break };
        if let Some(scanned) = scanned.without(gone) {
            rows += scanned.row_count();
            live.push(scanned);
        }
    }
    Ok(live)
}

/// Files of one table, seen through some columns.
#[derive(Clone, Debug)]
pub(super) struct FileScan {
    pub(super) files: ParquetFiles,
    /// With the ids that the columns have in the table.
    pub(super) columns: Arc<TableColumns>,
    /// The columns without their ids, which would make columns of two tables different in a query.
    pub(super) schema: SchemaRef,
}

impl FileScan {
    pub(super) fn plan(
        &self,
        session: &dyn Session,
        scanned: &[ScanFile],
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        if scanned.is_empty() {
            let schema = datafusion::common::project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let files = scanned.iter().map(|scanned| self.partitioned_file(scanned)).collect();
        // Files are opened by our own opener, which finds their stores; DataFusion asks for one all the same.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(self.parquet_source(session)))
            .with_file_groups(balanced(files, session.config().target_partitions()))
            .with_statistics(self.statistics_of(scanned))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn partitioned_file(&self, scanned: &ScanFile) -> PartitionedFile {
        let mut file = PartitionedFile::new(&scanned.file.path, scanned.file.size_bytes);
        let selection = match &scanned.rows {
            ScanRows::Except(deleted) if deleted.is_empty() => None,
            ScanRows::Except(deleted) => Some(select_except(deleted, scanned.file.record_count)),
            ScanRows::Only(chosen) => Some(select_only(chosen, scanned.file.record_count)),
        };
        if let Some(selection) = selection {
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
        let rows = count(scanned.row_count());
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

    fn statistics_of(&self, scanned: &[ScanFile]) -> Statistics {
        let rows = scanned.iter().map(ScanFile::row_count).sum();
        let bytes = scanned.iter().map(|scanned| scanned.file.size_bytes).sum();
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

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
