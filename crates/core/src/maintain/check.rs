//! Check, the deciding half: what a table's history says that cannot be true.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::error::Result;
use crate::format::{TableState, VersionId, VersionInfo};
use crate::record::{Kind, LogHeader, Record, own_header, own_record};
use crate::table::TableName;

/// Something about a table that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub table: TableName,
    pub problem: Problem,
    /// URL of the file, or what else it is about.
    pub place: String,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    UnreadableMetadata,
    BrokenChain,
    OrdinalGap,
    UnreadablePositions,
    MissingFile,
    WrongSize,
    UnreadableFile,
    WrongRowCount,
    WrongBounds,
    WrongPartition,
    UnreadableDelete,
    WrongDelete,
    DanglingDelete,
    DuplicateKey,
    NotTheFold,
}

impl Problem {
    /// Whether rows cannot be read where this was found.
    pub fn hides_rows(self) -> bool {
        matches!(
            self,
            Self::UnreadableMetadata
                | Self::MissingFile
                | Self::WrongSize
                | Self::UnreadableFile
                | Self::WrongRowCount
                | Self::UnreadableDelete
        )
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableMetadata => "unreadable metadata",
            Self::BrokenChain => "broken parent chain",
            Self::OrdinalGap => "gap in the log",
            Self::UnreadablePositions => "unreadable positions",
            Self::MissingFile => "missing file",
            Self::WrongSize => "wrong size",
            Self::UnreadableFile => "unreadable file",
            Self::WrongRowCount => "wrong row count",
            Self::WrongBounds => "wrong bounds",
            Self::WrongPartition => "wrong partition",
            Self::UnreadableDelete => "unreadable delete",
            Self::WrongDelete => "wrong delete",
            Self::DanglingDelete => "dangling delete",
            Self::DuplicateKey => "duplicate key",
            Self::NotTheFold => "not the fold of the changelog",
        }
    }
}

/// What the snapshots of a mirror or changelog say of each other.
pub fn check_history(table: &TableName, state: &TableState) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |problem: Problem, version: VersionId, detail: String| {
        findings.push(Finding { table: table.clone(), problem, place: format!("snapshot {}", version.0), detail });
    };
    let words: Vec<Words<'_>> = state.history.iter().map(Words::of).collect();
    for word in &words {
        if let Err(error) = &word.said {
            report(Problem::UnreadableMetadata, word.info.version, error.to_string());
        }
    }
    for (name, reference) in &state.refs {
        if state.info(reference.version).is_none() {
            report(Problem::BrokenChain, reference.version, format!("{name} names a snapshot that the table does not have"));
        }
    }
    for info in state.history.iter() {
        let Some(parent) = info.parent else { continue };
        if state.info(parent).is_some_and(|parent| parent.committed_at_ms > info.committed_at_ms) || parent == info.version {
            report(Problem::BrokenChain, info.version, "is older than its parent".into());
        }
    }
    if let Some((version, orphan)) = cut_off(state, &words) {
        report(Problem::BrokenChain, version, format!("its parent is gone, and snapshot {} below it is not", orphan.0));
    }
    let lineage: Vec<&Words<'_>> = lineage(state).filter_map(|info| words.iter().find(|word| word.info.version == info.version)).collect();
    for pair in lineage.windows(2) {
        if let Some(detail) = contradiction(pair[0], pair[1]) {
            report(Problem::OrdinalGap, pair[0].info.version, detail);
        }
    }
    findings
}

/// A snapshot with what it says of itself.
struct Words<'a> {
    info: &'a VersionInfo,
    said: Result<(Option<Record>, Option<LogHeader>)>,
}

impl<'a> Words<'a> {
    fn of(info: &'a VersionInfo) -> Self {
        Self { info, said: own_record(info).and_then(|record| Ok((record, own_header(info)?))) }
    }

    fn record(&self) -> Option<&Record> {
        self.said.as_ref().ok()?.0.as_ref()
    }

    fn header(&self) -> Option<&LogHeader> {
        self.said.as_ref().ok()?.1.as_ref()
    }
}

/// The state's version and its ancestors. A chain that bites its tail ends.
fn lineage(state: &TableState) -> impl Iterator<Item = &VersionInfo> {
    state.lineage().take(state.history.len())
}

/// The oldest snapshot of the lineage where its parent is gone, and one of the same main branch that lies below it and is still
/// there, although no tag or branch leads to it. An expiry takes the older ones first.
fn cut_off(state: &TableState, words: &[Words<'_>]) -> Option<(VersionId, VersionId)> {
    let oldest = lineage(state).last()?;
    oldest.parent?;
    let mut named: HashSet<VersionId> = HashSet::new();
    for reference in state.refs.values() {
        let mut next = state.info(reference.version);
        while let Some(info) = next.filter(|info| named.insert(info.version)) {
            next = info.parent.and_then(|parent| state.info(parent));
        }
    }
    let own = words.iter().find(|word| word.info.version == oldest.version)?;
    let is_below = |word: &&Words<'_>| {
        let is_main = match (own.record(), word.record()) {
            (Some(own), Some(other)) => own.lineage == other.lineage && other.kind != Kind::Baseline,
            _ => own.header().zip(word.header()).is_some_and(|(own, other)| other.batch <= own.batch),
        };
        is_main && word.info.committed_at_ms < oldest.committed_at_ms && !named.contains(&word.info.version)
    };
    words.iter().find(is_below).map(|word| (oldest.version, word.info.version))
}

/// What a snapshot says that cannot come after its parent.
fn contradiction(child: &Words<'_>, parent: &Words<'_>) -> Option<String> {
    if let (Some(child), Some(parent)) = (child.header(), parent.header()) {
        let follows = child.batch == parent.batch || child.batch == parent.batch.next();
        return (!follows).then(|| format!("log batch {} follows on batch {}", child.batch.0, parent.batch.0));
    }
    let (child, parent) = (child.record()?, parent.record()?);
    let is_same_course = child.lineage == parent.lineage && child.baseline == parent.baseline && child.kind != Kind::Baseline;
    (is_same_course && child.folded < parent.folded)
        .then(|| format!("folds batches up to {}, and its parent up to {}", child.folded.0, parent.folded.0))
}
