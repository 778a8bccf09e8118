//! Copy-on-write: files that hold rows which go are written anew without them.

use std::collections::BTreeMap;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use futures::stream::{self, StreamExt, TryStreamExt};
use waterline_core::error::{Error, Result};
use waterline_core::format::{NewDataFile, TableState};

use super::TouchedFile;
use super::lineage::Carried;
use crate::lake::Lake;
use crate::parquet_io::{Rows, TableColumns};
use crate::write::DataWriter;

/// Rows of a batch while a file is copied.
const BATCH_ROWS: usize = 1 << 14;

/// Copies the rows that stay, one file per core at a time.
pub(super) async fn rewrite_files(lake: &Lake, state: &TableState, touched: BTreeMap<String, TouchedFile>) -> Result<Vec<NewDataFile>> {
    let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
    let copy = |file: TouchedFile| {
        let (lake, state) = (lake.clone(), state.clone());
        tokio::spawn(async move { copy_file(&lake, &state, file).await })
    };
    let mut copies = stream::iter(touched.into_values().map(copy)).buffered(concurrency);
    let mut added = Vec::new();
    while let Some(copied) = copies.next().await {
        added.extend(copied.map_err(|e| Error::internal("the rewrite of a data file stopped").caused_by(e))??);
    }
    Ok(added)
}

async fn copy_file(lake: &Lake, state: &TableState, touched: TouchedFile) -> Result<Vec<NewDataFile>> {
    let carried = Carried::of(state, &touched.file);
    let state = carried.as_ref().map_or(state, Carried::state);
    let mut writer = DataWriter::new(&lake.env, state)?;
    let opened = lake.files.open_data_file(state, &touched.file).await?;
    let gone = touched.deleted_before | touched.rows;
    let mut rows = opened.read(&TableColumns::of(state)?, Rows::All, BATCH_ROWS).await?;
    let mut start = 0;
    while let Some(batch) = rows.try_next().await? {
        let end = start + batch.num_rows() as u64;
        let batch = carried.as_ref().map_or(Ok(batch.clone()), |carried| carried.explicit(&batch, start))?;
        // A mask: rows that go are few and scattered, and selections would cut the reading into as many pieces.
        if gone.range_cardinality(start..end) > 0 {
            let stays: BooleanArray = (start..end).map(|position| Some(!gone.contains(position))).collect();
            writer.write(&filter_record_batch(&batch, &stays)?).await?;
        } else {
            writer.write(&batch).await?;
        }
        start = end;
    }
    let mut files = writer.finish().await?;
    if let Some(carried) = &carried {
        carried.without_statistics(&mut files);
    }
    Ok(files)
}
