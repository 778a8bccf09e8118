//! Tags: the state of tables at a past moment as snapshots beside their main branches, which any engine reads by the tag's
//! name. Such a snapshot has no record of a mirror and is never a base (DESIGN.md rule 12).

mod create;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use waterline_core::error::{Error, Result};
use waterline_core::format::{RefKind, TableFormat, VersionId};
use waterline_core::record::BatchOrdinal;
use waterline_core::table::TableName;
use waterline_core::tag::{TaggedMoment, check_name, tagged_moments};

pub use self::create::{TagFiles, TagRequest, Tagged, create};
use crate::commit::set_tag;
use crate::lake::Lake;

/// Tables that are looked at together.
const CONCURRENT_TABLES: usize = 8;

/// One table's part of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTag {
    pub name: String,
    pub table: TableName,
    pub version: VersionId,
    /// Event time, microseconds since the epoch.
    pub at_us: i64,
    /// The last log batch that counts.
    pub upto: BatchOrdinal,
    /// Tables that the tag was made for.
    pub tables: usize,
    /// Those of them that have it.
    pub tagged: usize,
}

impl ListedTag {
    pub fn is_complete(&self) -> bool {
        self.tagged == self.tables
    }
}

/// The tagged moments of these tables, by name and then by table.
pub async fn list(lake: &Lake, tables: &BTreeSet<TableName>) -> Result<Vec<ListedTag>> {
    let everywhere = tagged_tables(lake, lake.catalog.list().await?.into_iter().filter(|name| name.mirror().is_none())).await?;
    let mut tagged: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, moment) in everywhere.iter().filter(|(table, moment)| moment.record.tables.contains_key(table)) {
        *tagged.entry(&moment.record.id).or_default() += 1;
    }
    let listed = |(table, moment): &(TableName, TaggedMoment)| ListedTag {
        name: moment.name.clone(),
        table: table.clone(),
        version: moment.version,
        at_us: moment.record.at_us,
        upto: moment.record.tables.get(table).copied().unwrap_or_default(),
        tables: moment.record.tables.len(),
        tagged: tagged.get(moment.record.id.as_str()).copied().unwrap_or_default(),
    };
    let mut rows: Vec<ListedTag> = everywhere.iter().filter(|(table, _)| tables.contains(table)).map(listed).collect();
    rows.sort_by(|a, b| (&a.name, &a.table).cmp(&(&b.name, &b.table)));
    Ok(rows)
}

/// Removes a tag from those of the tables that have it, and returns them.
pub async fn delete(lake: &Lake, name: &str, tables: &BTreeSet<TableName>) -> Result<Vec<TableName>> {
    check_name(name)?;
    let mut removed = Vec::new();
    for table in tables {
        let Some(format) = lake.catalog.open(table).await? else { continue };
        let has_tag = format.head().await?.refs.get(name).is_some_and(|reference| reference.kind == RefKind::Tag);
        if has_tag {
            set_tag(&format, name, None).await.map_err(|e| e.with("table", table))?;
            removed.push(table.clone());
        }
    }
    if removed.is_empty() {
        return Err(Error::not_found("no table has such a tag").with("tag", name));
    }
    Ok(removed)
}

/// Every tagged moment of the tables that are there.
async fn tagged_tables(lake: &Lake, tables: impl Iterator<Item = TableName>) -> Result<Vec<(TableName, TaggedMoment)>> {
    let read = |table: TableName| async move {
        let Some(format) = lake.catalog.open(&table).await? else { return Ok(Vec::new()) };
        let format: Arc<dyn TableFormat> = format;
        let moments = tagged_moments(&format.head().await?).map_err(|e| e.with("table", &table))?;
        Ok::<_, Error>(moments.into_iter().map(|moment| (table.clone(), moment)).collect())
    };
    let found: Vec<Vec<_>> = stream::iter(tables.map(read).collect::<Vec<_>>()).buffered(CONCURRENT_TABLES).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
