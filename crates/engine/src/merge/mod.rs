//! Merge: folds what the changelog holds beyond the mirror into one snapshot of the mirror at a time (commit 2).

mod append;
pub(crate) mod baseline;
mod events;
mod keyed;
mod refold;
mod relocate;
mod rewrite;
pub(crate) mod rollback;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roaring::RoaringTreemap;
use waterline_core::change::Op;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{Commit, DataFile, NewDataFile, Operation, Removal, TableFormat, TableState, Target};
use waterline_core::record::{FIRST_LINEAGE, Kind, LogHeader, RECORD, Record, log_header, record_of};
use waterline_core::schema::TableSchema;

use self::events::Pending;
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, given_up};
use crate::lake::{Lake, Limits};
use crate::log::LoggedBatch;

/// A mirror and its changelog.
#[derive(Clone, Debug)]
pub struct Pair {
    pub mirror: Arc<dyn TableFormat>,
    pub changelog: Arc<dyn TableFormat>,
}

/// What merges did to a mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MergeCounts {
    pub commits: u64,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    pub late: u64,
    /// Unset columns that had no row to take their value from.
    pub unresolved: u64,
    pub files: u64,
    pub bytes: u64,
    pub stages: Stages,
}

/// Time per stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stages {
    pub collapse: Duration,
    pub locate: Duration,
    pub write: Duration,
    pub commit: Duration,
}

impl std::ops::AddAssign for MergeCounts {
    fn add_assign(&mut self, more: Self) {
        self.commits += more.commits;
        self.inserted += more.inserted;
        self.updated += more.updated;
        self.deleted += more.deleted;
        self.late += more.late;
        self.unresolved += more.unresolved;
        self.files += more.files;
        self.bytes += more.bytes;
        self.stages.collapse += more.stages.collapse;
        self.stages.locate += more.stages.locate;
        self.stages.write += more.stages.write;
        self.stages.commit += more.stages.commit;
    }
}

impl Stages {
    pub fn total(&self) -> Duration {
        self.collapse + self.locate + self.write + self.commit
    }
}

/// Folds everything that is logged. `logged` may hold the newest batch, so that it need not be read again.
pub async fn catch_up(lake: &Lake, pair: &Pair, logged: Option<&LoggedBatch>, limits: &Limits) -> Result<MergeCounts> {
    let mut counts = MergeCounts::default();
    let mut lost = 0;
    while lost < MAX_ATTEMPTS {
        let base = pair.mirror.head().await?;
        let Some(record) = mirror_record(&pair.mirror, &base)? else {
            baseline::adopt(lake, &pair.mirror, &base, None, &[]).await?;
            lost += 1;
            continue;
        };
        // What was logged may have been taken back since then.
        let logged = logged.filter(|batch| record.lineage <= batch.header.rollbacks.newest_lineage().unwrap_or(FIRST_LINEAGE));
        let log = match logged {
            Some(batch) => Log { header: batch.header.clone(), state: None },
            None => Log::read(&pair.changelog).await?,
        };
        if let Some(rollback) = log.header.rollbacks.pending(&record) {
            rollback::go_back(lake, pair, &base, rollback).await?;
            lost += 1;
            continue;
        }
        if let Some(trim) = log.header.trimmed.filter(|trim| trim.is_ahead_of(&record)) {
            baseline::follow(lake, pair, &base, &record, &trim).await?;
            lost += 1;
            continue;
        }
        // A batch of progress alone makes no snapshot, unless it completes a run.
        let has_news = log.header.last_with_events > record.folded;
        let new_run = log.header.run_after(&record);
        if let Some(run) = new_run.filter(|run| !record.is_initial() || record.folded >= run.batch || !has_news) {
            baseline::take_run(lake, pair, &base, &record, run).await?;
            lost += 1;
            continue;
        }
        let pending = match logged {
            _ if !has_news => return Ok(counts),
            Some(batch) if batch.previous_with_events <= record.folded && record.folded < batch.header.batch => Pending::of_batch(batch),
            _ => {
                let last = new_run.map_or(log.header.batch, |run| run.batch);
                let state = match log.state {
                    Some(state) => state,
                    None => pair.changelog.head().await?,
                };
                events::read(lake, &pair.changelog, &state, record.folded, last, limits).await?
            }
        };
        let fold = Fold::new(lake, pair, base, record, &pending, limits)?;
        match fold.run(&mut counts).await? {
            Attempt::Committed(_) => lost = 0,
            Attempt::Lost(_) => lost += 1,
        }
        if logged.is_some_and(|batch| batch.header.batch == pending.upto && batch.header.runs.is_empty()) && lost == 0 {
            return Ok(counts);
        }
    }
    Err(given_up(&pair.mirror))
}

/// How the changelog stands.
struct Log {
    header: LogHeader,
    /// Unless only the header is known.
    state: Option<TableState>,
}

impl Log {
    async fn read(changelog: &Arc<dyn TableFormat>) -> Result<Self> {
        let state = changelog.head().await?;
        Ok(Self { header: log_header(&state)?, state: Some(state) })
    }
}

