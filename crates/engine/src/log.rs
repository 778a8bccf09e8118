//! Log: a batch of events becomes a commit of the changelog, together with the source positions (commit 1).

mod domains;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use waterline_core::change::{BATCH, ChangeBatch, DOMAIN, INGESTED_AT, Op, SEQUENCE};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, Commit, FilePruner, FileSummary, Operation, TableFormat, TableState};
use waterline_core::positions::SourcePositions;
use waterline_core::record::{BatchOrdinal, LOG, LogHeader, NewestTransaction, SnapshotRun, log_header};
use waterline_core::sequence::{Domain, position_of};
use waterline_core::transactions::raise_newest;
use waterline_core::value::Value;

pub(crate) use self::domains::{Misplaced, misplaced};
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, given_up};
use crate::lake::Lake;
use crate::locate::columns_by_name;
use crate::parquet_io::Rows;
use crate::write::DataWriter;

/// What is to be logged.
pub struct LogEntry {
    /// In the layout of the changelog, not numbered yet. May be empty.
    pub events: ChangeBatch,
    /// Where reading began: the header that the positions were read from.
    pub planned_on: LogHeader,
    pub positions: SourcePositions,
    pub progress: Progress,
    pub quarantined: u64,
    /// Events whose transaction may be logged under more than one time.
    pub torn: u64,
    /// Reads of the complete snapshot run that the last event ends.
    pub ended_run: Option<u64>,
}

/// What is known of the source's progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub frontiers: BTreeMap<String, i64>,
    pub complete_until_us: Option<i64>,
    pub watermark_us: Option<i64>,
    /// The earliest event time that the source sent.
    pub since_us: Option<i64>,
    pub newest_transactions: BTreeMap<Domain, NewestTransaction>,
}

/// A batch that is in the changelog.
#[derive(Debug)]
pub struct LoggedBatch {
    pub header: LogHeader,
    /// The newest batch with events before this one.
    pub previous_with_events: BatchOrdinal,
    /// As logged, without repeats.
    pub events: ChangeBatch,
    pub repeated: u64,
    pub files: u64,
    pub bytes: u64,
}

#[must_use]
#[derive(Debug)]
pub enum Logged {
    Committed(Box<LoggedBatch>),
    /// Another process logged from the same positions: read them anew and start from there.
    Moved,
}

/// Appends a batch. Every attempt checks that the changelog still stands where the batch was read from.
pub async fn log(lake: &Lake, changelog: &Arc<dyn TableFormat>, entry: &LogEntry) -> Result<Logged> {
    let mut base = changelog.head().await?;
    let (events, too_late) = without_too_late(&log_header(&base)?, &entry.events)?;
    let (events, repeated) = without_repeats(lake, changelog, &base, &events).await?;
    let left_out = LeftOut { repeated, too_late };
    for _ in 0..MAX_ATTEMPTS {
        let parent = log_header(&base)?;
        if parent.batch != entry.planned_on.batch {
            return Ok(Logged::Moved);
        }
        let now_us = lake.env.clock.now_us().max(base.history.iter().map(|v| v.committed_at_ms + 1).max().unwrap_or(0) * 1000);
        let batch = numbered(&events, parent.batch.next(), now_us)?;
        let mut writer = DataWriter::new(&lake.env, &base)?;
        writer.write(batch.batch()).await?;
        let add = writer.finish().await?;
        let header = next_header(&parent, &batch, entry, left_out, write_positions(lake, &base, entry).await?)?;
        let json = header.to_json()?;
        let commit = Commit {
            summary: BTreeMap::from([(LOG.to_owned(), json.clone())]),
            properties: BTreeMap::from([(LOG.to_owned(), json)]),
            add,
            ..Commit::new(lake.env.ids.uuid().to_string(), Operation::Append, now_us / 1000)
        };
        match attempt(changelog, &base, &commit).await? {
            Attempt::Committed(_) => {
                let (files, bytes) = (commit.add.len() as u64, commit.add.iter().map(|f| f.size_bytes).sum());
                return Ok(Logged::Committed(Box::new(LoggedBatch {
                    header,
                    previous_with_events: parent.last_with_events,
                    events: batch,
                    repeated,
                    files,
                    bytes,
                })));
            }
            Attempt::Lost(state) => base = state,
        }
    }
    Err(given_up(changelog))
}

/// Events that are not logged.
#[derive(Clone, Copy)]
struct LeftOut {
    repeated: u64,
    too_late: u64,
}

