//! A lake: a catalog and the world around it.

use std::sync::Arc;

use waterline_core::error::{Error, Result};
use waterline_core::format::{Catalog, Commit, Operation, TableFormat};
use waterline_core::table::TableName;
use waterline_env::Env;

use crate::parquet_io::ParquetFiles;

/// Everything that a job needs to reach tables. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    pub catalog: Arc<dyn Catalog>,
    pub env: Env,
    pub files: ParquetFiles,
}

impl Lake {
    pub fn new(catalog: Arc<dyn Catalog>, env: Env) -> Self {
        let files = ParquetFiles::new(&env);
        Self { catalog, env, files }
    }

    /// A commit to be made now, with an id of its own, that changes nothing yet.
    pub(crate) fn draft(&self, operation: Operation) -> Commit {
        Commit::new(self.env.ids.uuid().to_string(), operation, self.env.clock.now_ms())
    }

    /// Opens a table that must exist.
    pub async fn table(&self, name: &TableName) -> Result<Arc<dyn TableFormat>> {
        self.catalog.open(name).await?.ok_or_else(|| Error::not_found("there is no such table in the catalog").with("table", name))
    }
}

/// Bounds on what a job holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a batch at most.
    pub batch_rows: usize,
    /// Bytes of decoded columns of all open batches at most.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_rows: 1_000_000, batch_bytes: 256 << 20 }
    }
}
