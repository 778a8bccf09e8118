//! Load: a full dump becomes a table's baseline, the state at its own time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use waterline_core::dump::DumpFormat;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{Commit, NewDataFile, Operation, Removal, TableFormat, TableState, table_schema};
use waterline_core::moments::DumpMoment;
use waterline_core::record::{Baseline, BatchOrdinal, Kind, RECORD, Record, record_of};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;

use crate::bytes_in::InputFile;
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, given_up};
use crate::dump::{batches, shown_fields};
use crate::ingest::{SchemaSource, list_files};
use crate::lake::{Lake, Limits};
use crate::merge::baseline::{adopt, anchor_of};
use crate::merge::{MergeCounts, catch_up};
use crate::progress::Progress;
use crate::tables::{TableSettings, grow_pair, open_or_create_pair, open_pair};
use crate::write::DataWriter;

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

/// What a dump does to a table that has a state at the dump's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    /// The dump counts from its time on, whatever was there.
    Supersede,
}

#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    pub table: TableName,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub took: Duration,
    /// Events after the dump's time that were logged before.
    pub merge: MergeCounts,
}

/// Replaces the table's rows with those of the dump, as a baseline; then folds the logged events that are newer.
pub async fn load(lake: &Lake, request: &LoadRequest, progress: &dyn Progress) -> Result<LoadReport> {
    let started = lake.env.clock.now_us();
    if request.at.at_us > started {
        return Err(Error::usage("the dump's time lies in the future").with("table", &request.table));
    }
    let mut files = Vec::new();
    for path in &request.paths {
        files.extend(list_files(&lake.env, path).await?.into_iter().map(|landing| landing.file));
    }
    let schema = schema_of(lake, request, &files).await?;
    let pair = match open_pair(lake, &request.table, &request.settings).await? {
        Some(pair) => {
            check_epoch(&pair.mirror.head().await?, request)?;
            grow_pair(&pair, &schema).await?;
            pair
        }
        None => open_or_create_pair(lake, &request.table, &schema, &request.settings).await?,
    };
    let state = pair.mirror.head().await?;
    progress.begin("loading", Some(files.iter().map(|file| file.size_bytes).sum()));
    let written = write_dump(lake, request, &state, &files, progress).await;
    progress.end();
    let add = written.map_err(|e| e.with("table", &request.table))?;
    let mut report = LoadReport {
        table: request.table.clone(),
        rows: add.iter().map(|file| file.record_count).sum(),
        files: add.len() as u64,
        bytes: add.iter().map(|file| file.size_bytes).sum(),
        took: Duration::ZERO,
        merge: MergeCounts::default(),
    };
    commit_baseline(lake, &pair.mirror, request, &add).await?;
    report.merge = catch_up(lake, &pair, None, &request.limits).await?;
    report.took = Duration::from_micros((lake.env.clock.now_us() - started).max(0).cast_unsigned());
    Ok(report)
}

/// Takes the rows that a table of another writer has now as its state at `at_us`, and folds what is logged and newer.
pub async fn adopt_table(lake: &Lake, table: &TableName, at_us: i64, settings: &TableSettings, limits: &Limits) -> Result<MergeCounts> {
    let pair = open_pair(lake, table, settings)
        .await?
        .ok_or_else(|| Error::not_found("there is no such table in the catalog").with("table", table))?;
    adopt(lake, &pair.mirror, &pair.mirror.head().await?, Some(at_us)).await?;
    catch_up(lake, &pair, None, limits).await
}

/// A dump inside of what the table already answers would change answers (DESIGN.md rule 10).
fn check_epoch(state: &TableState, request: &LoadRequest) -> Result<()> {
    let Some(record) = record_of(state)? else { return Ok(()) };
    let answered = record.event_time_max_us.max(record.baseline.at_us);
    if request.existing == Existing::Refuse && answered.is_some_and(|newest| newest > request.at.at_us) {
        return Err(Error::new(
            ErrorKind::NotAnswerable,
            "the table has newer events than the dump; `--supersede` makes the dump count from its time on",
        )
        .with("table", &request.table));
    }
    Ok(())
}

