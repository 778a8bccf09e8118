//! Rows in another order, by an external sort: what does not fit into memory is spilled.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, ident};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use waterline_core::error::{Error, Result};
use waterline_core::maintain::compact::{Direction, SortOrder};

use crate::read::{external, from_datafusion};

type Batches = BoxStream<'static, Result<RecordBatch>>;

const BATCH_ROWS: usize = 4096;
/// Memory that is kept free for the merge of what was spilled, and its share of all where that is little.
const MERGE_BYTES: usize = 10 << 20;
const MERGE_SHARE: usize = 4;

/// The rows by `order`, nulls first in an ascending column as in the order of keys.
pub(super) fn sorted(rows: Batches, schema: &SchemaRef, order: &SortOrder, memory_bytes: usize) -> Result<Batches> {
    let source = Arc::new(Source { schema: schema.clone(), rows: Mutex::new(Some(rows)) });
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes))).build_arc();
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
        .with_sort_spill_reservation_bytes(MERGE_BYTES.min(memory_bytes / MERGE_SHARE));
    let session = SessionContext::new_with_config_rt(config, runtime.map_err(from_datafusion)?);
    let table = StreamingTable::try_new(schema.clone(), vec![source]).map_err(from_datafusion)?;
    let by = order.0.iter().map(|column| {
        let is_ascending = column.direction == Direction::Ascending;
        ident(&column.name).sort(is_ascending, is_ascending)
    });
    let rows = session.read_table(Arc::new(table)).and_then(|rows| rows.sort(by.collect())).map_err(from_datafusion)?;
    let stream = async move { rows.execute_stream().await.map(|stream| stream.map_err(from_datafusion)).map_err(from_datafusion) };
    Ok(futures::stream::once(stream).try_flatten().boxed())
}

/// A stream as a table that is read once.
struct Source {
    schema: SchemaRef,
    rows: Mutex<Option<Batches>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let again = || futures::stream::iter([Err(Error::internal("rows to sort are read twice"))]).boxed();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows.unwrap_or_else(again).map_err(external)))
    }
}

#[cfg(test)]
mod tests;
