//! Rows on their way from what makes them to what reads them.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::future::BoxFuture;
use tokio::sync::mpsc::Sender;
use waterline_core::error::{Error, Result};

use crate::read::{external, from_datafusion};

/// Batches that wait for their reader.
const WAITING_BATCHES: usize = 2;

/// Where rows go, in any order.
pub(super) struct Feed(Sender<datafusion::error::Result<RecordBatch>>);

impl Feed {
    /// A reader that has gone wants no more.
    pub(super) async fn send(&self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.0.send(Ok(rows)).await.map_err(|e| Error::internal("nobody reads the changes any more").caused_by(e))
    }
}

type Produce = dyn Fn(Feed) -> BoxFuture<'static, Result<()>> + Send + Sync;

/// A table whose rows are made while they are read.
pub(super) fn produced(
    schema: SchemaRef,
    produce: impl Fn(Feed) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
) -> Result<Arc<dyn TableProvider>> {
    let part = Produced { schema: schema.clone(), produce: Box::new(produce) };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(part)]).map_err(from_datafusion)?))
}

struct Produced {
    schema: SchemaRef,
    produce: Box<Produce>,
}

impl fmt::Debug for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Produced").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Produced {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), WAITING_BATCHES);
        let producing = (self.produce)(Feed(builder.tx()));
        builder.spawn(async move { producing.await.map_err(external) });
        builder.build()
    }
}
