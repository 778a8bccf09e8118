//! What a snapshot says of itself: the record of a mirror and the header of a log batch. Both are JSON in one summary
//! property, and the newest is also a table property, since summaries go with their snapshots.

use std::collections::BTreeMap;

use arrow::array::BooleanArray;
use serde::{Deserialize, Serialize};

use crate::change::{ChangeBatch, Op};
use crate::error::{Error, Result};
use crate::format::{TableState, VersionInfo};
use crate::rollbacks::Rollbacks;
use crate::sequence::{Domain, SequenceMax, position_of};
use crate::trim::Trim;

/// Summary and table property of a mirror's [`Record`].
pub const RECORD: &str = "waterline.record";
/// Summary and table property of a changelog's [`LogHeader`].
pub const LOG: &str = "waterline.log";
/// How the names of the tags begin that hold baselines.
pub const ANCHOR: &str = "waterline/";

/// Lineage of a mirror that was never rolled back.
pub const FIRST_LINEAGE: u64 = 1;

/// Ordinal of a log batch; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchOrdinal(pub i64);

impl BatchOrdinal {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How a mirror snapshot came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Baseline,
    Merge,
    Compaction,
    /// The rows of an older snapshot, which a new lineage goes on from.
    Rollback,
    /// The rows of its parent, on the baseline of a trim.
    Trim,
}

/// The state that a mirror's events fold onto.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Event times up to this one are part of the baseline. Microseconds since the epoch; `None`: no baseline, events fold onto an empty table.
    pub at_us: Option<i64>,
    /// End of the interval when the dump's moment is only known as one: no earlier moment is answered.
    pub until_us: Option<i64>,
    /// Tag of the anchor snapshot that holds the baseline's rows; `None` when there are none.
    pub anchor: Option<String>,
    /// The run of snapshot reads that it is made of, if it is.
    #[serde(default)]
    pub run: Option<RunBaseline>,
}

/// What of a run of snapshot reads is in a baseline: the reads that were logged up to a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBaseline {
    pub domain: Domain,
    /// Position that all reads of the run share, see [`crate::sequence`].
    pub position: String,
    pub upto: BatchOrdinal,
}

impl Baseline {
    pub const EMPTY: Self = Self { at_us: None, until_us: None, anchor: None, run: None };

    /// A complete run, and the reads of it that were logged up to a batch.
    pub fn of_run(run: &SnapshotRun, upto: BatchOrdinal, anchor: Option<String>) -> Self {
        let reads = RunBaseline { domain: run.domain.clone(), position: run.position.clone(), upto };
        Self { at_us: Some(run.at_us), until_us: None, anchor, run: Some(reads) }
    }

    pub(crate) fn is_of(&self, run: &SnapshotRun) -> bool {
        self.run.as_ref().is_some_and(|reads| reads.domain == run.domain && reads.position == run.position)
    }

    /// Whether events of this time fold onto the baseline (DESIGN.md rule 9).
    pub fn admits(&self, event_time_us: i64) -> bool {
        self.at_us.is_none_or(|at| event_time_us > at)
    }

    /// Which of the logged events fold onto the baseline: the newer ones, and what the run that it is made of lacks. That is the
    /// run's reads that were logged after it was taken, and other domains.
    pub fn admitted(&self, events: &ChangeBatch) -> Result<BooleanArray> {
        let newer = |row: usize| self.admits(events.event_times().value(row));
        let Some(run) = &self.run else { return Ok((0..events.len()).map(|row| Some(newer(row))).collect()) };
        let batches = events.batches()?;
        let is_lacking = |row: usize| {
            events.domains().value(row) != run.domain.0
                || events.ops().value(row) == Op::Read.as_str()
                    && position_of(events.sequences().value(row)) == run.position
                    && batches.value(row) > run.upto.0
        };
        Ok((0..events.len()).map(|row| Some(newer(row) || is_lacking(row))).collect())
    }
}

/// The record of a mirror snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub kind: Kind,
    pub lineage: u64,
    pub baseline: Baseline,
    /// Log batches up to this one are folded (V).
    pub folded: BatchOrdinal,
    /// Cumulative.
    pub event_time_max_us: Option<i64>,
    /// Of what was folded.
    pub sequence_max: SequenceMax,
    /// Whether anything but snapshot reads was folded since the baseline.
    pub has_changes: bool,
}

/// The header of a log batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHeader {
    pub batch: BatchOrdinal,
    /// The newest batch with events in it, this one included.
    pub last_with_events: BatchOrdinal,
    /// URL of the immutable file with the source positions.
    pub positions: Option<String>,
    /// Of what was logged.
    pub sequence_max: SequenceMax,
    pub event_time_max_us: Option<i64>,
    /// Newest in-order event time per source partition that feeds this table.
    pub frontiers: BTreeMap<String, i64>,
    /// What was stated with `--complete-until`.
    pub complete_until_us: Option<i64>,
    /// The source's watermark as known at this commit.
    pub watermark_us: Option<i64>,
    /// The earliest event time that the source is known to have sent, of all its tables: a table without a baseline was
    /// empty from then on until its first event.
    #[serde(default)]
    pub since_us: Option<i64>,
    /// The newest transaction of each domain whose source stamps statements.
    #[serde(default)]
    pub newest_transactions: BTreeMap<Domain, NewestTransaction>,
    /// Every complete run of snapshot reads, in the order in which they became complete.
    #[serde(default)]
    pub runs: Vec<SnapshotRun>,
    #[serde(default)]
    pub rollbacks: Rollbacks,
    #[serde(default)]
    pub trimmed: Option<Trim>,
    pub counts: LogCounts,
}

