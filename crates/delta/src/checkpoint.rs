//! Checkpoints (Delta protocol, "Checkpoints"): the actions of a version as rows of Parquet files. Read in every form, written
//! in the classic one.
//!
//! Rows become the JSON of the same actions, and the other way round, so that actions are parsed in one way only.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use waterline_core::error::{Error, Result};
use waterline_env::files::NewFile;

use crate::actions::Action;
use crate::interval::interval_ms;
use crate::log::{Log, parse_actions, version_of};
use crate::snapshot::Snapshot;

const CONCURRENT_READS: usize = 8;
const BATCH_ROWS: usize = 8192;
const READ_COLUMNS: [&str; 7] = ["txn", "add", "remove", "metaData", "protocol", "sidecar", "domainMetadata"];
const RETENTION: &str = "delta.deletedFileRetentionDuration";
const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// Names of the files of one checkpoint.
pub(crate) type CheckpointFiles = Vec<String>;

/// The checkpoints that are there with all of their parts.
pub(crate) fn complete<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<i64, CheckpointFiles> {
    let mut found: BTreeMap<i64, CheckpointFiles> = BTreeMap::new();
    let mut parts: BTreeMap<(i64, &str), Vec<String>> = BTreeMap::new();
    for name in names {
        let Some((version, rest)) = name.split_once(".checkpoint.").and_then(|(version, rest)| Some((version_of(version)?, rest))) else {
            continue;
        };
        match rest.split('.').collect::<Vec<_>>()[..] {
            ["parquet"] | [_, "parquet" | "json"] => drop(found.insert(version, vec![name.to_owned()])),
            [_, count, "parquet"] => parts.entry((version, count)).or_default().push(name.to_owned()),
            _ => {}
        }
    }
    for ((version, count), files) in parts {
        if count.parse() == Ok(files.len()) {
            found.entry(version).or_insert(files);
        }
    }
    found
}

/// All actions of a checkpoint, those of its sidecars too.
pub(crate) async fn read(log: &Log, names: &[String]) -> Result<Vec<Action>> {
    let mut actions = read_files(log, names.iter().map(|name| log.location(name)).collect()).await?;
    actions.extend(read_files(log, sidecars_of(log, &actions)?).await?);
    Ok(actions)
}

/// The locations of a checkpoint's sidecars.
pub(crate) async fn sidecars(log: &Log, names: &[String]) -> Result<Vec<String>> {
    sidecars_of(log, &read_files(log, names.iter().map(|name| log.location(name)).collect()).await?)
}

fn sidecars_of(log: &Log, actions: &[Action]) -> Result<Vec<String>> {
    let sidecars = actions.iter().filter_map(|action| action.sidecar.as_ref()).map(|sidecar| match sidecar.path.contains('/') {
        true => crate::paths::absolute(&log.root, &sidecar.path),
        false => Ok(log.location(&format!("_sidecars/{}", sidecar.path))),
    });
    sidecars.collect()
}

async fn read_files(log: &Log, locations: Vec<String>) -> Result<Vec<Action>> {
    let reads: Vec<_> = locations
        .into_iter()
        .map(|location| async move {
            let bytes = log.files.read(&location).await?;
            let parsed = if location.ends_with(".json") { parse_actions(&bytes) } else { parse_parquet(bytes) };
            parsed.map_err(|e| e.with("file", &location))
        })
        .collect();
    let parts: Vec<Vec<Action>> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
    Ok(parts.into_iter().flatten().collect())
}

fn parse_parquet(bytes: Bytes) -> Result<Vec<Action>> {
    let unreadable = |e: parquet::errors::ParquetError| Error::corrupt("a checkpoint cannot be read").caused_by(e);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(unreadable)?;
    let schema = builder.parquet_schema();
    let paths: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
    let has_stats = paths.iter().any(|path| path == "add.stats");
    let is_wanted = |path: &str| {
        let column = path.split('.').next().unwrap_or_default();
        let is_parsed = path.starts_with("add.partitionValues_parsed") || (has_stats && path.starts_with("add.stats_parsed"));
        READ_COLUMNS.contains(&column) && !is_parsed
    };
    let mask = ProjectionMask::leaves(schema, paths.iter().enumerate().filter(|(_, path)| is_wanted(path)).map(|(at, _)| at));
    let mut actions = Vec::new();
    for batch in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(unreadable)? {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write(&batch?)?;
        writer.finish()?;
        actions.extend(parse_actions(&writer.into_inner())?);
    }
    Ok(actions)
}

