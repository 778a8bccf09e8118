//! As of: which state of a mirror the state at a moment T is made from, and which events are folded onto it
//! (DESIGN.md rules 9 to 12, 14 and 17).
//!
//! Each baseline opens an epoch, from its own time to that of the next one. The state at T is the baseline of T's epoch with
//! the epoch's events up to T folded onto it. A snapshot of the mirror that holds nothing newer than T is a nearer base.

use chrono::{DateTime, SecondsFormat};

use crate::error::{Error, ErrorKind, Result};
use crate::forgotten::Forgotten;
use crate::format::{TableState, VersionId, VersionInfo};
use crate::log_times::LogTimes;
use crate::record::{
    ANCHOR, Baseline, BatchOrdinal, Kind, LOG, LogHeader, Record, SnapshotRun, log_header, own_header, own_record, records,
};
use crate::rollbacks::Rollbacks;
use crate::trim::{Trim, is_kept_tag};

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Event time, microseconds since the epoch.
    pub at_us: i64,
    /// Only what had been committed by then, in milliseconds since the epoch; `None`: all that is known now.
    pub known_by_ms: Option<i64>,
    pub beyond: Beyond,
}

impl Cut {
    /// The state at `at_us`, by everything that is known now.
    pub fn at(at_us: i64) -> Self {
        Self { at_us, known_by_ms: None, beyond: Beyond::Refuse }
    }
}

/// What a moment gets for which events may still arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Beyond {
    Refuse,
    /// What is logged.
    AsLogged,
}

/// One table's cut, fixed before anything of it is read (DESIGN.md rule 15).
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub at_us: i64,
    /// The last log batch that counts (V).
    pub upto: BatchOrdinal,
    /// Those that had been made by then.
    pub rollbacks: Rollbacks,
    /// The baseline of the moment's epoch.
    pub baseline: Epoch,
    /// What the residual folds onto.
    pub base: Base,
    pub answerable: Answerable,
}

/// A baseline, and the snapshot that holds its rows; `None` where events alone make them: from the empty table on, or from a run
/// of snapshot reads that is in the changelog only.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    pub baseline: Baseline,
    pub version: Option<VersionId>,
}

/// A state of the mirror, with the record that says what is folded into it. Without a version: the empty table.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    pub version: Option<VersionId>,
    pub record: Record,
}

/// The moments that a table answers, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answerable {
    /// The first moment; `None` when there is none.
    pub from_us: Option<i64>,
    /// Everything until then has arrived.
    pub until_us: Option<i64>,
}

/// Chooses epoch and base. Fails with [`ErrorKind::NotAnswerable`] and the range when T lies outside of what is known.
pub fn plan(mirror: &TableState, log: &TableState, cut: &Cut) -> Result<Plan> {
    plan_upto(mirror, &Log { state: log, times: &LogTimes::default() }, cut, None)
}

/// A changelog, and the commit times of what has expired of it, which only a cut with a commit time needs.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    pub state: &'a TableState,
    pub times: &'a LogTimes,
}

/// [`plan`] where the last batch that counts is fixed already; `None`: the newest that the cut allows.
pub fn plan_upto(mirror: &TableState, log: &Log<'_>, cut: &Cut, upto: Option<BatchOrdinal>) -> Result<Plan> {
    Known::by(mirror, log, cut, upto)?.plan(cut, cut.at_us)
}

/// The state at the cut's moment by the baseline of an earlier one, as if no other had come between.
pub fn plan_onto(mirror: &TableState, log: &Log<'_>, cut: &Cut, upto: BatchOrdinal, epoch_of_us: i64) -> Result<Plan> {
    Known::by(mirror, log, cut, Some(upto))?.plan(cut, epoch_of_us)
}

