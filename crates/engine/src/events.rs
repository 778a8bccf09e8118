//! Reading events back from a changelog: by batch and event time, whole or by what a fold needs of them.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use waterline_core::change::{BATCH, EVENT_TIME};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, FilePruner, FileSummary};
use waterline_core::record::{Baseline, BatchOrdinal};
use waterline_core::value::Value;

/// Events of the batches `(above, upto]` with event times `(after_us, until_us]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub above: BatchOrdinal,
    pub upto: BatchOrdinal,
    pub after_us: Option<i64>,
    pub until_us: Option<i64>,
}

impl Window {
    /// Whole batches.
    pub(crate) fn of_batches(above: BatchOrdinal, upto: BatchOrdinal) -> Self {
        Self { above, upto, after_us: None, until_us: None }
    }

    /// Everything up to a batch that folds onto the baseline.
    pub(crate) fn since(baseline: &Baseline, upto: BatchOrdinal) -> Self {
        Self { after_us: baseline.at_us, ..Self::of_batches(BatchOrdinal(0), upto) }
    }

    pub(crate) fn holds(&self, batch: i64, time_us: i64) -> bool {
        batch > self.above.0
            && batch <= self.upto.0
            && self.after_us.is_none_or(|after| time_us > after)
            && self.until_us.is_none_or(|until| time_us <= until)
    }

    /// Which rows of a changelog are in the window.
    pub(crate) fn mask(&self, events: &RecordBatch) -> Result<BooleanArray> {
        let lacks = |column| Error::corrupt("a changelog lacks a system column").with("column", column);
        let batches = events.column_by_name(BATCH).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(|| lacks(BATCH))?;
        let times = events.column_by_name(EVENT_TIME).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| lacks(EVENT_TIME))?;
        Ok(batches.values().iter().zip(times.values()).map(|(batch, time)| Some(self.holds(*batch, *time))).collect())
    }

    pub(crate) fn filter(&self, events: &RecordBatch) -> Result<RecordBatch> {
        Ok(filter_record_batch(events, &self.mask(events)?)?)
    }
}

impl FilePruner for Window {
    fn keep(&self, file: &FileSummary) -> bool {
        let outside = |bounds: &Bounds, above: Option<i64>, upto: Option<i64>| {
            matches!((&bounds.upper, above), (Some(Value::Int(last)), Some(above)) if *last <= above)
                || matches!((&bounds.lower, upto), (Some(Value::Int(first)), Some(upto)) if *first > upto)
        };
        let other_batches = |bounds| outside(bounds, Some(self.above.0), Some(self.upto.0));
        let other_times = |bounds| outside(bounds, self.after_us, self.until_us);
        !file.bounds.get(BATCH).is_some_and(other_batches) && !file.bounds.get(EVENT_TIME).is_some_and(other_times)
    }
}