/// A complete run of snapshot reads: the source's table as it was at one moment (DESIGN.md rule 7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRun {
    pub domain: Domain,
    /// Position that all reads of the run share, see [`crate::sequence`].
    pub position: String,
    pub at_us: i64,
    pub reads: u64,
    /// The log batch that completes it.
    pub batch: BatchOrdinal,
    /// Whether nothing was logged before it, so that it tells the first state that is known.
    pub begins_log: bool,
}

/// A transaction that a source stamps statement by statement, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestTransaction {
    pub id: String,
    /// Of its last event, see [`crate::sequence`].
    pub position: String,
    /// The latest of its times.
    pub event_time_us: i64,
    /// Whether its end was read, so that no more of it comes.
    pub has_ended: bool,
}

/// Cumulative counts of a changelog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCounts {
    pub events: u64,
    pub truncates: u64,
    /// Key changes whose unset columns continue the row of the old key.
    pub continued_rows: u64,
    pub late: u64,
    pub repeated: u64,
    pub quarantined: u64,
    pub below_watermark: u64,
    /// Events whose transaction may be in the log under more than one event time, since its end was not known when its first
    /// events were logged, or nothing names it: a moment may show it in part (DESIGN.md rule 16).
    #[serde(default)]
    pub torn: u64,
    /// Events that came after those of their time had been trimmed.
    #[serde(default)]
    pub too_late: u64,
}

/// The record of a mirror's state: of its snapshot, or of the nearest ancestor below snapshots that keep the rows.
/// `Ok(None)` for a table that Waterline has never written.
pub fn record_of(state: &TableState) -> Result<Option<Record>> {
    for info in state.lineage() {
        if let Some(record) = own_record(info)? {
            return Ok(Some(record));
        }
        if info.operation != crate::format::Operation::Replace {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The newest lineage that a mirror is known to have had, whoever wrote to it last.
pub fn newest_lineage(state: &TableState) -> Result<u64> {
    let newest = state.properties.get(RECORD).map(|json| parse::<Record>(json, "record of a mirror")).transpose()?;
    Ok(newest.map_or(FIRST_LINEAGE, |record| record.lineage))
}

/// Those snapshots of a lineage that have a record, newest first, each with its record. A snapshot that keeps the rows of
/// its parent has the parent's record.
pub(crate) fn records<'a>(lineage: impl Iterator<Item = &'a VersionInfo>) -> impl Iterator<Item = Result<(&'a VersionInfo, Record)>> {
    let mut keeps_rows_of_parent: Option<&VersionInfo> = None;
    lineage.filter_map(move |info| match own_record(info) {
        Ok(Some(record)) => Some(Ok((keeps_rows_of_parent.take().unwrap_or(info), record))),
        Ok(None) if info.operation == crate::format::Operation::Replace => {
            keeps_rows_of_parent.get_or_insert(info);
            None
        }
        Ok(None) => {
            keeps_rows_of_parent = None;
            None
        }
        Err(error) => Some(Err(error)),
    })
}

/// The record of a mirror that a snapshot itself has.
pub fn own_record(info: &VersionInfo) -> Result<Option<Record>> {
    info.summary.get(RECORD).map(|json| parse(json, "record of a mirror snapshot")).transpose()
}

/// The header of a log commit; `None` of another's.
pub fn own_header(info: &VersionInfo) -> Result<Option<LogHeader>> {
    info.summary.get(LOG).map(|json| parse(json, "header of a log batch")).transpose()
}

impl Record {
    /// The record of an empty table that nothing was folded into yet.
    pub fn initial() -> Self {
        Self {
            kind: Kind::Baseline,
            lineage: FIRST_LINEAGE,
            baseline: Baseline::EMPTY,
            folded: BatchOrdinal(0),
            event_time_max_us: None,
            sequence_max: SequenceMax::default(),
            has_changes: false,
        }
    }

    /// Whether nothing but snapshot reads was ever folded.
    pub fn is_initial(&self) -> bool {
        self.baseline == Baseline::EMPTY && !self.has_changes
    }

    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a record cannot be written").caused_by(e))
    }
}

impl LogHeader {
    /// The earliest time that the source is known to have sent, by the header or by what a job saw.
    pub fn known_since(&self, since_us: Option<i64>) -> Option<i64> {
        self.since_us.into_iter().chain(since_us).min()
    }

    /// The next complete run that is newer than the baseline of a record.
    pub fn run_after(&self, record: &Record) -> Option<&SnapshotRun> {
        let is_newer = |run: &&SnapshotRun| record.baseline.at_us.is_none_or(|at| at < run.at_us);
        self.valid_runs().filter(is_newer).min_by_key(|run| run.at_us)
    }

    /// Whether the run was complete before: its last read may come more than once, and other reads after it.
    pub fn has_run(&self, run: &SnapshotRun) -> bool {
        self.valid_runs().any(|known| (&known.domain, &known.position) == (&run.domain, &run.position))
    }

    /// The runs that no rollback took back.
    pub(crate) fn valid_runs(&self) -> impl Iterator<Item = &SnapshotRun> {
        self.runs.iter().filter(|run| !self.rollbacks.void(run.batch.0))
    }

    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a log header cannot be written").caused_by(e))
    }
}

/// The header of the newest log batch; the default, with ordinal 0, for a changelog without any.
pub fn log_header(state: &TableState) -> Result<LogHeader> {
    state.properties.get(LOG).map_or_else(|| Ok(LogHeader::default()), |json| parse(json, "header of a log batch"))
}

fn parse<T: for<'a> Deserialize<'a>>(json: &str, what: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| Error::corrupt(format!("the {what} cannot be read")).caused_by(e))
}