/// The moments after `since_us` up to the cut's at which another baseline begins to count, in order.
pub fn turns(mirror: &TableState, log: &Log<'_>, cut: &Cut, upto: BatchOrdinal, since_us: i64) -> Result<Vec<i64>> {
    let known = Known::by(mirror, log, cut, Some(upto))?;
    let mut turns: Vec<i64> = known.epochs.iter().filter_map(|opened| opened.from_us).collect();
    turns.retain(|from| *from > since_us && *from <= cut.at_us);
    turns.dedup();
    let mut epoch = known.epoch_at(since_us);
    turns.retain(|from| {
        let next = known.epoch_at(*from);
        std::mem::replace(&mut epoch, next) != next
    });
    Ok(turns)
}

/// What is known of a table by a cut, whatever its moment.
struct Known<'a> {
    mirror: &'a TableState,
    header: LogHeader,
    upto: BatchOrdinal,
    past: Past,
    /// In order.
    epochs: Vec<Opened>,
}

impl<'a> Known<'a> {
    fn by(mirror: &'a TableState, log: &Log<'_>, cut: &Cut, upto: Option<BatchOrdinal>) -> Result<Self> {
        ensure_known(mirror, cut)?;
        let header = header_by(log, cut.known_by_ms)?;
        let upto = upto.map_or(header.batch, |upto| upto.min(header.batch));
        let past = Past::of(&log_header(log.state)?, upto, cut.known_by_ms);
        past.ensure_kept(cut)?;
        let epochs = epochs(mirror, &header, &past)?;
        Ok(Self { mirror, header, upto, past, epochs })
    }

    fn epoch_at(&self, at_us: i64) -> Option<&Epoch> {
        self.epochs.iter().rev().find(|opened| opened.answers(at_us, self.past.trim)).map(|opened| &opened.epoch)
    }

    /// In the epoch of a moment that is not after the cut's.
    fn plan(self, cut: &Cut, epoch_of_us: i64) -> Result<Plan> {
        let answerable = answerable(&self.epochs, &self.header, self.past.trim);
        let Some(epoch) = self.epoch_at(epoch_of_us) else { return Err(unanswerable(answerable, cut)) };
        // A moment is complete without any watermark when it is just the baseline's.
        let complete_until_us = self.header.watermark_us.max(epoch.baseline.at_us.filter(|_| epoch.baseline.until_us.is_none()));
        let is_complete = complete_until_us.is_some_and(|until| cut.at_us <= until);
        if !is_complete && cut.beyond == Beyond::Refuse {
            return Err(unanswerable(Answerable { until_us: complete_until_us, ..answerable }, cut));
        }
        let base = nearest(self.mirror, epoch, self.upto, &self.past, cut)?.unwrap_or_else(|| epoch.as_base());
        Ok(Plan { at_us: cut.at_us, upto: self.upto, baseline: epoch.clone(), base, answerable, rollbacks: self.past.rollbacks.clone() })
    }
}

/// The range of moments that a table answers by all that is known now.
pub fn answerable_range(mirror: &TableState, log: &TableState) -> Result<Answerable> {
    let (header, past) = newest(log)?;
    Ok(answerable(&epochs(mirror, &header, &past)?, &header, past.trim))
}

/// The moments before that range which are answered too, since trims have kept them; oldest first.
pub fn kept_moments(mirror: &TableState, log: &TableState) -> Result<Vec<i64>> {
    let (header, past) = newest(log)?;
    let Some(trim) = past.trim else { return Ok(Vec::new()) };
    let moments = epochs(mirror, &header, &past)?.into_iter().filter_map(|opened| opened.epoch.exactly());
    let mut moments: Vec<i64> = moments.filter(|at| *at < trim.until_us).collect();
    moments.dedup();
    Ok(moments)
}

fn newest(log: &TableState) -> Result<(LogHeader, Past)> {
    let header = log_header(log)?;
    let past = Past::of(&header, header.batch, None);
    Ok((header, past))
}

/// What has become of older batches and events, as far as it counts for a cut.
struct Past {
    rollbacks: Rollbacks,
    trim: Option<Trim>,
    known_by_ms: Option<i64>,
    /// Whose reads are in the changelog, whatever merges made of them.
    runs: Vec<SnapshotRun>,
}

