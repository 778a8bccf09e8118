//! Check: reads a table, and says what is not as it must be. Changes nothing. Only what cannot be asked is an error: a store or
//! catalog that does not answer, or a feature that is not supported.

mod files;
mod rows;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use object_store::ObjectStoreExt;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{DataFile, KeepAll, TableFormat, TableState, VersionId};
use waterline_core::maintain::check::{Finding, Problem, check_history};
use waterline_core::positions::SourcePositions;
use waterline_core::record::log_header;
use waterline_core::table::TableName;

use crate::lake::{Lake, Limits};
use crate::merge::Pair;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Metadata, deletes and footers of what is newest and of what branches and tags name.
    Footers,
    /// All of their rows as well, and the metadata of every snapshot.
    Rows,
}

#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub depth: Depth,
    pub limits: Limits,
    /// For what has to be sorted or grouped; what does not fit is spilled.
    pub memory_bytes: usize,
}

/// Snapshots whose metadata is read at the same time.
const CONCURRENT_STATES: usize = 4;

/// Checks a table, and its changelog where it has one.
pub async fn check(lake: &Lake, table: &TableName, request: &Request) -> Result<Vec<Finding>> {
    let mirror = lake.table(table).await?;
    let changelog = lake.catalog.open(&table.changelog()).await?;
    let mut findings = Vec::new();
    for format in std::iter::once(&mirror).chain(&changelog) {
        let checker = Checker { lake, format, request };
        match checker.table(&mut findings).await {
            Ok(()) => {}
            Err(error) => findings.push(checker.found(Problem::UnreadableMetadata, &checker.format.name().to_string(), error)?),
        }
    }
    if let Some(changelog) = changelog.filter(|_| request.depth == Depth::Rows && can_be_read(&findings)) {
        findings.extend(rows::not_the_fold(lake, &Pair { mirror, changelog }, request).await?);
    }
    Ok(findings)
}

fn can_be_read(findings: &[Finding]) -> bool {
    !findings.iter().any(|finding| finding.problem.hides_rows())
}

/// One table that is checked.
#[derive(Clone, Copy)]
struct Checker<'a> {
    lake: &'a Lake,
    format: &'a Arc<dyn TableFormat>,
    request: &'a Request,
}

impl Checker<'_> {
    async fn table(&self, findings: &mut Vec<Finding>) -> Result<()> {
        let state = self.format.head().await?;
        findings.extend(check_history(self.format.name(), &state));
        let files = self.states(&state, findings).await?;
        findings.extend(self.files(&state, files).await?);
        for dangling in self.format.leftovers(&state).await?.dangling_deletes {
            if let Some(file) = dangling.of_file {
                findings.push(self.finding(Problem::DanglingDelete, &dangling.path, format!("it is of {file}, which is not in the table")));
            }
        }
        findings.extend(self.positions(&state).await?);
        if self.request.depth == Depth::Rows && !state.keys.is_empty() && can_be_read(findings) {
            findings.extend(self.duplicate_keys(&state).await?);
        }
        Ok(())
    }

    /// The data files of the states that are checked, by path. Of those that are the same the newest, whose deletes are the most.
    async fn states(&self, head: &TableState, findings: &mut Vec<Finding>) -> Result<BTreeMap<String, DataFile>> {
        let named: Vec<VersionId> = head.version.into_iter().chain(head.refs.values().map(|reference| reference.version)).collect();
        let versions: Vec<VersionId> = head.history.iter().map(|info| info.version).collect();
        let is_wanted = |version: &VersionId| named.contains(version) || self.request.depth == Depth::Rows;
        let wanted: Vec<VersionId> = versions.into_iter().filter(is_wanted).collect();
        let read = |version: VersionId| async move {
            let state = self.format.at(head, version).await?;
            self.format.data_files(&state, &KeepAll).await.map_err(|e| e.with("snapshot", version.0))
        };
        let mut states =
            stream::iter(wanted.into_iter().map(|version| async move { (version, read(version).await) })).buffered(CONCURRENT_STATES);
        let mut files = BTreeMap::new();
        while let Some((version, read)) = states.next().await {
            match read {
                Ok(read) => files.extend(read.into_iter().filter(|_| named.contains(&version)).map(|file| (file.path.clone(), file))),
                Err(error) => findings.push(self.found(Problem::UnreadableMetadata, &format!("snapshot {}", version.0), error)?),
            }
        }
        Ok(files)
    }

    /// How far the source was read: without it everything is read again.
    async fn positions(&self, state: &TableState) -> Result<Option<Finding>> {
        let header = match log_header(state) {
            Ok(header) => header,
            Err(error) => return self.found(Problem::UnreadableMetadata, &self.format.name().to_string(), error).map(Some),
        };
        let Some(url) = header.positions else { return Ok(None) };
        let (store, path) = self.lake.env.stores.resolve(&url)?;
        let read = async { store.get(&path).await?.bytes().await };
        let error = match read.await {
            Ok(bytes) => match SourcePositions::from_json(&bytes) {
                Ok(_) => return Ok(None),
                Err(error) => error,
            },
            Err(object_store::Error::NotFound { .. }) => Error::not_found("the file does not exist"),
            Err(e) => Error::unavailable("cannot read the source positions").with("file", &url).caused_by(e),
        };
        self.found(Problem::UnreadablePositions, &url, error).map(Some)
    }

    fn finding(&self, problem: Problem, place: &str, detail: impl Into<String>) -> Finding {
        Finding { table: self.format.name().clone(), problem, place: place.to_owned(), detail: detail.into() }
    }

    /// What is found where something cannot be read; the error itself where nothing is known.
    fn found(&self, problem: Problem, place: &str, error: Error) -> Result<Finding> {
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::BadInput => {
                Ok(self.finding(problem, place, error.without("file", place).to_string()))
            }
            _ => Err(error),
        }
    }
}
