//! Trimming of a changelog by a retention policy (DESIGN.md rule 21). The moments that are kept become baselines first, beside the main
//! branch and without effect. One commit of the changelog then takes the events out and makes those baselines count, and last the
//! mirror takes the trim's own as what late events fold onto. When the program dies before that, the next merge does it.

mod cut;

use std::collections::BTreeMap;

use waterline_core::as_of::{Beyond, Cut, answerable_range, kept_moments};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, Operation, Removal, TableState};
use waterline_core::maintain::expire::ensure_may_delete;
use waterline_core::maintain::retention::Retention;
use waterline_core::record::{
    ANCHOR, BatchOrdinal, LOG, LogHeader, RECORD, Record, log_header, newest_lineage, own_header, own_record, record_of,
};
use waterline_core::table::TableName;
use waterline_core::trim::{Trim, kept_baseline, kept_tag};

use self::cut::{Leaving, Log};
use super::Action;
use crate::as_of::AsOf;
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, attempt_aside, given_up, set_tag};
use crate::lake::{Lake, Limits};
use crate::merge::{Pair, catch_up};

#[derive(Clone, Copy, Debug)]
pub struct TrimRequest {
    pub retention: Retention,
    pub limits: Limits,
    pub action: Action,
}

/// What a trim did, or would do. Moments are microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// From the first moment that was answered until just before the second only those in `kept` still are.
    pub unanswerable: Option<(i64, i64)>,
    /// Moments that became baselines.
    pub kept: Vec<i64>,
    /// Moments that had been kept, and are too old now.
    pub dropped: Vec<i64>,
    pub events: u64,
    /// Whole files that left.
    pub files: u64,
    pub bytes: u64,
}

impl Trimmed {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Trims the changelog of a table, as far as its policy says.
pub async fn trim(lake: &Lake, table: &TableName, request: &TrimRequest) -> Result<Trimmed> {
    let pair = Pair { mirror: lake.table(table).await?, changelog: lake.table(&table.changelog()).await? };
    trim_pair(lake, &pair, request).await.map_err(|e| e.with("table", table))
}

async fn trim_pair(lake: &Lake, pair: &Pair, request: &TrimRequest) -> Result<Trimmed> {
    for _ in 0..MAX_ATTEMPTS {
        if request.action == Action::Do {
            catch_up(lake, pair, None, &request.limits).await?;
        }
        let due = Due::find(lake, pair, &request.retention).await?;
        let Some(due) = due else { break };
        if request.action == Action::Plan {
            return Ok(Trimmed { dropped: dropped(lake, pair, &request.retention, Some(due.leaving.until_us)).await?, ..due.report() });
        }
        if due.is_merged()? && due.carry_out(lake, pair, &request.limits).await? {
            catch_up(lake, pair, None, &request.limits).await?;
            let mut dropped = drop_old(lake, pair, &request.retention).await?;
            // Others were in the range of the trim itself.
            dropped.retain(|at_us| *at_us < due.from_us);
            return Ok(Trimmed { dropped, ..due.report() });
        }
    }
    let dropped = match request.action {
        Action::Plan => dropped(lake, pair, &request.retention, None).await?,
        Action::Do => drop_old(lake, pair, &request.retention).await?,
    };
    Ok(Trimmed { dropped, ..Trimmed::default() })
}

/// A trim that is due, on the states that it was planned on.
struct Due {
    mirror: TableState,
    log: TableState,
    header: LogHeader,
    leaving: Leaving,
    from_us: i64,
    /// The last one is that of the trim.
    moments: Vec<i64>,
}

impl Due {
    /// `None` when no events are old enough.
    async fn find(lake: &Lake, pair: &Pair, retention: &Retention) -> Result<Option<Self>> {
        let (log, mirror) = (pair.changelog.head().await?, pair.mirror.head().await?);
        ensure_may_delete(&log)?;
        let header = log_header(&log)?;
        let range = answerable_range(&mirror, &log)?;
        let (Some(from_us), Some(watermark_us)) = (range.from_us, header.watermark_us) else { return Ok(None) };
        let now_us = lake.env.clock.now_us();
        // Whatever is not complete yet stays.
        let Some(until_us) = retention.trim_until(now_us.min(watermark_us.saturating_add(retention.keep_within_us))) else {
            return Ok(None);
        };
        let cut = Log { lake, pair, state: &log, header: &header };
        let Some(leaving) = cut.leaving(until_us, from_us).await?.filter(|leaving| leaving.events > 0) else { return Ok(None) };
        let mut moments = retention.kept_moments(from_us - 1, leaving.until_us, now_us);
        if moments.last() != Some(&leaving.until_us) {
            moments.push(leaving.until_us);
        }
        Ok(Some(Self { mirror, log, header, leaving, from_us, moments }))
    }

    /// Whether everything that is logged is folded.
    fn is_merged(&self) -> Result<bool> {
        Ok(record_of(&self.mirror)?.is_some_and(|record| record.folded >= self.header.last_with_events))
    }

    fn report(&self) -> Trimmed {
        Trimmed {
            unanswerable: Some((self.from_us, self.leaving.until_us)),
            kept: self.moments.clone(),
            dropped: Vec::new(),
            events: self.leaving.events,
            files: self.leaving.files.len() as u64,
            bytes: self.leaving.files.values().sum(),
        }
    }

