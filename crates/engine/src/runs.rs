//! What the last jobs did to a table: a small JSON object beside it, so that any process can tell.
//!
//! A job that succeeded writes `<table>/runs/done.json` and one that failed `<table>/runs/failed.json`, over the one before, so
//! that a job costs one small put and the last failure outlives later successes.

use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};
use waterline_core::error::{Error, Result};

use crate::lake::Lake;

/// What one job did to one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRun {
    /// The command, such as `merge`.
    pub verb: String,
    /// Microseconds since the epoch.
    pub started_us: i64,
    pub ended_us: i64,
    /// Records that were read.
    pub rows_read: u64,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    /// Why it failed, without values of cells; absent where it did not.
    pub error: Option<String>,
}

/// The newest jobs of a table, as far as there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastRuns {
    pub done: Option<TableRun>,
    pub failed: Option<TableRun>,
}

impl LastRuns {
    pub fn newest(&self) -> Option<&TableRun> {
        [&self.done, &self.failed].into_iter().flatten().max_by_key(|run| run.ended_us)
    }
}

const DONE: &str = "done";
const FAILED: &str = "failed";

/// Keeps the run in the table's own folder. The job is over: that its trace cannot be kept is a warning only.
pub async fn keep_run(lake: &Lake, own_folder: &str, run: &TableRun) {
    let url = url(own_folder, if run.error.is_some() { FAILED } else { DONE });
    if let Err(error) = put(lake, &url, run).await {
        tracing::warn!(file = %url, %error, "what the job did cannot be kept for `status`");
    }
}

/// The newest runs of the table with this folder of its own.
pub async fn last_runs(lake: &Lake, own_folder: &str) -> Result<LastRuns> {
    let (done, failed) = (url(own_folder, DONE), url(own_folder, FAILED));
    let (done, failed) = futures::try_join!(get(lake, &done), get(lake, &failed))?;
    Ok(LastRuns { done, failed })
}

fn url(own_folder: &str, outcome: &str) -> String {
    format!("{own_folder}/runs/{outcome}.json")
}

async fn put(lake: &Lake, url: &str, run: &TableRun) -> Result<()> {
    let json = serde_json::to_vec(run).map_err(|e| Error::internal("a run cannot be written as JSON").caused_by(e))?;
    let (store, path) = lake.env.stores.resolve(url)?;
    store.put(&path, json.into()).await.map_err(|e| Error::unavailable("cannot write the file").caused_by(e))?;
    Ok(())
}

async fn get(lake: &Lake, url: &str) -> Result<Option<TableRun>> {
    let (store, path) = lake.env.stores.resolve(url)?;
    let read = async { store.get(&path).await?.bytes().await };
    match read.await {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Error::corrupt("what the last job did cannot be read").with("file", url).caused_by(e)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(Error::unavailable("cannot read what the last job did").with("file", url).caused_by(e)),
    }
}
