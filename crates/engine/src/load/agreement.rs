//! Whether a dump agrees with what the table was at the dump's time (DESIGN.md rule 10).

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{NewDataFile, TableState};

use super::baseline::WrittenDump;
use crate::diff::{DiffReport, diff};
use crate::merge::Pair;
use crate::parquet_io::{ParquetFiles, Rows, TableColumns};
use crate::read::{ReadAt, SessionOptions, external, from_datafusion, session};

/// Rows of a batch of the dump.
const BATCH_ROWS: usize = 1 << 13;
/// Columns that an error names.
const NAMED_COLUMNS: usize = 5;

/// How a dump and its table compare.
pub(super) enum Agreement {
    /// The table is not known at that moment.
    Nothing,
    Same,
    Differs(Box<DiffReport>),
}

impl Agreement {
    /// Compares with the rows that `mirror` and what is folded into it give for the dump's moment.
    pub(super) async fn of(dump: &WrittenDump<'_>, pair: &Pair, mirror: &TableState) -> Result<Self> {
        let Some(known) = rows_as_of(dump, pair, mirror).await? else { return Ok(Self::Nothing) };
        let options = SessionOptions { memory_bytes: dump.request.limits.batch_bytes, ..SessionOptions::default() };
        let session = session(dump.lake.catalog.clone(), &dump.lake.env, ReadAt::Head, &options)?;
        let report = diff(&session, known, rows_of(dump, mirror)?, &mirror.keys, 0).await?;
        Ok(if report.same_rows() { Self::Same } else { Self::Differs(Box::new(report)) })
    }

    /// Fails unless they are the same.
    pub(super) fn or_refused(self) -> Result<()> {
        let hint = "`--supersede` makes the dump count from its time on";
        match self {
            Self::Same => Ok(()),
            Self::Nothing => Err(Error::new(
                ErrorKind::NotAnswerable,
                format!("the table is not known at the dump's time, only later, so that the two cannot be compared; {hint}"),
            )),
            Self::Differs(report) => Err(Error::new(
                ErrorKind::NotAnswerable,
                format!("the dump differs from what the table was at its time; `waterline diff` shows how, and {hint}"),
            )
            .with("rows that the dump lacks", report.left.only_rows)
            .with("rows that only the dump has", report.right.only_rows)
            .with("rows that differ", report.changed_rows)
            .with("columns that differ", differing(&report))),
        }
    }
}

/// Names of some columns, those that differ most first.
fn differing(report: &DiffReport) -> String {
    let mut columns: Vec<_> = report.columns.iter().filter(|(_, rows)| *rows > 0).collect();
    columns.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    match columns.len() {
        0 => "none".into(),
        count => {
            let names: Vec<&str> = columns.iter().take(NAMED_COLUMNS).map(|(name, _)| name.as_str()).collect();
            format!("{}{}", names.join(", "), if count > NAMED_COLUMNS { ", ..." } else { "" })
        }
    }
}

/// The rows of the dump, as they were written.
fn rows_of(dump: &WrittenDump<'_>, mirror: &TableState) -> Result<Arc<dyn TableProvider>> {
    let columns = Arc::new(TableColumns::of(mirror)?);
    let schema = columns.plain_schema();
    let part = |file: &NewDataFile| -> Arc<dyn PartitionStream> {
        Arc::new(WrittenFile { file: file.clone(), files: dump.lake.files.clone(), columns: columns.clone(), schema: schema.clone() })
    };
    let table = StreamingTable::try_new(schema.clone(), dump.files.iter().map(part).collect()).map_err(from_datafusion)?;
    Ok(Arc::new(table))
}

/// A data file that is not part of any snapshot.
struct WrittenFile {
    file: NewDataFile,
    files: ParquetFiles,
    columns: Arc<TableColumns>,
    schema: SchemaRef,
}

impl fmt::Debug for WrittenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrittenFile").field("path", &self.file.path).finish_non_exhaustive()
    }
}

impl PartitionStream for WrittenFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (file, files, columns, schema) = (self.file.clone(), self.files.clone(), self.columns.clone(), self.schema.clone());
        let plain = schema.clone();
        let rows = async move {
            let opened = files.open(&file.path, file.size_bytes).await?;
            opened.read(&columns, Rows::All, BATCH_ROWS).await
        };
        let rows = futures::stream::once(rows).try_flatten().map(move |batch| Ok(batch.map_err(external)?.with_schema(plain.clone())?));
        Box::pin(RecordBatchStreamAdapter::new(schema, rows.boxed()))
    }
}

/// The rows of the table at the dump's time by what is folded into `mirror`; `None` when it is not known then.
// TO BE WIRED to `engine::as_of`.
async fn rows_as_of(_: &WrittenDump<'_>, _: &Pair, _: &TableState) -> Result<Option<Arc<dyn TableProvider>>> {
    Ok(None)
}
