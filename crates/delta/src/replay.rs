//! From the files of the log to versions of the table.

use std::sync::Arc;

use waterline_core::error::{Error, ErrorKind, Result};

use crate::history::Event;
use crate::log::{Listing, Log, LogCommit, Newer};
use crate::snapshot::Snapshot;
use crate::{checkpoint, past};

/// A log as it was read: its newest version, and what every commit did that is still there.
#[derive(Clone, Debug)]
pub(crate) struct Replayed {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) events: Arc<Vec<Event>>,
}

impl Replayed {
    /// `None` when there is no table.
    pub(crate) async fn read(log: &Log) -> Result<Option<Self>> {
        match Self::listed(log).await? {
            Some(listed) => listed.refreshed(log).await.map(Some),
            None => Ok(None),
        }
    }

    /// As far as a listing shows it. A log that is cleaned up meanwhile is listed again.
    async fn listed(log: &Log) -> Result<Option<Self>> {
        match Self::listed_once(log).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Self::listed_once(log).await,
            read => read,
        }
    }

    async fn listed_once(log: &Log) -> Result<Option<Self>> {
        let mut listing = log.list(0).await?;
        let Some(newest) = listing.newest() else { return Ok(None) };
        listing.commits = listing.commits.split_off(&listing.oldest());
        let from = listing.checkpoints.keys().next_back().map_or(0, |checkpoint| checkpoint + 1);
        let commits = log.read_all(listing.commits.range(from..).map(|(version, at_ms)| (*version, *at_ms)), from).await?;
        let snapshot = snapshot(log, &listing, newest, &commits).await?;
        let mut events = past::events(log, &listing.commits, from).await?;
        commits.iter().for_each(|commit| past::push(&mut events, commit));
        Ok(Some(Self { snapshot: Arc::new(snapshot), events: Arc::new(events) }))
    }

    /// With what came since.
    pub(crate) async fn refreshed(self, log: &Log) -> Result<Self> {
        match log.read_after(self.snapshot.version).await? {
            Newer::Commits(commits) => self.and(&commits),
            Newer::Gap => Self::listed(log).await?.ok_or_else(|| gone(&log.root)),
        }
    }

    /// With the commits that follow.
    pub(crate) fn and(self, commits: &[LogCommit]) -> Result<Self> {
        if commits.is_empty() {
            return Ok(self);
        }
        let mut snapshot = self.snapshot.as_ref().clone();
        for commit in commits {
            snapshot.apply(commit.version, &commit.actions).map_err(|e| e.with("version", commit.version))?;
        }
        let mut events = self.events.as_ref().clone();
        commits.iter().for_each(|commit| past::push(&mut events, commit));
        Ok(Self { snapshot: Arc::new(snapshot), events: Arc::new(events) })
    }

    /// When the newest commit was made, if it says so.
    pub(crate) fn committed_at_ms(&self) -> Option<i64> {
        self.events.last().map(|event| event.committed_at_ms)
    }
}

fn gone(root: &str) -> Error {
    Error::not_found("the table does not exist any more").with("table", root)
}

impl Listing {
    /// The newest version that the log holds.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.commits.keys().chain(self.checkpoints.keys()).max().copied()
    }

    /// The oldest version that can be made of what is there: commits below are what a clean-up left.
    fn oldest(&self) -> i64 {
        let first = if self.commits.contains_key(&0) { None } else { self.checkpoints.keys().next().copied() };
        first.unwrap_or(0)
    }
}

/// The table as of an older version.
pub(crate) async fn snapshot_at(log: &Log, version: i64) -> Result<Snapshot> {
    let listing = log.list(0).await?;
    let from = listing.checkpoints.keys().rev().find(|checkpoint| **checkpoint <= version).map_or(0, |checkpoint| checkpoint + 1);
    let wanted: Vec<(i64, i64)> =
        listing.commits.range(from..=version.max(from)).filter(|(at, _)| **at <= version).map(|(at, ms)| (*at, *ms)).collect();
    let commits = log.read_all(wanted, 0).await?;
    snapshot(log, &listing, version, &commits).await
}

/// A version from the newest checkpoint that is not above it, and the commits that follow.
async fn snapshot(log: &Log, listing: &Listing, version: i64, commits: &[LogCommit]) -> Result<Snapshot> {
    let missing =
        |at: i64| Error::not_found("the log does not hold the version any more").with("table", &log.root).with("missing commit", at);
    let mut replayed = match listing.checkpoints.range(..=version).next_back() {
        Some((checkpoint, names)) => Some(Snapshot::first(&log.root, *checkpoint, &checkpoint::read(log, names).await?)?),
        None => None,
    };
    let from = replayed.as_ref().map_or(0, |snapshot| snapshot.version + 1);
    let mut following = commits.iter().filter(|commit| (from..=version).contains(&commit.version));
    for at in from..=version {
        let commit = following.next().filter(|commit| commit.version == at).ok_or_else(|| missing(at))?;
        let at_version = |e: Error| e.with("version", at);
        match &mut replayed {
            Some(snapshot) => snapshot.apply(at, &commit.actions).map_err(at_version)?,
            None => replayed = Some(Snapshot::first(&log.root, at, &commit.actions).map_err(at_version)?),
        }
    }
    replayed.ok_or_else(|| missing(version))
}
