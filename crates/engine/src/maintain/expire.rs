//! Expiry: snapshots leave the metadata of a mirror or changelog, then the files go that only they needed.

use std::sync::Arc;

use object_store::ObjectStoreExt;
use waterline_core::error::{Error, Result};
use waterline_core::forgotten::CommitTimes;
use waterline_core::format::{CommitOutcome, Expiry, StoredFiles, TableFormat, TableState, VersionId};
use waterline_core::log_times::LOG_TIMES;
pub use waterline_core::maintain::expire::{Asked, Caution};
use waterline_core::maintain::expire::{Plan, Policy, plan};
use waterline_core::record::LOG;
use waterline_core::table::TableName;

use super::Action;
pub use super::delete::Deleted;
use super::delete::{counted, delete_all};
use super::needed::{needed, versions_of};
use crate::as_of::read_log_times;
use crate::commit::{MAX_ATTEMPTS, given_up};
use crate::lake::Lake;

#[derive(Clone, Copy, Debug)]
pub struct ExpireRequest {
    pub asked: Asked,
    pub caution: Caution,
    pub action: Action,
}

/// What expired, or would.
#[derive(Clone, Debug)]
pub struct Expired {
    pub table: TableName,
    /// Oldest first.
    pub versions: Vec<VersionId>,
    /// Branches and tags that were too old.
    pub refs: Vec<String>,
    /// Snapshots that stay.
    pub kept: usize,
    pub deleted: Deleted,
    /// Commit times that `--committed-by` cannot name any more.
    pub unknown: Vec<CommitTimes>,
}

/// Expires snapshots of one table.
pub async fn expire(lake: &Lake, table: &TableName, request: &ExpireRequest) -> Result<Expired> {
    let format = lake.table(table).await?;
    for _ in 0..MAX_ATTEMPTS {
        let base = format.head().await?;
        let policy = Policy::new(&request.asked, request.caution, &base, lake.env.clock.now_ms()).map_err(|e| e.with("table", table))?;
        let policy = policy.with_refs(format.ref_retention(&base)?);
        let plan = plan(&base, &policy)?;
        let gone = match plan.is_empty() {
            true => StoredFiles::new(),
            false => only_theirs(&format, &base, &plan).await.map_err(|e| e.with("table", table))?,
        };
        let expired = |deleted| Expired {
            table: table.clone(),
            versions: base.history.iter().map(|info| info.version).filter(|version| plan.expiry.versions.contains(version)).collect(),
            refs: plan.expiry.refs.iter().cloned().collect(),
            kept: plan.kept.len(),
            deleted,
            unknown: plan.unknown.clone(),
        };
        if plan.is_empty() || request.action == Action::Plan {
            return Ok(expired(counted(&gone)));
        }
        if forget(lake, &format, &base, &plan).await? {
            return Ok(expired(delete_unneeded(lake, &format, gone).await?));
        }
    }
    Err(given_up(&format))
}

/// Files that the table does not need without the versions.
async fn only_theirs(format: &Arc<dyn TableFormat>, base: &TableState, plan: &Plan) -> Result<StoredFiles> {
    let mut files = needed(format, base, &versions_of(base)).await?;
    let kept = needed(format, base, &plan.kept).await?;
    files.retain(|file, _| !kept.contains_key(file));
    Ok(files)
}

/// Takes the versions out of the table's metadata. `false` when another writer came first.
async fn forget(lake: &Lake, format: &Arc<dyn TableFormat>, base: &TableState, plan: &Plan) -> Result<bool> {
    let mut expiry = plan.expiry.clone();
    if base.properties.contains_key(LOG) {
        expiry.properties.insert(LOG_TIMES.to_owned(), write_log_times(lake, base, &expiry).await?);
    }
    match format.expire(base, &expiry).await? {
        CommitOutcome::Committed(_) => Ok(true),
        CommitOutcome::Conflict(_) => Ok(false),
        CommitOutcome::Unknown(why) => {
            tracing::warn!(table = %format.name(), why, "the outcome of an expiry is unknown; reading back");
            Ok(expiry.versions.iter().all(|version| base.info(*version).is_some()) && is_forgotten(&format.head().await?, &expiry))
        }
    }
}

fn is_forgotten(head: &TableState, expiry: &Expiry) -> bool {
    expiry.versions.iter().all(|version| head.info(*version).is_none()) && !expiry.refs.iter().any(|name| head.refs.contains_key(name))
}

/// The commit times of the log batches whose snapshots go, beside those of earlier ones, in a new file.
async fn write_log_times(lake: &Lake, base: &TableState, expiry: &Expiry) -> Result<String> {
    let mut times = read_log_times(lake, base).await?;
    times.add(base.history.iter().filter(|info| expiry.versions.contains(&info.version)))?;
    let url = format!("{}/metadata/log-times-{}.json", base.own_folder, lake.env.ids.uuid());
    let (store, path) = lake.env.stores.resolve(&url)?;
    let put = store.put(&path, times.to_json()?.into()).await;
    put.map_err(|e| Error::unavailable("cannot write the commit times of expired log batches").with("file", &url).caused_by(e))?;
    Ok(url)
}

/// Deletes those of the files that the table does not need as it is now.
async fn delete_unneeded(lake: &Lake, format: &Arc<dyn TableFormat>, mut files: StoredFiles) -> Result<Deleted> {
    let head = format.head().await?;
    let kept = needed(format, &head, &versions_of(&head)).await?;
    files.retain(|file, _| !kept.contains_key(file));
    delete_all(lake, &head.location, &files).await
}
