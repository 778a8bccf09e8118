//! Which snapshots of a table expire. No moment of the source is lost with them, since baselines are named by tags and the
//! changelog keeps the events: reads of such moments become slower at most. What can be lost is how something looked at an
//! earlier commit time, and the plan says it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::error::{Error, Result};
use crate::forgotten::{CommitTimes, FORGOTTEN, Forgotten};
use crate::format::{Expiry, Operation, Ref, RefKind, RefRetention, TableState, VersionId, VersionInfo};
use crate::record::{ANCHOR, Baseline, Kind, Record, own_record, records};

const MAIN: &str = "main";
const MS_OF_DAY: i64 = 24 * 60 * 60 * 1000;
const DEFAULT_AGE_MS: i64 = 7 * MS_OF_DAY;
const DEFAULT_RETAINED: usize = 10;
/// Nothing younger than this is cleaned up unless forced: a job may still use it.
pub const FLOOR_MS: i64 = MS_OF_DAY;

/// What was asked for; what is absent, the table's own properties say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub older_than_ms: Option<i64>,
    pub retain_last: Option<usize>,
}

/// Whether limits that protect from mistakes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    Usual,
    Forced,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub now_ms: i64,
    /// Commit time, in milliseconds since the epoch: what was committed then or later stays.
    pub keep_from_ms: i64,
    /// So many of the newest snapshots of each branch stay.
    pub retain_last: usize,
    /// What is said of single branches and tags.
    pub refs: BTreeMap<String, RefRetention>,
}

impl Policy {
    pub fn new(asked: &Asked, caution: Caution, state: &TableState, now_ms: i64) -> Result<Self> {
        ensure_may_delete(state)?;
        let property = |name: &str| -> Result<Option<i64>> {
            let Some(text) = state.properties.get(name) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| Error::usage("the table's property is not a number").with("property", name))
        };
        let age_ms = match asked.older_than_ms {
            Some(age_ms) => age_ms,
            None => property("history.expire.max-snapshot-age-ms")?.unwrap_or(DEFAULT_AGE_MS).max(FLOOR_MS),
        };
        let retained = match asked.retain_last {
            Some(retained) => retained,
            None => property("history.expire.min-snapshots-to-keep")?.map_or(Ok(DEFAULT_RETAINED), |kept| {
                usize::try_from(kept).map_err(|_| Error::usage("the table's property `history.expire.min-snapshots-to-keep` is negative"))
            })?,
        };
        Ok(Self { now_ms, keep_from_ms: cut_off_ms(age_ms, caution, now_ms)?, retain_last: retained.max(1), refs: BTreeMap::new() })
    }

    #[must_use]
    pub fn with_refs(self, refs: BTreeMap<String, RefRetention>) -> Self {
        Self { refs, ..self }
    }

    /// Whether a branch or tag is too old. What names the baselines of ours never is, nor is the main branch.
    fn drops(&self, state: &TableState, name: &str, version: VersionId) -> bool {
        let max_age_ms = self.refs.get(name).and_then(|retention| retention.max_ref_age_ms);
        let is_old = |info: &VersionInfo| max_age_ms.is_some_and(|max| self.now_ms.saturating_sub(info.committed_at_ms) > max);
        name != MAIN && !name.starts_with(ANCHOR) && state.info(version).is_some_and(is_old)
    }
}

/// The time before which things are old. Fails for one in the future, and below the floor unless forced.
pub fn cut_off_ms(age_ms: i64, caution: Caution, now_ms: i64) -> Result<i64> {
    if age_ms < 0 {
        return Err(Error::usage("a cut-off in the future would take what jobs are writing now"));
    }
    if age_ms < FLOOR_MS && caution == Caution::Usual {
        return Err(Error::usage("less than 24 hours may take what a running job still needs; --force does it all the same"));
    }
    Ok(now_ms.saturating_sub(age_ms))
}

/// Fails for a table whose owner says that its files are not to be deleted.
pub fn ensure_may_delete(state: &TableState) -> Result<()> {
    match state.properties.get("gc.enabled").map(String::as_str) {
        Some("false") => Err(Error::unsupported("the table's property `gc.enabled` is false: its files may be those of other tables")),
        _ => Ok(()),
    }
}

/// Snapshots to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub expiry: Expiry,
    pub kept: HashSet<VersionId>,
    /// Commit times that `--committed-by` can name until now, and not any more.
    pub unknown: Vec<CommitTimes>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.expiry.versions.is_empty() && self.expiry.refs.is_empty()
    }
}