    /// `false` when more was logged meanwhile.
    async fn carry_out(&self, lake: &Lake, pair: &Pair, limits: &Limits) -> Result<bool> {
        for moment in &self.moments {
            keep(lake, pair, &self.header, *moment, limits).await?;
        }
        Ok(matches!(attempt(&pair.changelog, &self.log, &self.commit(lake)?).await?, Attempt::Committed(_)))
    }

    fn commit(&self, lake: &Lake) -> Result<Commit> {
        let header = self.header_after()?.to_json()?;
        Ok(Commit {
            delete_rows: self.leaving.rows.clone(),
            remove: match self.leaving.files.is_empty() {
                true => Removal::Nothing,
                false => Removal::Files(self.leaving.files.keys().cloned().collect()),
            },
            summary: BTreeMap::from([(LOG.to_owned(), header.clone())]),
            properties: BTreeMap::from([(LOG.to_owned(), header)]),
            ..lake.draft(Operation::Delete)
        })
    }

    fn header_after(&self) -> Result<LogHeader> {
        let settled = self.leaving.settled.max(self.header.trimmed.map_or(self.leaving.settled, |trim| trim.settled));
        let settled_ms = self.committed_ms(settled)?;
        // Those of void batches are in no mirror.
        let trim = Trim { until_us: self.leaving.until_us, settled: settled.min(self.header.last_with_events), settled_ms };
        Ok(LogHeader { batch: self.header.batch.next(), trimmed: Some(trim), ..self.header.clone() })
    }

    /// When a batch had been committed, or the next one of which that is known.
    fn committed_ms(&self, batch: BatchOrdinal) -> Result<i64> {
        let mut committed_ms = i64::MAX;
        for info in self.log.lineage() {
            if own_header(info)?.is_some_and(|header| header.batch >= batch) {
                committed_ms = committed_ms.min(info.committed_at_ms);
            }
        }
        Ok(committed_ms)
    }
}

/// Writes the state at a moment as a baseline that does not count yet. One that an interrupted trim left is replaced.
async fn keep(lake: &Lake, pair: &Pair, header: &LogHeader, at_us: i64, limits: &Limits) -> Result<()> {
    for _ in 0..MAX_ATTEMPTS {
        let mirror = pair.mirror.head().await?;
        let cut = Cut { beyond: Beyond::AsLogged, ..Cut::at(at_us) };
        let opened = AsOf::of(lake, pair.clone(), mirror.clone(), &cut, Some(header.batch), limits).await?;
        let record = Record { lineage: newest_lineage(&mirror)?, baseline: kept_baseline(at_us), ..Record::initial() };
        let commit = Commit {
            summary: BTreeMap::from([(RECORD.to_owned(), record.to_json()?)]),
            tags: vec![kept_tag(at_us)],
            ..opened.state().await?.aside(&opened.past()).await?
        };
        if let Attempt::Committed(_) = attempt_aside(&pair.mirror, &mirror, &commit).await? {
            return Ok(());
        }
    }
    Err(given_up(&pair.mirror))
}

/// Tags of baselines before the trim whose moments are not kept any more, with the moments.
fn too_old(mirror: &TableState, retention: &Retention, until_us: i64, now_us: i64) -> Result<BTreeMap<String, i64>> {
    let current = record_of(mirror)?.and_then(|record| record.baseline.anchor);
    let mut old = BTreeMap::new();
    for (tag, reference) in mirror.refs.iter().filter(|(tag, _)| tag.starts_with(ANCHOR) && Some(*tag) != current.as_ref()) {
        let record = mirror.info(reference.version).map(own_record).transpose()?.flatten();
        let at_us = record.and_then(|record| record.baseline.at_us).filter(|at| *at < until_us && !retention.keeps(*at, now_us));
        old.extend(at_us.map(|at_us| (tag.clone(), at_us)));
    }
    Ok(old)
}

/// Moments before `until_us`, or before the newest trim, that are answered now and would not be any more.
async fn dropped(lake: &Lake, pair: &Pair, retention: &Retention, until_us: Option<i64>) -> Result<Vec<i64>> {
    let (log, mirror) = (pair.changelog.head().await?, pair.mirror.head().await?);
    let until_us = until_us.or(log_header(&log)?.trimmed.map(|trim| trim.until_us));
    let Some(until_us) = until_us else { return Ok(Vec::new()) };
    let answered = kept_moments(&mirror, &log)?;
    let mut old: Vec<i64> = too_old(&mirror, retention, until_us, lake.env.clock.now_us())?.into_values().collect();
    old.retain(|at_us| answered.contains(at_us));
    old.sort_unstable();
    old.dedup();
    Ok(old)
}

/// Removes the tags of moments that are not kept any more; their snapshots then expire.
async fn drop_old(lake: &Lake, pair: &Pair, retention: &Retention) -> Result<Vec<i64>> {
    let dropped = dropped(lake, pair, retention, None).await?;
    let mirror = pair.mirror.head().await?;
    let Some(trim) = log_header(&pair.changelog.head().await?)?.trimmed else { return Ok(dropped) };
    if record_of(&mirror)?.is_none_or(|record| trim.is_ahead_of(&record)) {
        return Err(Error::internal("a table does not follow the trim of its changelog"));
    }
    for tag in too_old(&mirror, retention, trim.until_us, lake.env.clock.now_us())?.into_keys() {
        set_tag(&pair.mirror, &tag, None).await?;
    }
    Ok(dropped)
}
