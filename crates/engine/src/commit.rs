//! One attempt to commit, with an unknown outcome settled (DESIGN.md rule 20).

use std::sync::Arc;

use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, CommitOutcome, TableFormat, TableState, VersionId};

/// How an attempt ended.
#[must_use]
#[derive(Debug)]
pub enum Attempt {
    /// The state that was committed.
    Committed(TableState),
    /// The table moved; this is how it is now, and nothing of ours is in it.
    Lost(TableState),
}

/// Attempts that a job makes before it gives up with "try again later".
pub const MAX_ATTEMPTS: usize = 20;

/// Commits on top of exactly `base`. Fails only when the table cannot be reached, even to read the outcome back.
pub async fn attempt(format: &Arc<dyn TableFormat>, base: &TableState, commit: &Commit) -> Result<Attempt> {
    let mut outcome = format.commit(base, commit).await?;
    for _ in 0..MAX_ATTEMPTS {
        outcome = match outcome {
            CommitOutcome::Committed(state) => return Ok(Attempt::Committed(state)),
            CommitOutcome::Conflict(state) => return Ok(Attempt::Lost(state)),
            CommitOutcome::Unknown(why) => {
                tracing::warn!(table = %format.name(), why, "the outcome of a commit is unknown; reading back");
                format.settle(base, commit).await?
            }
        };
    }
    Err(Error::unavailable("the outcome of a commit stays unknown; the next run finds out").with("table", format.name()))
}

/// Makes a commit aside on top of whatever the newest state is, as long as its tags are what they are in `base`.
pub async fn attempt_aside(format: &Arc<dyn TableFormat>, base: &TableState, commit: &Commit) -> Result<Attempt> {
    let mut newest = base.clone();
    for _ in 0..MAX_ATTEMPTS {
        match attempt(format, &newest, commit).await? {
            Attempt::Committed(state) => return Ok(Attempt::Committed(state)),
            Attempt::Lost(state) if commit.tags.iter().any(|tag| state.refs.get(tag) != base.refs.get(tag)) => {
                return Ok(Attempt::Lost(state));
            }
            Attempt::Lost(state) => newest = state,
        }
    }
    Err(given_up(format))
}

/// Moves or removes a tag, whoever else changes the table meanwhile.
pub async fn set_tag(format: &Arc<dyn TableFormat>, tag: &str, version: Option<VersionId>) -> Result<()> {
    for _ in 0..MAX_ATTEMPTS {
        match format.set_tag(&format.head().await?, tag, version).await? {
            CommitOutcome::Committed(_) => return Ok(()),
            CommitOutcome::Conflict(_) | CommitOutcome::Unknown(_) => {}
        }
    }
    Err(given_up(format))
}

/// The error of a job that lost every race.
pub fn given_up(format: &Arc<dyn TableFormat>) -> Error {
    Error::unavailable("other writers won every attempt to commit; run again").with("table", format.name())
}

/// Brings the schema of a table to `schema`, whoever else changes it meanwhile.
pub async fn evolve(
    format: &Arc<dyn TableFormat>,
    schema: impl Fn(&TableState) -> Result<Option<arrow::datatypes::SchemaRef>>,
) -> Result<TableState> {
    for _ in 0..MAX_ATTEMPTS {
        let base = format.head().await?;
        let Some(wanted) = schema(&base)? else { return Ok(base) };
        match format.evolve(&base, &wanted).await? {
            CommitOutcome::Committed(state) => return Ok(state),
            CommitOutcome::Conflict(_) | CommitOutcome::Unknown(_) => {}
        }
    }
    Err(given_up(format))
}