fn next_header(
    parent: &LogHeader,
    events: &ChangeBatch,
    entry: &LogEntry,
    left_out: LeftOut,
    positions: Option<String>,
) -> Result<LogHeader> {
    let mut header = parent.clone();
    header.batch = parent.batch.next();
    if !events.is_empty() {
        header.last_with_events = header.batch;
    }
    header.positions = positions.or(header.positions);
    let identities = (0..events.len()).map(|row| (events.domains().value(row), events.sequences().value(row)));
    header.counts.late += identities.clone().filter(|(domain, sequence)| parent.sequence_max.is_late(domain, sequence)).count() as u64;
    header.sequence_max.raise(identities);
    header.event_time_max_us = header.event_time_max_us.max(arrow::compute::max(events.event_times()));
    header.counts.events += events.len() as u64;
    header.counts.truncates += (0..events.len()).filter(|row| events.ops().value(*row) == Op::Truncate.as_str()).count() as u64;
    header.counts.continued_rows += (0..events.len()).filter(|row| events.continues_row(*row)).count() as u64;
    header.counts.repeated += left_out.repeated;
    header.counts.too_late += left_out.too_late;
    header.counts.quarantined += entry.quarantined;
    header.counts.torn += entry.torn.min(events.len() as u64);
    if let Some(watermark) = parent.watermark_us {
        header.counts.below_watermark += events.event_times().iter().flatten().filter(|time| *time <= watermark).count() as u64;
    }
    let ended = entry.ended_run.and_then(|reads| ended_run(&entry.events, reads, &header));
    if let Some(run) = ended.filter(|run| !header.has_run(run)) {
        header.runs.push(run);
    }
    // Of a table with several domains a run holds a part only.
    if header.sequence_max.domains().count() > 1 {
        header.runs.clear();
    }
    header.frontiers.extend(entry.progress.frontiers.clone());
    header.complete_until_us = header.complete_until_us.max(entry.progress.complete_until_us);
    header.watermark_us = header.watermark_us.max(entry.progress.watermark_us);
    for (domain, transaction) in &entry.progress.newest_transactions {
        raise_newest(&mut header.newest_transactions, domain, transaction);
    }
    header.since_us = header.known_since(entry.progress.since_us);
    Ok(header)
}

/// The run that ends with the last event, by the header of the batch so far.
fn ended_run(events: &ChangeBatch, reads: u64, header: &LogHeader) -> Option<SnapshotRun> {
    let last = events.len().checked_sub(1)?;
    Some(SnapshotRun {
        domain: Domain(events.domains().value(last).to_owned()),
        position: position_of(events.sequences().value(last)).to_owned(),
        at_us: events.event_times().value(last),
        reads,
        batch: header.batch,
        begins_log: reads == header.counts.events,
    })
}

/// Whether logging would say anything new.
pub fn is_news(parent: &LogHeader, entry: &LogEntry) -> bool {
    !entry.events.is_empty()
        || entry.quarantined > 0
        || entry.progress.complete_until_us > parent.complete_until_us
        || entry.progress.watermark_us > parent.watermark_us
        || parent.known_since(entry.progress.since_us) != parent.since_us
        || entry.progress.frontiers.iter().any(|(partition, time)| parent.frontiers.get(partition).is_none_or(|known| time > known))
}

async fn write_positions(lake: &Lake, base: &TableState, entry: &LogEntry) -> Result<Option<String>> {
    let url = format!("{}/metadata/positions-{}.json", base.own_folder, lake.env.ids.uuid());
    let (store, path) = lake.env.stores.resolve(&url)?;
    let bytes = entry.positions.to_json()?;
    store
        .put(&path, bytes.into())
        .await
        .map_err(|e| Error::unavailable("cannot write the source positions").with("file", &url).caused_by(e))?;
    Ok(Some(url))
}

/// The positions that a header names; empty for the first batch.
pub async fn read_positions(lake: &Lake, header: &LogHeader) -> Result<SourcePositions> {
    let Some(url) = &header.positions else { return Ok(SourcePositions::default()) };
    let (store, path) = lake.env.stores.resolve(url)?;
    let read = async { store.get(&path).await?.bytes().await };
    match read.await {
        Ok(bytes) => SourcePositions::from_json(&bytes).map_err(|e| e.with("file", url)),
        // Reading everything again is slow, but right: events are known by their identity.
        Err(object_store::Error::NotFound { .. }) => {
            tracing::warn!(file = %url, "the source positions are gone; reading the source from its start");
            Ok(SourcePositions::default())
        }
        Err(e) => Err(Error::unavailable("cannot read the source positions").with("file", url).caused_by(e)),
    }
}

