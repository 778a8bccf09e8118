//! Where a dump goes among what a table already knows of the past (DESIGN.md rule 10).

use crate::error::Result;
use crate::format::TableState;
use crate::moments::DumpMoment;
use crate::record::{ANCHOR, Baseline, Kind, LogHeader, Record, own_record, record_of};
use crate::trim::is_kept_tag;

/// How the tags of baselines of a known time begin; the time in microseconds follows.
const BASELINE_TAG: &str = "waterline/baseline-";

/// Tag of the anchor of a baseline.
pub fn anchor_of(at_us: i64) -> String {
    format!("{BASELINE_TAG}{at_us}")
}

/// Where the rows of a dump go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing is known of its moment or a later one: they become the table's rows.
    Head,
    /// Into the epoch that the table's own rows are of.
    NewestEpoch,
    /// Before a baseline that is there: they become an older state of the table.
    Past,
}

/// Decides by the baselines that tags name, and by what is folded and logged.
pub fn place(mirror: &TableState, log: &LogHeader, at: DumpMoment) -> Result<Place> {
    for baseline in baselines(mirror, log) {
        if baseline?.at_us > Some(at.at_us) {
            return Ok(Place::Past);
        }
    }
    let record = record_of(mirror)?.filter(|record| !record.is_initial());
    let follows_run = log.valid_runs().any(|run| run.at_us <= at.at_us);
    if record.is_none() && !follows_run {
        return Ok(Place::Head);
    }
    let of_record = |value: fn(&Record) -> Option<i64>| record.as_ref().and_then(value);
    let folded = [of_record(|record| record.baseline.at_us), of_record(|record| record.event_time_max_us)];
    let known = folded.into_iter().chain([log.event_time_max_us, log.watermark_us]);
    Ok(if known.max() >= Some(Some(at.at_us)) { Place::NewestEpoch } else { Place::Head })
}

/// The baselines of known times that tags name.
fn baselines(mirror: &TableState, log: &LogHeader) -> impl Iterator<Item = Result<Baseline>> {
    let counts = |tag: &str| !is_kept_tag(tag) || log.trimmed.is_some_and(|trim| trim.keeps_tag(tag));
    let anchors = mirror.refs.iter().filter(move |(tag, _)| tag.starts_with(ANCHOR) && counts(tag));
    anchors.filter_map(|(_, anchor)| {
        let info = mirror.info(anchor.version)?;
        match own_record(info).transpose()? {
            Ok(record) => (record.kind == Kind::Baseline && !log.rollbacks.take_back(info, &record)).then_some(Ok(record.baseline)),
            Err(error) => Some(Err(error)),
        }
    })
}

#[cfg(test)]
mod tests;