impl Past {
    /// By the newest header of the changelog, as far as its batches up to one tell.
    fn of(now: &LogHeader, upto: BatchOrdinal, known_by_ms: Option<i64>) -> Self {
        let (rollbacks, trim) = (now.rollbacks.known_at(upto), now.trimmed);
        let counts =
            |run: &&SnapshotRun| run.batch <= upto && !rollbacks.void(run.batch.0) && trim.is_none_or(|trim| run.at_us > trim.until_us);
        let runs = now.runs.iter().filter(counts).cloned().collect();
        Self { rollbacks, trim, known_by_ms, runs }
    }

    /// Fails for what was known before the last of the trimmed events had been logged.
    fn ensure_kept(&self, cut: &Cut) -> Result<()> {
        match (self.known_by_ms, self.trim) {
            (Some(by), Some(trim)) if by < trim.settled_ms => {
                let message = "events that were logged then have been trimmed, and what had not been known of them then cannot be told";
                Err(Error::new(ErrorKind::NotAnswerable, message)
                    .with("as of", time_text(cut.at_us))
                    .with("committed by", time_text(by.saturating_mul(1000)))
                    .with("answerable from", time_text(trim.settled_ms.saturating_mul(1000))))
            }
            _ => Ok(()),
        }
    }

    /// Whether the tag of a baseline counts.
    fn admits(&self, tag: &str, info: &VersionInfo) -> bool {
        let is_of_trim = self.trim.is_some_and(|trim| tag == trim.tag());
        let is_known = is_of_trim || is_known(info, self.known_by_ms);
        is_known && (is_of_trim || !is_kept_tag(tag) || self.trim.is_some_and(|trim| trim.keeps_tag(tag)))
    }
}

impl Plan {
    /// Everything up to a batch that folds onto the baseline of a record of the mirror, whenever it happened.
    pub fn whole_epoch(mirror: &TableState, record: &Record, upto: BatchOrdinal, rollbacks: Rollbacks) -> Result<Self> {
        let baseline = Epoch { baseline: record.baseline.clone(), version: anchored(mirror, &record.baseline)? };
        Ok(Self { at_us: i64::MAX, upto, rollbacks, base: baseline.as_base(), baseline, answerable: Answerable::default() })
    }

    /// The same moment read from its baseline, whatever snapshots there are.
    #[must_use]
    pub fn from_baseline(&self) -> Self {
        Self { base: self.baseline.as_base(), ..self.clone() }
    }
}

/// The snapshot with a baseline's rows; `None` when events fold onto nothing.
pub fn anchored(mirror: &TableState, baseline: &Baseline) -> Result<Option<VersionId>> {
    let Some(anchor) = &baseline.anchor else { return Ok(None) };
    let tag = mirror.refs.get(anchor).ok_or_else(|| {
        Error::corrupt("the tag of the table's baseline is gone; events that arrive late cannot be folded").with("tag", anchor)
    })?;
    Ok(Some(tag.version))
}

impl Epoch {
    /// The moment whose rows the baseline's snapshot holds, if that is known exactly.
    fn exactly(&self) -> Option<i64> {
        self.baseline.at_us.filter(|_| self.baseline.until_us.is_none())
    }

    /// The epoch's baseline as a base: nothing is folded into it, so no event of the epoch is late.
    fn as_base(&self) -> Base {
        Base { version: self.version, record: Record { baseline: self.baseline.clone(), ..Record::initial() } }
    }
}

/// An epoch, and the first moment that it answers; `None` when its own time is not known.
struct Opened {
    epoch: Epoch,
    from_us: Option<i64>,
}

impl Opened {
    /// The epoch of a run that no merge took: its reads, in the changelog, fold onto nothing.
    fn of_run(run: &SnapshotRun) -> Self {
        let baseline = Baseline::of_run(run, BatchOrdinal(0), None);
        Self { epoch: Epoch { baseline, version: None }, from_us: Some(run.at_us) }
    }