fn numbered(events: &ChangeBatch, ordinal: BatchOrdinal, ingested_at_us: i64) -> Result<ChangeBatch> {
    let batch = events.batch();
    let columns = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| -> ArrayRef {
            match field.name().as_str() {
                BATCH => Arc::new(Int64Array::from(vec![ordinal.0; events.len()])),
                INGESTED_AT => Arc::new(TimestampMicrosecondArray::from(vec![ingested_at_us; events.len()]).with_timezone("UTC")),
                _ => column.clone(),
            }
        })
        .collect();
    ChangeBatch::try_new(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Leaves out events whose time has been trimmed (DESIGN.md rule 21). They may even have been logged once: that cannot be told any more.
fn without_too_late(header: &LogHeader, events: &ChangeBatch) -> Result<(ChangeBatch, u64)> {
    let Some(trim) = header.trimmed else { return Ok((events.clone(), 0)) };
    let keep: BooleanArray = events.event_times().values().iter().map(|time| Some(*time > trim.until_us)).collect();
    let too_late = (keep.len() - keep.true_count()) as u64;
    Ok((ChangeBatch::try_new(filter_record_batch(events.batch(), &keep)?)?, too_late))
}

/// Leaves out events that the changelog holds already, or that come twice in the batch (DESIGN.md rule 2).
async fn without_repeats(
    lake: &Lake,
    changelog: &Arc<dyn TableFormat>,
    base: &TableState,
    events: &ChangeBatch,
) -> Result<(ChangeBatch, u64)> {
    let header = log_header(base)?;
    let (domains, sequences) = (events.domains(), events.sequences());
    let suspects: HashSet<(&str, &str)> = (0..events.len())
        .map(|row| (domains.value(row), sequences.value(row)))
        .filter(|(d, s)| header.sequence_max.may_hold(d, s))
        .collect();
    let logged = if suspects.is_empty() { HashSet::new() } else { logged_already(lake, changelog, base, &header, &suspects).await? };
    let mut seen = HashSet::with_capacity(events.len());
    let keep: BooleanArray = (0..events.len())
        .map(|row| {
            let identity = (domains.value(row), sequences.value(row));
            Some(seen.insert(identity) && (logged.is_empty() || !logged.contains(&(identity.0.to_owned(), identity.1.to_owned()))))
        })
        .collect();
    let repeated = events.len() - keep.true_count();
    if repeated == 0 {
        return Ok((events.clone(), 0));
    }
    Ok((ChangeBatch::try_new(filter_record_batch(events.batch(), &keep)?)?, repeated as u64))
}

/// Those of the identities that the changelog holds in batches that count. Reads three columns of the files whose bounds reach them.
async fn logged_already(
    lake: &Lake,
    changelog: &Arc<dyn TableFormat>,
    base: &TableState,
    header: &LogHeader,
    suspects: &HashSet<(&str, &str)>,
) -> Result<HashSet<(String, String)>> {
    let first = suspects.iter().map(|(_, sequence)| *sequence).min().unwrap_or_default().to_owned();
    let last = suspects.iter().map(|(_, sequence)| *sequence).max().unwrap_or_default().to_owned();
    let files = changelog.data_files(base, &SequenceRange { first, last }).await?;
    let columns = columns_by_name(base, [DOMAIN, SEQUENCE, BATCH].into_iter())?;
    let mut found = HashSet::new();
    for file in files {
        let opened = lake.files.open_data_file(base, &file).await?;
        let mut batches = opened.read(&columns, Rows::All, 1 << 16).await?;
        while let Some(batch) = batches.try_next().await? {
            let (domains, sequences) = (text(&batch, 0)?, text(&batch, 1)?);
            let counts: Vec<bool> = ordinals(&batch, 2)?.values().iter().map(|batch| !header.rollbacks.void(*batch)).collect();
            let identities = domains.iter().flatten().zip(sequences.iter().flatten()).zip(counts);
            let identities = identities.filter(|(_, counts)| *counts).map(|(identity, _)| identity);
            found.extend(identities.filter(|identity| suspects.contains(identity)).map(|(d, s)| (d.to_owned(), s.to_owned())));
        }
    }
    Ok(found)
}

fn ordinals(batch: &RecordBatch, column: usize) -> Result<&Int64Array> {
    use arrow::array::AsArray;
    batch.column(column).as_primitive_opt().ok_or_else(|| Error::corrupt("a changelog's `_batch` is no number"))
}

fn text(batch: &RecordBatch, column: usize) -> Result<&arrow::array::StringArray> {
    use arrow::array::AsArray;
    batch.column(column).as_string_opt().ok_or_else(|| Error::corrupt("a changelog's system column is not text"))
}

/// Files that may hold a sequence of a range. Bounds of text are cut, so they are compared as prefixes.
struct SequenceRange {
    first: String,
    last: String,
}

impl FilePruner for SequenceRange {
    fn keep(&self, file: &FileSummary) -> bool {
        let Some(Bounds { lower, upper }) = file.bounds.get(SEQUENCE) else { return true };
        let above = matches!(upper, Some(Value::Text(upper)) if upper.as_str() < self.first.as_str());
        let below = matches!(lower, Some(Value::Text(lower)) if lower.as_str() > self.last.as_str());
        !above && !below
    }
}
