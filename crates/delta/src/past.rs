//! What commits behind the newest checkpoint did. A table may have thousands, and each is a file; so what many of them did is
//! kept in one, beside the table, for processes that start. It counts only where the log's folder shows the very files that it was made
//! of, so nothing depends on it.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use waterline_core::error::{Error, Result};
use waterline_env::files::NewFile;

use crate::history::Event;
use crate::ledger;
use crate::log::{Log, LogCommit, version_of};

/// Commits in a file: as many as begin with a multiple of it.
const SPAN: i64 = 50;
const FOLDER: &str = "log-history";
const CONCURRENT_READS: usize = 16;

/// An event, and when the file of its commit was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    modified_at_ms: i64,
    #[serde(flatten)]
    event: Event,
}

/// What the listed commits below `before` did, oldest first. `listed` says when their files were written.
pub(crate) async fn events(log: &Log, listed: &BTreeMap<i64, i64>, before: i64) -> Result<Vec<Event>> {
    let mut kept = kept(log, listed, before).await;
    let is_kept = |(version, at_ms): &(i64, i64)| kept.get(version).is_some_and(|kept| kept.modified_at_ms == *at_ms);
    let (known, unknown): (Vec<_>, Vec<_>) = listed.range(..before).map(|(version, at_ms)| (*version, *at_ms)).partition(is_kept);
    let mut read = log.read_all(unknown, before).await?.into_iter().peekable();
    let mut events: Vec<Event> = Vec::new();
    for (version, _) in known {
        while let Some(commit) = read.next_if(|commit| commit.version < version) {
            push(&mut events, &commit);
        }
        events.extend(kept.remove(&version).map(|kept| kept.event));
    }
    read.for_each(|commit| push(&mut events, &commit));
    Ok(events)
}

/// With what one more commit did.
pub(crate) fn push(events: &mut Vec<Event>, commit: &LogCommit) {
    let before = events.last().map(|event| event.committed_at_ms);
    events.push(Event::of(commit, before));
}

/// By version. A file that is not there or cannot be read is as good as none.
async fn kept(log: &Log, listed: &BTreeMap<i64, i64>, before: i64) -> HashMap<i64, Kept> {
    let mut spans: Vec<i64> = listed.range(..before).map(|(version, _)| version.div_euclid(SPAN)).collect();
    spans.dedup();
    let reads = spans.into_iter().filter(|span| last_of(*span) < before).map(|span| async move {
        let bytes = log.files.read(&location(log, span)).await.ok()?;
        serde_json::from_slice::<Vec<Kept>>(&bytes).ok()
    });
    let read: Vec<Option<Vec<Kept>>> = stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENT_READS).collect().await;
    read.into_iter().flatten().flatten().map(|kept| (kept.event.version, kept)).collect()
}

/// Keeps what is known of whole spans that are not kept yet.
pub(crate) async fn keep(log: &Log, events: &[Event]) -> Result<()> {
    let Some((first, last)) = events.first().zip(events.last()).map(|(first, last)| (first.version, last.version)) else { return Ok(()) };
    let whole: Vec<i64> = (first.div_euclid(SPAN)..=last.div_euclid(SPAN)).filter(|span| last_of(*span) <= last).collect();
    if whole.is_empty() {
        return Ok(());
    }
    let there = log.files.list(&format!("{}/{}/{FOLDER}", log.root, ledger::FOLDER)).await?.files;
    let missing: Vec<i64> = whole.into_iter().filter(|span| !there.contains(&name(*span))).collect();
    let Some(from) = missing.first() else { return Ok(()) };
    let listed = log.list(from * SPAN).await?.commits;
    for span in missing {
        let inside = events.iter().filter(|event| event.version.div_euclid(SPAN) == span);
        let kept: Option<Vec<Kept>> =
            inside.map(|event| Some(Kept { modified_at_ms: *listed.get(&event.version)?, event: event.clone() })).collect();
        // The listing may be old, or the log cleaned up.
        let Some(kept) = kept else { continue };
        let bytes = serde_json::to_vec(&kept).map_err(|e| Error::internal("the history of a table cannot be written").caused_by(e))?;
        log.files.write(&NewFile { location: location(log, span), bytes: bytes.into() }).await?;
    }
    Ok(())
}

/// The files that say something of commits from `begin` on.
pub(crate) async fn files(log: &Log, begin: i64) -> Result<Vec<String>> {
    let there = log.files.list(&format!("{}/{}/{FOLDER}", log.root, ledger::FOLDER)).await?.files;
    let first = |name: &String| version_of(name.strip_suffix(".json")?);
    let spans = there.iter().filter_map(first).map(|first| first.div_euclid(SPAN)).filter(|span| last_of(*span) >= begin);
    Ok(spans.map(|span| location(log, span)).collect())
}

fn last_of(span: i64) -> i64 {
    (span + 1) * SPAN - 1
}

fn name(span: i64) -> String {
    format!("{:020}.json", span * SPAN)
}

fn location(log: &Log, span: i64) -> String {
    format!("{}/{}/{FOLDER}/{}", log.root, ledger::FOLDER, name(span))
}