/// The bytes of a classic checkpoint, and how many actions it holds.
pub(crate) fn write(snapshot: &Snapshot, now_ms: i64) -> Result<(Vec<u8>, u64)> {
    let actions = actions_of(snapshot, now_ms);
    let unwritten = |e: parquet::errors::ParquetError| Error::internal("a checkpoint cannot be written").caused_by(e);
    let schema = schema();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(unwritten)?;
    let mut decoder = ReaderBuilder::new(schema).with_batch_size(BATCH_ROWS).build_decoder()?;
    for chunk in actions.chunks(BATCH_ROWS) {
        decoder.serialize(chunk)?;
        if let Some(batch) = decoder.flush()? {
            writer.write(&batch).map_err(unwritten)?;
        }
    }
    Ok((writer.into_inner().map_err(unwritten)?, actions.len() as u64))
}

/// What a snapshot is made of. Files that left stay for readers that are still at an older version.
pub(crate) fn actions_of(snapshot: &Snapshot, now_ms: i64) -> Vec<Action> {
    let oldest_ms = now_ms - retention_ms(snapshot);
    let removed = snapshot.removed.values().filter(|remove| remove.deletion_timestamp.is_some_and(|at| at > oldest_ms));
    let mut actions = vec![Action::from(snapshot.protocol.as_ref().clone()), Action::from(snapshot.table.raw.clone())];
    actions.extend(snapshot.transactions.values().cloned().map(Action::from));
    actions.extend(snapshot.domains.values().filter(|domain| !domain.removed).cloned().map(Action::from));
    actions.extend(removed.map(|remove| {
        let mut remove = remove.as_ref().clone();
        remove.data_change = false;
        Action::from(remove)
    }));
    actions.extend(snapshot.files.values().map(|file| {
        let mut add = file.add.clone();
        add.stats = file.stats().map(str::to_owned);
        add.data_change = false;
        Action::from(add)
    }));
    actions
}

/// A week, unless the table says otherwise in a way that is understood.
fn retention_ms(snapshot: &Snapshot) -> i64 {
    own_retention_ms(snapshot).unwrap_or(WEEK_MS)
}

/// How long files stay that left, where the table says it.
pub(crate) fn own_retention_ms(snapshot: &Snapshot) -> Option<i64> {
    interval_ms(snapshot.table.raw.configuration.get(RETENTION)?.as_deref()?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastCheckpoint {
    version: i64,
    size: u64,
    size_in_bytes: usize,
    num_of_add_files: usize,
}

/// Whether a checkpoint is the newest one, which readers look for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Newest,
    BelowOthers,
}

/// Writes a checkpoint of the snapshot.
pub(crate) async fn save(log: &Log, snapshot: &Snapshot, now_ms: i64, place: Place) -> Result<()> {
    let (bytes, size) = write(snapshot, now_ms)?;
    let version = snapshot.version;
    let last = LastCheckpoint { version, size, size_in_bytes: bytes.len(), num_of_add_files: snapshot.files.len() };
    let last = serde_json::to_vec(&last).map_err(|e| Error::internal("a checkpoint cannot be named").caused_by(e))?;
    log.files.write(&NewFile { location: log.location(&format!("{version:020}.checkpoint.parquet")), bytes: bytes.into() }).await?;
    if place == Place::BelowOthers {
        return Ok(());
    }
    log.files.write(&NewFile { location: log.location("_last_checkpoint"), bytes: last.into() }).await
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let int = |name: &str| Field::new(name, DataType::Int32, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let texts = |name: &str| Field::new(name, DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true);
    let map = |name: &str| {
        let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
        Field::new(name, DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false), true)
    };
    let group = |name: &str, fields: Vec<Field>| Field::new(name, DataType::Struct(fields.into()), true);
    let vector = || {
        let fields = vec![text("storageType"), text("pathOrInlineDv"), int("offset"), int("sizeInBytes"), long("cardinality")];
        group("deletionVector", fields)
    };
    Arc::new(Schema::new(vec![
        group("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        group(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                flag("dataChange"),
                text("stats"),
                map("tags"),
                vector(),
            ],
        ),
        group(
            "remove",
            vec![
                text("path"),
                long("deletionTimestamp"),
                flag("dataChange"),
                flag("extendedFileMetadata"),
                map("partitionValues"),
                long("size"),
                map("tags"),
                vector(),
            ],
        ),
        group(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                group("format", vec![text("provider"), map("options")]),
                text("schemaString"),
                texts("partitionColumns"),
                map("configuration"),
                long("createdTime"),
            ],
        ),
        group("protocol", vec![int("minReaderVersion"), int("minWriterVersion"), texts("readerFeatures"), texts("writerFeatures")]),
        group("domainMetadata", vec![text("domain"), text("configuration"), flag("removed")]),
    ]))
}

#[cfg(test)]
mod tests;