/// Chooses the snapshots of a mirror or changelog that expire.
pub fn plan(state: &TableState, policy: &Policy) -> Result<Plan> {
    let dropped = |(name, reference): &(&String, &Ref)| policy.drops(state, name, reference.version);
    let refs: BTreeSet<String> = state.refs.iter().filter(dropped).map(|(name, _)| name.clone()).collect();
    let kept = kept(state, policy, &refs)?;
    let versions: HashSet<VersionId> = state.history.iter().map(|info| info.version).filter(|version| !kept.contains(version)).collect();
    let before = Forgotten::of(state)?;
    let mut forgotten = before.clone();
    let mut unknown = Vec::new();
    for info in state.lineage().filter(|info| versions.contains(&info.version)) {
        let Some(record) = own_record(info)? else { continue };
        if record.baseline == Baseline::EMPTY && record.has_changes {
            forgotten.began_empty_ms = Some(forgotten.began_empty_ms.map_or(info.committed_at_ms, |known| known.min(info.committed_at_ms)));
        }
        unknown.extend(superseded(state, info, &record)?);
    }
    forgotten.unknown.extend(unknown.iter().copied());
    let properties = if forgotten == before { BTreeMap::new() } else { BTreeMap::from([(FORGOTTEN.to_owned(), forgotten.to_json()?)]) };
    Ok(Plan { expiry: Expiry { versions, properties, refs }, kept, unknown })
}

/// What branches and tags name, what is young or was the newest of late, the newest of each branch, and what the record of the head is read from.
fn kept(state: &TableState, policy: &Policy, dropped: &BTreeSet<String>) -> Result<HashSet<VersionId>> {
    let is_young = |info: &VersionInfo| info.committed_at_ms >= policy.keep_from_ms;
    let mut kept: HashSet<VersionId> = HashSet::new();
    for pair in state.history.windows(2).filter(|pair| is_young(&pair[1])) {
        // A job may still use what was the newest until then, however old it is: after a rollback that is not the parent.
        kept.extend([pair[0].version, pair[1].version]);
        kept.extend(pair[1].parent.filter(|parent| state.info(*parent).is_some()));
    }
    kept.extend(state.version);
    for (name, reference) in state.refs.iter().filter(|(name, _)| !dropped.contains(*name)) {
        kept.insert(reference.version);
        if reference.kind == RefKind::Branch {
            let own = policy.refs.get(name).copied().unwrap_or_default();
            let retain_last = own.min_snapshots.unwrap_or(policy.retain_last);
            let keep_from_ms = own.max_snapshot_age_ms.map_or(i64::MAX, |age_ms| policy.now_ms.saturating_sub(age_ms));
            let of_branch = ancestry(state, reference.version).enumerate();
            let is_kept = |(number, info): &(usize, &VersionInfo)| *number < retain_last || info.committed_at_ms >= keep_from_ms;
            kept.extend(of_branch.take_while(is_kept).map(|(_, info)| info.version));
        }
    }
    for info in state.lineage() {
        kept.insert(info.version);
        if own_record(info)?.is_some() || info.operation != Operation::Replace {
            break;
        }
    }
    Ok(kept)
}

fn ancestry(state: &TableState, version: VersionId) -> impl Iterator<Item = &VersionInfo> {
    std::iter::successors(state.info(version), |info| info.parent.and_then(|parent| state.info(parent)))
}

/// The commit times at which a baseline counted that no tag names any more, so that it goes with its snapshot.
fn superseded(state: &TableState, info: &VersionInfo, record: &Record) -> Result<Option<CommitTimes>> {
    if record.kind != Kind::Baseline {
        return Ok(None);
    }
    let anchor = record.baseline.anchor.as_ref().and_then(|tag| state.info(state.refs.get(tag)?.version));
    let Some(anchor) = anchor else {
        let until_ms = trimmed_ms(state, info, record)?.unwrap_or_else(|| next_commit_ms(state));
        return Ok(Some(CommitTimes { from_ms: info.committed_at_ms, until_ms }));
    };
    let is_same = own_record(anchor)?.is_some_and(|anchored| anchored.baseline == record.baseline);
    let is_known = is_same && anchor.committed_at_ms <= info.committed_at_ms;
    Ok((!is_known).then_some(CommitTimes { from_ms: info.committed_at_ms, until_ms: anchor.committed_at_ms }))
}

/// When a trim made another baseline count instead of that of an older snapshot.
fn trimmed_ms(state: &TableState, info: &VersionInfo, record: &Record) -> Result<Option<i64>> {
    let mut trimmed_ms = None;
    for recorded in records(state.lineage()) {
        let (trim, trimmed) = recorded?;
        let is_later = trim.committed_at_ms > info.committed_at_ms && trimmed.baseline.at_us > record.baseline.at_us;
        if trimmed.kind == Kind::Trim && is_later {
            trimmed_ms = Some(trim.committed_at_ms);
        }
    }
    Ok(trimmed_ms)
}

/// Just after everything that has been committed.
fn next_commit_ms(state: &TableState) -> i64 {
    state.history.iter().map(|info| info.committed_at_ms + 1).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