    /// Of an epoch whose events were trimmed only its own moment is left.
    fn answers(&self, at_us: i64, trim: Option<Trim>) -> bool {
        match trim.filter(|trim| at_us < trim.until_us) {
            Some(_) => self.epoch.exactly() == Some(at_us),
            None => self.from_us.is_some_and(|from| from <= at_us),
        }
    }
}

/// All epochs by their first moments, oldest first. Of several baselines of one time the newest comes last.
fn epochs(mirror: &TableState, header: &LogHeader, past: &Past) -> Result<Vec<Opened>> {
    let known_by_ms = past.known_by_ms;
    let tagged =
        mirror.refs.iter().filter(|(name, _)| name.starts_with(ANCHOR)).filter_map(|(name, tag)| Some((name, mirror.info(tag.version)?)));
    let mut baselines: Vec<&VersionInfo> = tagged.filter(|(name, info)| past.admits(name, info)).map(|(_, info)| info).collect();
    // The tag of a baseline that was superseded since then names the one that did.
    baselines.extend(known_by_ms.iter().flat_map(|_| lineage_by(mirror, known_by_ms)));
    baselines.sort_by_key(|info| info.committed_at_ms);
    let mut epochs = Vec::new();
    for info in baselines {
        // What a trim kept cannot be made again.
        let is_kept = |record: &Record| record.baseline.anchor.as_deref().is_some_and(is_kept_tag);
        let counts = |record: &Record| record.kind == Kind::Baseline && (is_kept(record) || !past.rollbacks.take_back(info, record));
        let Some(record) = own_record(info)?.filter(counts) else { continue };
        let from_us = record.baseline.until_us.or(record.baseline.at_us);
        epochs.push(Opened { epoch: Epoch { baseline: record.baseline, version: Some(info.version) }, from_us });
    }
    let may_begin_empty = !past.runs.iter().any(|run| run.begins_log);
    if may_begin_empty && (epochs.is_empty() || began_empty(mirror, known_by_ms)?) {
        epochs.push(Opened { epoch: Epoch { baseline: Baseline::EMPTY, version: None }, from_us: header.since_us });
    }
    let is_taken = |run: &SnapshotRun| epochs.iter().any(|opened| opened.epoch.baseline.is_of(run));
    let runs: Vec<Opened> = past.runs.iter().filter(|run| !is_taken(run)).map(Opened::of_run).collect();
    epochs.splice(0..0, runs);
    epochs.sort_by_key(|opened| (opened.from_us, opened.epoch.baseline.at_us));
    Ok(epochs)
}

/// The snapshots of main that had been committed by then, newest first.
fn lineage_by(mirror: &TableState, known_by_ms: Option<i64>) -> impl Iterator<Item = &VersionInfo> {
    mirror.lineage().skip_while(move |info| !is_known(info, known_by_ms))
}

/// Whether events other than snapshot reads were ever folded onto nothing: then the table was empty before them.
fn began_empty(mirror: &TableState, known_by_ms: Option<i64>) -> Result<bool> {
    for recorded in records(lineage_by(mirror, known_by_ms)) {
        let (_, record) = recorded?;
        if record.baseline == Baseline::EMPTY && record.has_changes {
            return Ok(true);
        }
    }
    let forgotten = Forgotten::of(mirror)?.began_empty_ms;
    Ok(forgotten.is_some_and(|at| known_by_ms.is_none_or(|by| at <= by)))
}

/// Fails where baselines that counted at the commit time are gone.
fn ensure_known(mirror: &TableState, cut: &Cut) -> Result<()> {
    let Some(by) = cut.known_by_ms else { return Ok(()) };
    match Forgotten::of(mirror)?.is_unknown(by) {
        true => Err(Error::new(ErrorKind::NotAnswerable, "a baseline that counted at that commit time has expired")
            .with("committed by", time_text(by.saturating_mul(1000)))),
        false => Ok(()),
    }
}

