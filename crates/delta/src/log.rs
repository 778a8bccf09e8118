//! The files of a table's log (Delta protocol, "Delta Log Entries" and "Checkpoints"), by their names.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_env::files::{Files, Listed};

use crate::actions::{Action, Add, Remove};
use crate::checkpoint::{self, CheckpointFiles};

const CONCURRENT_READS: usize = 16;
pub(crate) const FOLDER: &str = "_delta_log";

/// One commit file.
#[derive(Clone, Debug)]
pub(crate) struct LogCommit {
    pub(crate) version: i64,
    pub(crate) actions: Vec<Action>,
    /// When the store says that the file was written. Of a log that was copied that says nothing.
    pub(crate) modified_at_ms: Option<i64>,
}

impl LogCommit {
    /// The same commit with no more than its history needs: a log may hold very many.
    fn outlined(mut self) -> Self {
        let any = |flags: &mut dyn Iterator<Item = bool>| flags.fold(None, |any: Option<bool>, flag| Some(any.unwrap_or(false) || flag));
        let added = any(&mut self.actions.iter().filter_map(|action| action.add.as_ref()).map(|add| add.data_change));
        let removed = any(&mut self.actions.iter().filter_map(|action| action.remove.as_ref()).map(|remove| remove.data_change));
        self.actions.retain(|action| action.commit_info.is_some());
        self.actions.extend(added.map(|data_change| Action::from(Add { data_change, ..Add::default() })));
        self.actions.extend(removed.map(|data_change| Action::from(Remove { data_change, ..Remove::default() })));
        self
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// The table's folder.
    pub(crate) root: String,
    pub(crate) files: Files,
}

/// What the log's folder holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Commit files, with when they were written.
    pub(crate) commits: BTreeMap<i64, i64>,
    /// Complete checkpoints.
    pub(crate) checkpoints: BTreeMap<i64, CheckpointFiles>,
}

impl Log {
    pub(crate) fn location(&self, name: &str) -> String {
        format!("{}/{FOLDER}/{name}", self.root)
    }

    pub(crate) fn commit_location(&self, version: i64) -> String {
        self.location(&commit_name(version))
    }

    /// Everything of and after a version.
    pub(crate) async fn list(&self, from: i64) -> Result<Listing> {
        // Names of a version start with its digits, and `.` sorts above what ends there.
        let after = format!("{from:020}");
        let listed = self.files.list_after(&format!("{}/{FOLDER}", self.root), &after).await?;
        Ok(Listing::of(&listed))
    }

    pub(crate) async fn exists(&self) -> Result<bool> {
        let listing = self.list(0).await?;
        Ok(!listing.commits.is_empty() || !listing.checkpoints.is_empty())
    }

    /// `None` when there is no such commit.
    pub(crate) async fn read(&self, version: i64, modified_at_ms: Option<i64>) -> Result<Option<LogCommit>> {
        let location = self.commit_location(version);
        let Some(bytes) = self.files.read_if_exists(&location).await? else { return Ok(None) };
        let actions = parse_actions(&bytes).map_err(|e| e.with("file", &location))?;
        Ok(Some(LogCommit { version, actions, modified_at_ms }))
    }

    /// Commits that a listing named, in order; those below `from` in outline.
    pub(crate) async fn read_all(&self, commits: impl IntoIterator<Item = (i64, i64)>, from: i64) -> Result<Vec<LogCommit>> {
        let gone = |version| Error::new(ErrorKind::Unavailable, "a commit of the log went while it was read").with("version", version);
        let read = |(version, at)| async move {
            let commit = self.read(version, Some(at)).await?.ok_or_else(|| gone(version))?;
            Ok(if version < from { commit.outlined() } else { commit })
        };
        let reads: Vec<_> = commits.into_iter().map(read).collect();
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    /// Commits after `version`, as many as there are. Names are tried beyond those that the listing has, since it may be old.
    pub(crate) async fn read_after(&self, version: i64) -> Result<Newer> {
        let listing = self.list(version + 1).await?;
        let contiguous = listing.commits.keys().copied().eq(version + 1..version + 1 + listing.commits.len() as i64);
        if !contiguous {
            return Ok(Newer::Gap);
        }
        let mut commits = self.read_all(listing.commits, 0).await?;
        let mut next = commits.last().map_or(version, |commit| commit.version) + 1;
        while let Some(commit) = self.read(next, None).await? {
            commits.push(commit);
            next += 1;
        }
        // Behind a checkpoint without its commits the log was cleaned up.
        let cleaned = listing.checkpoints.keys().any(|checkpoint| *checkpoint >= next);
        Ok(if cleaned { Newer::Gap } else { Newer::Commits(commits) })
    }
}

/// What follows on a version.
pub(crate) enum Newer {
    Commits(Vec<LogCommit>),
    /// The log does not lead on from there any more.
    Gap,
}

pub(crate) fn commit_name(version: i64) -> String {
    format!("{version:020}.json")
}

impl Listing {
    fn of(files: &[Listed]) -> Self {
        let mut listing = Self::default();
        for file in files {
            if let Some(version) = file.name.strip_suffix(".json").and_then(version_of) {
                listing.commits.insert(version, file.modified_at_ms);
            }
        }
        listing.checkpoints = checkpoint::complete(files.iter().map(|file| file.name.as_str()));
        listing
    }
}

/// Twenty digits.
pub(crate) fn version_of(digits: &str) -> Option<i64> {
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Lines of JSON; the error names the line.
pub(crate) fn parse_actions(bytes: &[u8]) -> Result<Vec<Action>> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let parse = |(at, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|e| Error::corrupt("an action of the log cannot be read").with("line", at + 1).caused_by(e))
    };
    lines.map(parse).collect()
}

pub(crate) fn write_actions(actions: &[Action]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut bytes, action).map_err(|e| Error::internal("an action cannot be written").caused_by(e))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}
