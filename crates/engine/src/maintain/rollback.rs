//! Rollback: a commit of the changelog says which batches are void, then the mirror follows. When the program dies between the two,
//! the next merge lets it follow.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use waterline_core::as_of::Log;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, KeepAll, Operation, TableState};
pub use waterline_core::maintain::rollback::{Events, Goal};
use waterline_core::maintain::rollback::{Plan, plan};
use waterline_core::record::{LOG, record_of};
use waterline_core::rollbacks::Rollback;
use waterline_core::table::TableName;

use super::Action;
use crate::as_of::read_log_times;
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, given_up};
use crate::events::Window;
use crate::lake::Lake;
use crate::merge::{Pair, rollback::go_back};

const CONCURRENT_CHECKS: usize = 32;

#[derive(Clone, Copy, Debug)]
pub struct RollbackRequest {
    pub goal: Goal,
    pub events: Events,
    pub action: Action,
}

/// What was taken back, or would be.
#[derive(Clone, Debug)]
pub struct RolledBack {
    pub rollback: Rollback,
    /// Events in the batches that are void, at most.
    pub events: u64,
}

/// Takes a table back; `None` where it is like that already.
pub async fn roll_back(lake: &Lake, table: &TableName, request: &RollbackRequest) -> Result<Option<RolledBack>> {
    let pair = Pair { mirror: lake.table(table).await?, changelog: lake.table(&table.changelog()).await? };
    taken_back(lake, &pair, request).await.map_err(|e| e.with("table", table))
}

async fn taken_back(lake: &Lake, pair: &Pair, request: &RollbackRequest) -> Result<Option<RolledBack>> {
    for _ in 0..MAX_ATTEMPTS {
        let (log, mirror) = (pair.changelog.head().await?, pair.mirror.head().await?);
        let times = read_log_times(lake, &log).await?;
        let Some(plan) = plan(&mirror, &Log { state: &log, times: &times }, request.goal, request.events)? else { return Ok(None) };
        let done = RolledBack { rollback: plan.rollback.clone(), events: events(pair, &log, &plan).await? };
        if request.action == Action::Plan {
            return Ok(Some(done));
        }
        ensure_files(lake, pair, &mirror, &plan.rollback).await?;
        if void(lake, pair, &log, &plan).await? {
            follow(lake, pair, &plan.rollback).await?;
            return Ok(Some(done));
        }
    }
    Err(given_up(&pair.changelog))
}

async fn events(pair: &Pair, log: &TableState, plan: &Plan) -> Result<u64> {
    let before = plan.header.rollbacks.known_at(plan.rollback.upto);
    let window = Window::of_batches(plan.rollback.above, plan.rollback.upto, &before);
    Ok(pair.changelog.data_files(log, &window).await?.iter().map(|file| file.record_count).sum())
}

/// Fails where files of the snapshot are gone: clean-ups of other writers may not know what we keep.
async fn ensure_files(lake: &Lake, pair: &Pair, mirror: &TableState, rollback: &Rollback) -> Result<()> {
    let files = pair.mirror.data_files(&pair.mirror.at(mirror, rollback.to).await?, &KeepAll).await?;
    let checks = files.into_iter().map(|file| async move {
        let (store, path) = lake.env.stores.resolve(&file.path)?;
        store.head(&path).await.map(drop).map_err(|e| match e {
            object_store::Error::NotFound { .. } => {
                Error::corrupt("a file of the snapshot is gone; nothing was changed").with("file", &file.path)
            }
            e => Error::unavailable("cannot ask for a file").with("file", &file.path).caused_by(e),
        })
    });
    let checks: Vec<_> = checks.collect();
    stream::iter(checks).buffer_unordered(CONCURRENT_CHECKS).try_collect().await
}

/// `false` when more was logged meanwhile.
async fn void(lake: &Lake, pair: &Pair, log: &TableState, plan: &Plan) -> Result<bool> {
    let header = plan.header.to_json()?;
    let commit = Commit {
        summary: BTreeMap::from([(LOG.to_owned(), header.clone())]),
        properties: BTreeMap::from([(LOG.to_owned(), header)]),
        ..lake.draft(Operation::Append)
    };
    Ok(matches!(attempt(&pair.changelog, log, &commit).await?, Attempt::Committed(_)))
}

async fn follow(lake: &Lake, pair: &Pair, rollback: &Rollback) -> Result<()> {
    for _ in 0..MAX_ATTEMPTS {
        let base = pair.mirror.head().await?;
        if record_of(&base)?.is_some_and(|record| record.lineage >= rollback.lineage) {
            return Ok(());
        }
        go_back(lake, pair, &base, rollback).await?;
    }
    Err(given_up(&pair.mirror))
}