fn answerable(epochs: &[Opened], header: &LogHeader, trim: Option<Trim>) -> Answerable {
    let newest = epochs.iter().filter(|opened| opened.epoch.baseline.until_us.is_none()).filter_map(|opened| opened.epoch.baseline.at_us);
    let from_us = epochs.iter().find_map(|opened| opened.from_us).max(trim.map(|trim| trim.until_us));
    Answerable { from_us, until_us: newest.max().max(header.watermark_us) }
}

/// The newest snapshot of main, of this epoch, that holds nothing newer than the cut (DESIGN.md rule 12).
fn nearest(mirror: &TableState, epoch: &Epoch, upto: BatchOrdinal, past: &Past, cut: &Cut) -> Result<Option<Base>> {
    for recorded in records(lineage_by(mirror, cut.known_by_ms)) {
        let (info, record) = recorded?;
        if past.rollbacks.take_back(info, &record) {
            continue;
        }
        let is_of_trim = past.trim.is_some_and(|trim| trim.baseline() == epoch.baseline && trim.includes(&record));
        let is_of_epoch = record.baseline == epoch.baseline || is_of_trim;
        let fits = is_of_epoch && record.folded <= upto && record.event_time_max_us.is_none_or(|newest| newest <= cut.at_us);
        // Below it are snapshots of a baseline of the same time that this one superseded.
        let is_epoch_start = record.kind == Kind::Baseline && record.baseline == epoch.baseline;
        if fits {
            return Ok(Some(Base { version: Some(info.version), record }));
        }
        if is_epoch_start {
            return Ok(None);
        }
    }
    Ok(None)
}

fn is_known(info: &VersionInfo, known_by_ms: Option<i64>) -> bool {
    known_by_ms.is_none_or(|by| info.committed_at_ms <= by)
}

/// The header of the newest log batch that was committed by then.
pub(crate) fn header_by(log: &Log<'_>, known_by_ms: Option<i64>) -> Result<LogHeader> {
    let Log { state: log, times } = log;
    let Some(by) = known_by_ms else { return log_header(log) };
    for info in log.lineage().filter(|info| info.committed_at_ms <= by) {
        if let Some(header) = own_header(info)? {
            return Ok(header);
        }
    }
    if let Some(header) = times.header_by(by) {
        return Ok(header);
    }
    match log.lineage().last() {
        // Log commits before the oldest one that is kept cannot be told.
        Some(oldest) if oldest.parent.is_some() && log.properties.contains_key(LOG) => {
            Err(Error::new(ErrorKind::NotAnswerable, "the changelog does not keep a commit from that time or before")
                .with("committed by", time_text(by.saturating_mul(1000)))
                .with("oldest commit", time_text(oldest.committed_at_ms.saturating_mul(1000))))
        }
        _ => Ok(LogHeader::default()),
    }
}

fn unanswerable(range: Answerable, cut: &Cut) -> Error {
    let is_beyond = range.from_us.is_some_and(|from| from <= cut.at_us);
    let message = match (range.from_us, is_beyond) {
        (None, _) => "the table answers no moment yet: it has no baseline of a known time, and no events",
        (_, true) => "events until that moment may still arrive; `--allow-incomplete` reads what is logged",
        (_, false) => "the table is not known at that moment; an older dump (`waterline load --at`) would make it known",
    };
    let text = |moment: Option<i64>| moment.map_or_else(|| "none".to_owned(), time_text);
    Error::new(ErrorKind::NotAnswerable, message)
        .with("as of", time_text(cut.at_us))
        .with("answerable from", text(range.from_us))
        .with("complete until", text(range.until_us))
}

/// RFC 3339 in UTC, to the microsecond.
pub fn time_text(at_us: i64) -> String {
    DateTime::from_timestamp_micros(at_us).map_or_else(|| format!("{at_us} us"), |time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
mod tests;