async fn commit_baseline(lake: &Lake, mirror: &Arc<dyn TableFormat>, request: &LoadRequest, add: &[NewDataFile]) -> Result<()> {
    let mut base = mirror.head().await?;
    for _ in 0..MAX_ATTEMPTS {
        check_epoch(&base, request)?;
        let anchor = anchor_of(request.at.at_us);
        let record = Record {
            kind: Kind::Baseline,
            baseline: Baseline { at_us: Some(request.at.at_us), until_us: request.at.until_us, anchor: Some(anchor.clone()), run: None },
            // Whatever was logged is folded anew, as far as it is newer than the dump.
            folded: BatchOrdinal(0),
            ..record_of(&base)?.map_or_else(Record::initial, |known| Record { lineage: known.lineage, ..Record::initial() })
        };
        let json = record.to_json()?;
        let commit = Commit {
            commit_id: lake.env.ids.uuid().to_string(),
            operation: if base.version.is_some() { Operation::Overwrite } else { Operation::Append },
            add: add.to_vec(),
            delete_rows: BTreeMap::new(),
            remove: if base.version.is_some() { Removal::All } else { Removal::Nothing },
            summary: BTreeMap::from([(RECORD.to_owned(), json.clone())]),
            properties: BTreeMap::from([(RECORD.to_owned(), json)]),
            tags: vec![anchor],
            now_ms: lake.env.clock.now_ms(),
        };
        match attempt(mirror, &base, &commit).await? {
            Attempt::Committed => return Ok(()),
            Attempt::Lost(state) => base = state,
        }
    }
    Err(given_up(mirror))
}

/// The declared schema; else the table's own, grown by the dump's; else the dump's.
async fn schema_of(lake: &Lake, request: &LoadRequest, files: &[InputFile]) -> Result<TableSchema> {
    if let Some(declared) = request.schema.declared(&request.table, &request.settings)? {
        return Ok(declared);
    }
    let known = match lake.catalog.open(&request.table).await? {
        Some(table) => Some(table_schema(&table.head().await?)?),
        None => None,
    };
    let fields = match (&request.format, known) {
        (DumpFormat::Csv(_) | DumpFormat::JsonLines(_), Some(known)) => return Ok(known),
        (format, known) => {
            let fields = shown_fields(lake, format, files).await?;
            match known {
                Some(known) => return Ok(known.evolve(&TableSchema::new(fields, Vec::new())?)?.unwrap_or(known)),
                None => fields,
            }
        }
    };
    TableSchema::new(fields, request.settings.keys.clone().unwrap_or_default())
}

/// Writes the files of the dump, one per core at a time.
async fn write_dump(
    lake: &Lake,
    request: &LoadRequest,
    state: &TableState,
    files: &[InputFile],
    progress: &dyn Progress,
) -> Result<Vec<NewDataFile>> {
    let schema = table_schema(state)?;
    let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
    let write = |file: InputFile| {
        let (lake, state, schema, format) = (lake.clone(), state.clone(), schema.clone(), request.format.clone());
        tokio::spawn(async move { write_file(&lake, &state, &schema, &format, &file).await.map(|added| (file.size_bytes, added)) })
    };
    let mut writes = stream::iter(files.iter().cloned().map(write)).buffered(concurrency);
    let mut added = Vec::new();
    while let Some(written) = writes.next().await {
        let (bytes, files) = written.map_err(|e| Error::internal("loading a file stopped").caused_by(e))??;
        progress.advance(bytes, files.iter().map(|file| file.record_count).sum());
        added.extend(files);
    }
    Ok(added)
}

async fn write_file(
    lake: &Lake,
    state: &TableState,
    schema: &TableSchema,
    format: &DumpFormat,
    file: &InputFile,
) -> Result<Vec<NewDataFile>> {
    let mut writer = DataWriter::new(&lake.env, state)?;
    let mut rows = batches(lake, schema, format, file).await.map_err(|e| e.with("file", &file.url))?;
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch).await?;
    }
    writer.finish().await
}
