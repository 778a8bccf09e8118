//! Taking a table back to an older snapshot of it (DESIGN.md rule 22): the changelog says which batches are void from then on, and
//! the mirror goes on from the snapshot in a new lineage.

use crate::as_of::{Log, header_by, time_text};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{TableState, VersionId, VersionInfo};
use crate::record::{BatchOrdinal, Kind, LogHeader, Record, log_header, newest_lineage, own_header, records};
use crate::rollbacks::Rollback;

/// Which snapshot a table goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    Snapshot(VersionId),
    /// The newest that had been committed by then, in milliseconds since the epoch.
    CommittedBy(i64),
}

/// What becomes of the events that are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They never count again.
    Dropped,
    /// The source is read again from where it had been read to then.
    Replayed,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub rollback: Rollback,
    /// Of the log batch that says so.
    pub header: LogHeader,
}

/// Plans a rollback; `None` where the table is like that already.
pub fn plan(mirror: &TableState, log: &Log<'_>, goal: Goal, events: Events) -> Result<Option<Plan>> {
    let Target { info: to, record, dump_us } = target(mirror, goal)?;
    let now = log_header(log.state)?;
    let above = match record.kind {
        // Nothing is folded onto a new baseline yet, although much may be logged.
        Kind::Baseline => header_by(log, Some(to.committed_at_ms))?.batch.max(record.folded),
        Kind::Merge | Kind::Compaction | Kind::Rollback | Kind::Trim => record.folded,
    };
    if mirror.version == Some(to.version) && above >= now.last_with_events {
        return Ok(None);
    }
    if let Some(trim) = now.trimmed {
        let refused = |message| Err(Error::new(ErrorKind::NotAnswerable, message).with("snapshot", to.version.0));
        if above < trim.settled {
            return refused("the changelog was trimmed since then, and its oldest events are gone");
        }
        if trim.is_ahead_of(&record) && dump_us.is_some_and(|at_us| at_us <= trim.until_us) {
            return refused("the changelog was trimmed since then onto a dump that was loaded since then");
        }
    }
    let newest = newest_lineage(mirror)?.max(now.rollbacks.newest_lineage().unwrap_or(0));
    let rollback = Rollback { lineage: newest + 1, above, upto: now.batch, to: to.version, to_ms: to.committed_at_ms };
    Ok(Some(Plan { header: header(log.state, now, &rollback, events)?, rollback }))
}

struct Target<'a> {
    info: &'a VersionInfo,
    record: Record,
    /// The earliest moment of the dumps that took the place of the table's rows after it.
    dump_us: Option<i64>,
}

fn target(mirror: &TableState, goal: Goal) -> Result<Target<'_>> {
    let (mut found, mut dump_us) = (None, None);
    for recorded in records(mirror.lineage()) {
        let (info, record) = recorded?;
        let is_wanted = match goal {
            Goal::Snapshot(version) => info.version == version,
            Goal::CommittedBy(by_ms) => info.committed_at_ms <= by_ms,
        };
        if is_wanted {
            found = Some(Target { info, record, dump_us });
            break;
        }
        if record.kind == Kind::Baseline {
            dump_us = record.baseline.at_us.into_iter().chain(dump_us).min();
        }
    }
    found.ok_or_else(|| {
        let error = Error::not_found("the table's main branch has no such snapshot of Waterline any more");
        match goal {
            Goal::Snapshot(version) => error.with("snapshot", version.0),
            Goal::CommittedBy(by_ms) => error.with("committed by", time_text(by_ms.saturating_mul(1000))),
        }
    })
}

/// The header of the log batch that takes the others back. Its largest sequence stays, since it only says what to look for.
fn header(log: &TableState, now: LogHeader, rollback: &Rollback, events: Events) -> Result<LogHeader> {
    let mut header = now;
    header.batch = header.batch.next();
    header.last_with_events = header.last_with_events.min(rollback.above);
    header.rollbacks.push(rollback.clone());
    if events == Events::Replayed {
        let then = header_of(log, rollback.above)?;
        header.positions = then.positions;
        header.frontiers = then.frontiers;
        header.watermark_us = then.watermark_us;
        header.complete_until_us = then.complete_until_us;
        header.newest_transactions = then.newest_transactions;
    }
    Ok(header)
}

/// The header of a batch that has its snapshot yet.
fn header_of(log: &TableState, batch: BatchOrdinal) -> Result<LogHeader> {
    if batch == BatchOrdinal(0) {
        return Ok(LogHeader::default());
    }
    for info in log.lineage() {
        if let Some(header) = own_header(info)?.filter(|header| header.batch <= batch) {
            return Ok(header);
        }
    }
    let message = "how far the source had been read then has expired with the changelog's snapshots; roll back without --replay";
    Err(Error::new(ErrorKind::NotAnswerable, message).with("batch", batch.0))
}
