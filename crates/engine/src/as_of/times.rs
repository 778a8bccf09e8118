//! The file beside a changelog's metadata with the commit times of batches whose snapshots have expired.

use object_store::ObjectStoreExt;
use waterline_core::error::{Error, Result};
use waterline_core::format::TableState;
use waterline_core::log_times::{LOG_TIMES, LogTimes, is_before_kept};

use crate::lake::Lake;

/// Nothing unless a reader asks for a commit time that the changelog's snapshots do not reach.
pub(crate) async fn log_times(lake: &Lake, log: &TableState, known_by_ms: Option<i64>) -> Result<LogTimes> {
    match known_by_ms {
        Some(by) if is_before_kept(log, by) => read_log_times(lake, log).await,
        _ => Ok(LogTimes::default()),
    }
}

pub(crate) async fn read_log_times(lake: &Lake, log: &TableState) -> Result<LogTimes> {
    let Some(url) = log.properties.get(LOG_TIMES) else { return Ok(LogTimes::default()) };
    let (store, path) = lake.env.stores.resolve(url)?;
    let read = async { store.get(&path).await?.bytes().await };
    let bytes =
        read.await.map_err(|e| Error::unavailable("cannot read the commit times of expired log batches").with("file", url).caused_by(e))?;
    LogTimes::from_json(&bytes).map_err(|e| e.with("file", url))
}
