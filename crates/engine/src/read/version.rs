//! Which version of a table is read.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};
use waterline_core::as_of::Cut;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{TableFormat, TableState, VersionId};

/// Where in a table's history a read is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadAt {
    /// The newest version of the main branch.
    #[default]
    Head,
    Version(VersionSpec),
    /// The newest version that was committed at this time or before, in milliseconds since the epoch. Commit time, not event time.
    CommittedBy(i64),
    /// The state of the source at a moment of it.
    AsOf(Cut),
}

impl ReadAt {
    /// The version that `name` is the id of, or a tag or branch. Numbers are ids: no tag may be called like one.
    pub fn snapshot(name: &str) -> Self {
        Self::Version(name.parse().unwrap_or_else(|never: Infallible| match never {}))
    }
}

/// A version by its id or by the name of a tag or branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VersionSpec {
    Id(VersionId),
    Ref(String),
}

impl FromStr for VersionSpec {
    type Err = Infallible;

    /// Numbers are ids: no tag may be called like one.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Ref(text.into()), |id| Self::Id(VersionId(id))))
    }
}

impl fmt::Display for VersionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(version) => version.0.fmt(f),
            Self::Ref(name) => f.write_str(name),
        }
    }
}

/// The table as it is read.
pub async fn resolve(format: &dyn TableFormat, at: &ReadAt) -> Result<TableState> {
    let head = format.head().await?;
    let version = match at {
        ReadAt::Head => return Ok(head),
        ReadAt::Version(spec) => named(&head, spec),
        ReadAt::CommittedBy(time_ms) => committed_by(&head, *time_ms),
        ReadAt::AsOf(_) => return Err(Error::internal("no single version is the state at a moment of the source")),
    };
    let version = version.map_err(|e| e.with("table", format.name()))?;
    if head.version == Some(version) { Ok(head) } else { format.at(&head, version).await }
}

fn named(head: &TableState, spec: &VersionSpec) -> Result<VersionId> {
    let found = match spec {
        VersionSpec::Id(version) => head.info(*version).map(|info| info.version),
        VersionSpec::Ref(name) => head.refs.get(name).map(|reference| reference.version),
    };
    found.ok_or_else(|| {
        let versions = head.history.iter().rev().map(|info| info.version.0.to_string());
        Error::not_found("the table has no such version")
            .with("version", spec)
            .with("newest versions", first_few(versions))
            .with("tags and branches", first_few(head.refs.keys().cloned()))
    })
}

/// Commit times may run backwards, so the line of versions decides and not the greatest time.
fn committed_by(head: &TableState, time_ms: i64) -> Result<VersionId> {
    let newest = head.lineage().find(|info| info.committed_at_ms <= time_ms);
    newest.map(|info| info.version).ok_or_else(|| {
        let oldest = head.lineage().last().map_or_else(|| "none".into(), |info| time_text(info.committed_at_ms));
        Error::new(ErrorKind::NotAnswerable, "the table keeps no version from that time or before")
            .with("committed by", time_text(time_ms))
            .with("oldest commit", oldest)
    })
}

fn time_text(time_ms: i64) -> String {
    DateTime::from_timestamp_millis(time_ms).map_or_else(|| time_ms.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Names for an error message.
pub(super) fn first_few(names: impl Iterator<Item = String>) -> String {
    const FEW: usize = 8;
    let mut names: Vec<String> = names.take(FEW + 1).collect();
    if names.is_empty() {
        return "none".into();
    }
    if names.len() > FEW {
        names[FEW] = "...".into();
    }
    names.join(" ")
}
