//! Load: a full dump becomes a table's baseline, the state at its own time.

mod agreement;
mod baseline;
mod destination;
mod dump;
mod rows;

use std::time::Duration;

use serde::Serialize;
use waterline_core::change::logged_keys;
use waterline_core::dump::DumpFormat;
use waterline_core::error::{Error, Result};
use waterline_core::moments::DumpMoment;
use waterline_core::table::TableName;

pub use self::baseline::Landed;
use self::baseline::WrittenDump;
use self::destination::Destination;
use crate::ingest::{SchemaSource, list_files};
use crate::lake::{Lake, Limits};
use crate::merge::baseline::adopt;
use crate::merge::{MergeCounts, catch_up};
use crate::progress::Progress;
use crate::tables::{TableSettings, open_pair};

#[derive(Clone, Debug)]
pub struct LoadRequest {
    pub table: TableName,
    pub paths: Vec<String>,
    pub format: DumpFormat,
    pub at: DumpMoment,
    pub schema: SchemaSource,
    pub settings: TableSettings,
    pub existing: Existing,
    pub limits: Limits,
}

/// What a dump does that differs from what the table is known to have been at the dump's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    /// The dump counts from its time on, up to the next one.
    Supersede,
}

#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    pub table: TableName,
    pub landed: Landed,
    /// In the dump.
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub took: Duration,
    /// Events after the dump's time that were logged before.
    pub merge: MergeCounts,
}

/// Makes the dump a baseline: of the table itself, whose rows then are the dump's with the logged events that are newer, or of
/// an older epoch, which leaves the table as it is.
pub async fn load(lake: &Lake, request: &LoadRequest, progress: &dyn Progress) -> Result<LoadReport> {
    let started = lake.env.clock.now_us();
    if request.at.at_us > started {
        return Err(Error::usage("the dump's time lies in the future").with("table", &request.table));
    }
    let of_table = |e: Error| e.with("table", &request.table);
    let mut files = Vec::new();
    for path in &request.paths {
        files.extend(list_files(&lake.env, path).await?.into_iter().map(|landing| landing.file));
    }
    let schema = dump::schema_of(lake, request, &files).await?;
    let destination = Destination::find(lake, request, &schema).await?;
    progress.begin("loading", Some(files.iter().map(|file| file.size_bytes).sum()));
    let written = dump::write(lake, request, destination.state(), &files, progress).await;
    progress.end();
    let files = written.map_err(of_table)?;
    let pair = destination.pair(lake, request, &schema).await?;
    let dump = WrittenDump { lake, request, files: &files };
    let landed = dump.land(&pair).await.map_err(of_table)?;
    let merge = match landed {
        Landed::Table => catch_up(lake, &pair, None, &request.limits).await?,
        Landed::Aside | Landed::Known => MergeCounts::default(),
    };
    Ok(LoadReport {
        table: request.table.clone(),
        landed,
        rows: files.iter().map(|file| file.record_count).sum(),
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.size_bytes).sum(),
        took: Duration::from_micros((lake.env.clock.now_us() - started).max(0).cast_unsigned()),
        merge,
    })
}

/// Takes the rows that a table of another writer has now as its state at `at_us`, and folds what is logged and newer. A table
/// without a key gets that of the settings.
pub async fn adopt_table(lake: &Lake, table: &TableName, at_us: i64, settings: &TableSettings, limits: &Limits) -> Result<MergeCounts> {
    let mirror = lake.table(table).await?;
    let base = mirror.head().await?;
    let keys = settings.keys.as_deref().filter(|_| base.keys.is_empty()).unwrap_or_default();
    if !keys.is_empty() {
        ensure_logged(lake, table).await?;
    }
    adopt(lake, &mirror, &base, Some(at_us), keys).await?;
    let pair = open_pair(lake, table, settings).await?.ok_or_else(|| Error::not_found("the table went away").with("table", table))?;
    catch_up(lake, &pair, None, limits).await
}

/// Fails where a changelog is there that knows of no key.
async fn ensure_logged(lake: &Lake, table: &TableName) -> Result<()> {
    let Some(changelog) = lake.catalog.open(&table.changelog()).await? else { return Ok(()) };
    match logged_keys(&changelog.head().await?.schema) {
        Some(_) => Ok(()),
        None => Err(Error::usage("the table was taken over without a key before; remove its changelog to take it over with one")
            .with("table", table)
            .with("changelog", changelog.name())),
    }
}