/// The record of a mirror that Waterline may merge into; `None` for a table of another writer that it never wrote.
pub fn mirror_record(mirror: &Arc<dyn TableFormat>, state: &TableState) -> Result<Option<Record>> {
    if state.version.is_none() {
        return Ok(Some(Record::initial()));
    }
    let record = record_of(state)?;
    if record.is_none() && !state.properties.contains_key(RECORD) {
        return Ok(None);
    }
    record.map(Some).ok_or_else(|| {
        Error::new(ErrorKind::NotAnswerable, "another writer changed the rows of this table; load it as a baseline with its time (`waterline load TABLE --adopt --at T`) before merging")
            .with("table", mirror.name())
    })
}

/// One commit to be: events to fold onto a state of the mirror.
pub(crate) struct Fold<'a> {
    lake: &'a Lake,
    pair: &'a Pair,
    base: TableState,
    record: Record,
    schema: TableSchema,
    pending: &'a Pending,
    limits: Limits,
}

/// What a fold does to the files of the mirror.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub add: Vec<NewDataFile>,
    /// Files with rows that go, by path.
    pub touched: BTreeMap<String, TouchedFile>,
    pub remove: Removal,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    pub late: u64,
    pub unresolved: u64,
}

/// A data file some of whose rows go.
#[derive(Debug)]
pub(crate) struct TouchedFile {
    pub file: DataFile,
    pub deleted_before: RoaringTreemap,
    pub rows: RoaringTreemap,
}

impl<'a> Fold<'a> {
    fn new(lake: &'a Lake, pair: &'a Pair, base: TableState, record: Record, pending: &'a Pending, limits: &Limits) -> Result<Self> {
        let schema = waterline_core::format::table_schema(&base)?;
        Ok(Self { lake, pair, base, record, schema, pending, limits: *limits })
    }

    async fn run(&self, counts: &mut MergeCounts) -> Result<Attempt> {
        let mut change = if self.schema.keys().is_empty() {
            self.append(&mut counts.stages).await?
        } else {
            self.merge_keyed(&mut counts.stages).await?
        };
        let mut base = self.base.clone();
        for _ in 0..MAX_ATTEMPTS {
            base = match self.commit(&base, &change, counts).await? {
                Attempt::Committed(state) => return Ok(Attempt::Committed(state)),
                Attempt::Lost(state) => state,
            };
            let started = self.lake.env.clock.now_us();
            let is_relocated = self.relocate(&mut change, &base).await?;
            counts.stages.locate += self.since(started);
            if !is_relocated {
                break;
            }
        }
        Ok(Attempt::Lost(base))
    }

    async fn commit(&self, base: &TableState, change: &Change, counts: &mut MergeCounts) -> Result<Attempt> {
        let started = self.lake.env.clock.now_us();
        let record = self.next_record()?.to_json()?;
        let deletes = !change.touched.is_empty() || change.remove != Removal::Nothing;
        let commit = Commit {
            commit_id: self.lake.env.ids.uuid().to_string(),
            target: Target::Main,
            operation: if deletes { Operation::Overwrite } else { Operation::Append },
            summary: BTreeMap::from([(RECORD.to_owned(), record.clone())]),
            properties: BTreeMap::from([(RECORD.to_owned(), record)]),
            tags: Vec::new(),
            now_ms: self.lake.env.clock.now_ms(),
            add: change.add.clone(),
            delete_rows: change.touched.iter().map(|(path, touched)| (path.clone(), touched.rows.clone())).collect(),
            remove: change.remove.clone(),
        };
        let attempt = attempt(&self.pair.mirror, base, &commit).await?;
        counts.stages.commit += self.since(started);
        if let Attempt::Committed(_) = attempt {
            counts.commits += 1;
            counts.inserted += change.inserted;
            counts.updated += change.updated;
            counts.deleted += change.deleted;
            counts.late += change.late;
            counts.unresolved += change.unresolved;
            counts.files += commit.add.len() as u64;
            counts.bytes += commit.add.iter().map(|file| file.size_bytes).sum::<u64>();
        }
        Ok(attempt)
    }

    fn next_record(&self) -> Result<Record> {
        let events = &self.pending.events;
        let mut record = self.record.clone();
        record.kind = Kind::Merge;
        record.folded = self.pending.upto;
        let admitted = self.record.baseline.admitted(events)?;
        let folded = |row: &usize| admitted.value(*row);
        let times = (0..events.len()).filter(folded).map(|row| events.event_times().value(row));
        record.event_time_max_us = record.event_time_max_us.max(times.max());
        record.sequence_max.raise((0..events.len()).map(|row| (events.domains().value(row), events.sequences().value(row))));
        record.has_changes |= (0..events.len()).filter(folded).any(|row| events.ops().value(row) != Op::Read.as_str());
        Ok(record)
    }

    fn since(&self, started_us: i64) -> Duration {
        Duration::from_micros((self.lake.env.clock.now_us() - started_us).max(0).cast_unsigned())
    }
}
