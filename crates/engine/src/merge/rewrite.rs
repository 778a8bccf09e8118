//! Copy-on-write: files that hold rows which go are written anew without them.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use waterline_core::error::{Error, Result};
use waterline_core::format::{NewDataFile, TableState};

use super::TouchedFile;
use crate::carry::Carrier;
use crate::lake::Lake;
use crate::write::DataWriter;

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
    let carrier = Carrier::of(state, [&touched.file])?;
    let mut writer = DataWriter::new(&lake.env, carrier.state())?;
    let mut rows = carrier.read(lake, &touched.file, touched.deleted_before | touched.rows).await?;
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch).await?;
    }
    let mut files = writer.finish().await?;
    carrier.without_statistics(&mut files);
    Ok(files)
}
