//! Reading events back from a changelog: by batch and event time, whole or by what a fold needs of them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use waterline_core::change::{BATCH, ChangeBatch, DOMAIN, EVENT_TIME};
use waterline_core::error::Result;
use waterline_core::format::{Bounds, DataFile, FilePruner, FileSummary, TableFormat, TableState, VersionId};
use waterline_core::record::{Baseline, BatchOrdinal, own_header};
use waterline_core::value::Value;

/// Events of the batches `(above, upto]` that fold onto a baseline, with event times up to `until_us`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub above: BatchOrdinal,
    pub upto: BatchOrdinal,
    pub baseline: Baseline,
    pub until_us: Option<i64>,
}

impl Window {
    /// Whole batches.
    pub(crate) fn of_batches(above: BatchOrdinal, upto: BatchOrdinal) -> Self {
        Self { above, upto, baseline: Baseline::EMPTY, until_us: None }
    }

    /// Everything up to a batch that folds onto the baseline.
    pub(crate) fn since(baseline: &Baseline, upto: BatchOrdinal) -> Self {
        Self { baseline: baseline.clone(), ..Self::of_batches(BatchOrdinal(0), upto) }
    }

    /// Which rows of a changelog are in the window.
    pub(crate) fn mask(&self, events: &RecordBatch) -> Result<BooleanArray> {
        let events = ChangeBatch::try_new(events.clone())?;
        let in_time = |time: i64| self.until_us.is_none_or(|until| time <= until);
        let in_batches = |batch: i64| batch > self.above.0 && batch <= self.upto.0;
        let (batches, times, admitted) = (events.batches()?, events.event_times(), self.baseline.admitted(&events)?);
        let within = |row: usize| admitted.value(row) && in_batches(batches.value(row)) && in_time(times.value(row));
        Ok((0..events.len()).map(|row| Some(within(row))).collect())
    }

    pub(crate) fn filter(&self, events: &RecordBatch) -> Result<RecordBatch> {
        Ok(filter_record_batch(events, &self.mask(events)?)?)
    }

    /// Whether all events of a file are a part of the baseline.
    fn is_in_baseline(&self, file: &FileSummary) -> bool {
        let upper = |column| file.bounds.get(column).and_then(|bounds| bounds.upper.as_ref());
        let is_older = matches!((upper(EVENT_TIME), self.baseline.at_us), (Some(Value::Int(last)), Some(at)) if *last <= at);
        let is_of_run = self.baseline.run.as_ref().is_none_or(|run| {
            let domain = Some(Value::Text(run.domain.0.clone()));
            let is_logged_before = matches!(upper(BATCH), Some(Value::Int(last)) if *last <= run.upto.0);
            is_logged_before && file.bounds.get(DOMAIN).is_some_and(|bounds| bounds.lower == domain && bounds.upper == domain)
        });
        is_older && is_of_run
    }
}

/// Files of a changelog that may hold events of a window.
pub(crate) async fn files_in(changelog: &Arc<dyn TableFormat>, log: &TableState, window: &Window) -> Result<Vec<DataFile>> {
    changelog.data_files(log, &Recent { window, folded: commits_upto(log, window.above)? }).await
}

/// The commits of the log batches up to one, and what was committed before them.
fn commits_upto(log: &TableState, upto: BatchOrdinal) -> Result<HashSet<VersionId>> {
    if upto == BatchOrdinal(0) {
        return Ok(HashSet::new());
    }
    let mut commits: HashSet<VersionId> = log.history.iter().map(|info| info.version).collect();
    for info in log.lineage() {
        if own_header(info)?.is_some_and(|header| header.batch <= upto) {
            return Ok(commits);
        }
        commits.remove(&info.version);
    }
    Ok(HashSet::new())
}

/// A window that also leaves out what was listed by commits of batches below it.
struct Recent<'a> {
    window: &'a Window,
    folded: HashSet<VersionId>,
}

impl FilePruner for Recent<'_> {
    fn keep(&self, file: &FileSummary) -> bool {
        !file.listed_by.is_some_and(|commit| self.folded.contains(&commit)) && self.window.keep(file)
    }
}

impl FilePruner for Window {
    fn keep(&self, file: &FileSummary) -> bool {
        let outside = |bounds: &Bounds, above: Option<i64>, upto: Option<i64>| {
            matches!((&bounds.upper, above), (Some(Value::Int(last)), Some(above)) if *last <= above)
                || matches!((&bounds.lower, upto), (Some(Value::Int(first)), Some(upto)) if *first > upto)
        };
        let other_batches = |bounds| outside(bounds, Some(self.above.0), Some(self.upto.0));
        let later = |bounds| outside(bounds, None, self.until_us);
        !file.bounds.get(BATCH).is_some_and(other_batches) && !file.bounds.get(EVENT_TIME).is_some_and(later) && !self.is_in_baseline(file)
    }
}
