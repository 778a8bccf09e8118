//! Making a tag. What counts of each table is fixed first and stands in every snapshot of the tag, so that whoever comes
//! after an interruption makes the same of the tables that are left (DESIGN.md rule 15).

use std::collections::{BTreeMap, BTreeSet};

use waterline_core::as_of::Cut;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, VersionId};
use waterline_core::record::BatchOrdinal;
use waterline_core::table::TableName;
use waterline_core::tag::{TAG, TagRecord, check_name, tagged_moments};

use super::tagged_tables;
use crate::as_of::AsOf;
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt_aside, given_up};
use crate::lake::{Lake, Limits};

#[derive(Clone, Debug)]
pub struct TagRequest {
    pub name: String,
    pub tables: BTreeSet<TableName>,
    pub cut: Cut,
    pub files: TagFiles,
    pub limits: Limits,
}

/// Which files a tag's snapshots have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagFiles {
    /// The table's, where they hold the rows of the moment.
    #[default]
    Shared,
    /// Files of their own with all rows.
    Copied,
}

/// A table that has the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    pub table: TableName,
    pub version: VersionId,
    /// URL of a metadata file with the tag in it.
    pub metadata: Option<String>,
}

/// Tags the state of each table at the cut, or completes a tag that was begun.
pub async fn create(lake: &Lake, request: &TagRequest) -> Result<Vec<Tagged>> {
    check_name(&request.name)?;
    let record = match begun(lake, request).await? {
        Some(record) => record,
        None => fix(lake, request).await?,
    };
    let mut tagged = Vec::with_capacity(record.tables.len());
    for (table, upto) in &record.tables {
        tagged.push(tag_table(lake, request, &record, table, *upto).await.map_err(|e| e.with("table", table))?);
    }
    Ok(tagged)
}

/// What a tag of this name says already. Fails when it is of something else.
async fn begun(lake: &Lake, request: &TagRequest) -> Result<Option<TagRecord>> {
    let mut found = tagged_tables(lake, request.tables.iter().cloned()).await?;
    found.retain(|(_, moment)| moment.name == request.name);
    let Some((_, first)) = found.first() else { return Ok(None) };
    let record = first.record.clone();
    let is_same = found.iter().all(|(_, moment)| moment.record == record);
    if !is_same || record.at_us != request.cut.at_us || request.tables.iter().any(|table| !record.tables.contains_key(table)) {
        return Err(taken("a tag of this name holds another moment or other tables", &request.name));
    }
    Ok(Some(record))
}

fn taken(problem: &str, name: &str) -> Error {
    Error::usage(format!("{problem}; choose another name, or `waterline tag delete {name}` first")).with("tag", name)
}

/// What counts of each table. Fails where one does not answer the moment.
async fn fix(lake: &Lake, request: &TagRequest) -> Result<TagRecord> {
    let mut tables = BTreeMap::new();
    for table in &request.tables {
        let opened = AsOf::open(lake, table, &request.cut, &request.limits).await?;
        tables.insert(table.clone(), opened.plan().upto);
    }
    Ok(TagRecord { id: lake.env.ids.uuid().to_string(), at_us: request.cut.at_us, tables })
}

async fn tag_table(lake: &Lake, request: &TagRequest, record: &TagRecord, table: &TableName, upto: BatchOrdinal) -> Result<Tagged> {
    let mut written = None;
    let mirror = lake.table(table).await?;
    for _ in 0..MAX_ATTEMPTS {
        let head = mirror.head().await?;
        if let Some(moment) = tagged_moments(&head)?.into_iter().find(|moment| moment.name == request.name) {
            return match moment.record == *record {
                true => Ok(Tagged { table: table.clone(), version: moment.version, metadata: head.metadata_location.clone() }),
                false => Err(taken("a tag of this name holds another moment", &request.name)),
            };
        }
        if head.refs.contains_key(&request.name) {
            return Err(taken("the table has a tag or branch of this name", &request.name));
        }
        let commit = match written.take() {
            Some(commit) => commit,
            None => write(lake, request, record, table, upto).await?,
        };
        match attempt_aside(&mirror, &head, &commit).await? {
            Attempt::Committed(state) => {
                let version = state.version.ok_or_else(|| Error::internal("a commit gave no version"))?;
                return Ok(Tagged { table: table.clone(), version, metadata: state.metadata_location });
            }
            Attempt::Lost(_) => written = Some(commit),
        }
    }
    Err(given_up(&mirror))
}

/// Writes the rows that the base of the moment lacks and says which of its rows go, or writes all of them.
async fn write(lake: &Lake, request: &TagRequest, record: &TagRecord, table: &TableName, upto: BatchOrdinal) -> Result<Commit> {
    let opened = AsOf::open_upto(lake, table, &request.cut, Some(upto), &request.limits).await?;
    let state = opened.state().await?;
    let rows = match request.files {
        TagFiles::Shared => state.aside(&opened.past()).await?,
        TagFiles::Copied => state.copied_aside(&opened.past()).await?,
    };
    Ok(Commit { summary: BTreeMap::from([(TAG.to_owned(), record.to_json()?)]), tags: vec![request.name.clone()], ..rows })
}
