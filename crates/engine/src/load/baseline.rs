//! How a dump becomes a baseline, by what the table knows of its moment (DESIGN.md rule 10).

use serde::Serialize;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{NewDataFile, TableState};
use waterline_core::place::{Place, anchor_of, place};
use waterline_core::record::{Baseline, Kind, LogHeader, Record, log_header, newest_lineage, record_of};

use super::agreement::Agreement;
use super::{Existing, LoadRequest};
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, attempt_aside, given_up};
use crate::lake::Lake;
use crate::merge::baseline::{BaselineRows, baseline_commit};
use crate::merge::{Pair, catch_up};

/// What a dump became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Landed {
    /// The rows of the table, and the newer events are folded onto them.
    Table,
    /// A state of the past. The table's rows are what they were.
    Aside,
    /// Nothing: the table has a baseline of this moment with the same rows.
    Known,
}

/// A dump in data files that no snapshot has yet.
pub(super) struct WrittenDump<'a> {
    pub(super) lake: &'a Lake,
    pub(super) request: &'a LoadRequest,
    pub(super) files: &'a [NewDataFile],
}

impl WrittenDump<'_> {
    pub(super) async fn land(&self, pair: &Pair) -> Result<Landed> {
        for _ in 0..MAX_ATTEMPTS {
            let mirror = pair.mirror.head().await?;
            let log = log_header(&pair.changelog.head().await?)?;
            let landed = match (place(&mirror, &log, self.request.at)?, self.request.existing) {
                (Place::Head, _) if self.continues(pair, &mirror, &log).await? => self.confirm(pair).await?,
                (Place::Head, _) | (Place::NewestEpoch, Existing::Supersede) => self.replace(pair, &mirror).await?,
                (Place::NewestEpoch, Existing::Refuse) => self.confirm(pair).await?,
                (Place::Past, Existing::Refuse) => self.complete(pair, &mirror).await?,
                (Place::Past, Existing::Supersede) => self.correct(pair, &mirror).await?,
            };
            if let Some(landed) = landed {
                return Ok(landed);
            }
        }
        Err(given_up(&pair.mirror))
    }

    /// Whether nothing was merged yet, and the dump is just what the events until then make of an empty table: then that is how the
    /// table began, and moments before the dump stay known. Else it had rows that no event tells of.
    async fn continues(&self, pair: &Pair, mirror: &TableState, log: &LogHeader) -> Result<bool> {
        let is_merged = record_of(mirror)?.is_some_and(|record| !record.is_initial());
        let rows: u64 = self.files.iter().map(|file| file.record_count).sum();
        // Each row of the table takes an event at least.
        if is_merged || log.counts.events == 0 || rows > log.counts.events {
            return Ok(false);
        }
        Ok(matches!(Agreement::of(self, pair, mirror).await?, Agreement::Same))
    }

    /// The table's rows are the dump's from now on. `None` when another writer came first, as everywhere here.
    async fn replace(&self, pair: &Pair, mirror: &TableState) -> Result<Option<Landed>> {
        let commit = baseline_commit(self.lake, mirror, &self.record(mirror)?, &BaselineRows::Replaced(self.files))?;
        Ok(match attempt(&pair.mirror, mirror, &commit).await? {
            Attempt::Committed(_) => Some(Landed::Table),
            Attempt::Lost(_) => None,
        })
    }

    /// An agreeing dump takes the place of the newest baseline, and what is folded onto that one stays as it is.
    async fn confirm(&self, pair: &Pair) -> Result<Option<Landed>> {
        // What is compared must be folded, and nothing more: a late event that comes after it does not count any more.
        catch_up(self.lake, pair, None, &self.request.limits).await?;
        let mirror = pair.mirror.head().await?;
        let Some(record) = record_of(&mirror)? else { return Ok(None) };
        Agreement::of(self, pair, &mirror).await?.or_refused()?;
        let baseline = self.baseline();
        if record.baseline == baseline {
            return Ok(Some(Landed::Known));
        }
        if self.commit_aside(pair, &mirror).await?.is_none() {
            return Ok(None);
        }
        let head = pair.mirror.head().await?;
        if head.version != mirror.version {
            return self.replace(pair, &head).await;
        }
        let record = Record { kind: Kind::Baseline, baseline, ..record };
        let commit = baseline_commit(self.lake, &head, &record, &BaselineRows::FoldedUpon)?;
        match attempt(&pair.mirror, &head, &commit).await? {
            Attempt::Committed(_) => Ok(Some(Landed::Aside)),
            // More was folded meanwhile, and late events among it must not count: they are folded anew.
            Attempt::Lost(head) => self.replace(pair, &head).await,
        }
    }

    /// A state before all that are known, or one that is known to be like this.
    async fn complete(&self, pair: &Pair, mirror: &TableState) -> Result<Option<Landed>> {
        match Agreement::of(self, pair, mirror).await? {
            Agreement::Nothing => self.commit_aside(pair, mirror).await,
            agreement => {
                agreement.or_refused()?;
                match self.has_baseline(mirror) {
                    true => Ok(Some(Landed::Known)),
                    false => self.commit_aside(pair, mirror).await,
                }
            }
        }
    }

    /// The epoch that the moment is of ends there, and the dump's own goes on to the next baseline.
    async fn correct(&self, pair: &Pair, mirror: &TableState) -> Result<Option<Landed>> {
        if self.has_baseline(mirror) {
            let message = "an older baseline cannot be superseded by one of the very same moment; load the dump one microsecond later";
            return Err(Error::new(ErrorKind::NotAnswerable, message));
        }
        self.commit_aside(pair, mirror).await
    }

    async fn commit_aside(&self, pair: &Pair, mirror: &TableState) -> Result<Option<Landed>> {
        let commit = baseline_commit(self.lake, mirror, &self.record(mirror)?, &BaselineRows::Aside(self.files))?;
        Ok(match attempt_aside(&pair.mirror, mirror, &commit).await? {
            Attempt::Committed(_) => Some(Landed::Aside),
            Attempt::Lost(_) => None,
        })
    }

    fn has_baseline(&self, mirror: &TableState) -> bool {
        mirror.refs.contains_key(&anchor_of(self.request.at.at_us))
    }

    pub(super) fn baseline(&self) -> Baseline {
        let at = self.request.at;
        Baseline { at_us: Some(at.at_us), until_us: at.until_us, anchor: Some(anchor_of(at.at_us)), run: None }
    }

    /// Whatever was logged is folded anew, as far as it is newer than the dump.
    fn record(&self, mirror: &TableState) -> Result<Record> {
        Ok(Record { lineage: newest_lineage(mirror)?, baseline: self.baseline(), ..Record::initial() })
    }
}
