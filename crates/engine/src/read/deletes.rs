//! The rows of a data file that are deleted, whatever kind of delete removes them.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use roaring::RoaringTreemap;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, DeleteState, TableFormat, TableState};
use waterline_env::Env;

use super::equality::EqualityDeletes;
use crate::parquet_io::ParquetFiles;

/// Files whose deletes are read at the same time.
const CONCURRENT_READS: usize = 16;

/// Deletes of the data files of one state. Equality delete files are read once, however many data files they apply to.
#[derive(Debug)]
pub struct Deletes {
    format: Arc<dyn TableFormat>,
    equality: EqualityDeletes,
}

impl Deletes {
    pub fn new(format: Arc<dyn TableFormat>, state: &TableState, files: ParquetFiles) -> Result<Self> {
        Ok(Self { format, equality: EqualityDeletes::new(state, files)? })
    }

    /// Positions of the deleted rows of a file, all within its rows.
    pub async fn of(&self, file: &DataFile) -> Result<RoaringTreemap> {
        let mut deleted = match file.deletes {
            DeleteState::None => RoaringTreemap::new(),
            DeleteState::Some => self.format.deleted_rows(file).await?,
        };
        deleted.remove_range(file.record_count..);
        if !file.equality_deletes.is_empty() {
            self.equality.add_matches(file, &mut deleted).await?;
        }
        Ok(deleted)
    }

    /// [`Self::of`] many files, in their order.
    pub(crate) async fn of_all(&self, files: Vec<DataFile>) -> Result<Vec<RoaringTreemap>> {
        let of = |file: DataFile| async move { self.of(&file).await };
        stream::iter(files).map(of).buffered(CONCURRENT_READS).try_collect().await
    }
}

/// Positions of the rows of `file` that any delete removes. For many files, keep a [`Deletes`].
pub async fn all_deleted_rows(format: Arc<dyn TableFormat>, env: &Env, state: &TableState, file: &DataFile) -> Result<RoaringTreemap> {
    Deletes::new(format, state, ParquetFiles::new(env))?.of(file).await
}
