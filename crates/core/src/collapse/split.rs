//! Which events go on from a state, and which keys have to be folded again from the baseline (DESIGN.md rules 3 to 7).

use std::collections::HashSet;

use arrow::array::BooleanArray;

use crate::change::{ChangeBatch, Op};
use crate::error::Result;
use crate::record::Record;

/// Events divided by what they do to a state.
#[derive(Debug)]
pub struct Split {
    /// By row: newer than the baseline, and above everything that was folded.
    pub in_order: BooleanArray,
    /// Rows whose keys are folded again from the baseline, with their whole history.
    pub refold: Vec<u32>,
    pub late: u64,
    /// Every key has to be folded again.
    pub late_truncate: bool,
}

/// Divides events that follow upon the state of `record`.
pub fn split(events: &ChangeBatch, record: &Record) -> Result<Split> {
    let admitted = record.baseline.admitted(events)?;
    let (mut refold, mut late_events, mut late_truncate) = (Vec::new(), 0, false);
    let mut in_order = Vec::with_capacity(events.len());
    let mut deleted = None;
    for row in 0..events.len() {
        let admitted = admitted.value(row);
        let late = admitted && record.sequence_max.is_late(events.domains().value(row), events.sequences().value(row));
        let op = events.op(row)?;
        late_events += u64::from(late);
        late_truncate |= late && op == Op::Truncate;
        let read_after_changes = op == Op::Read && record.has_changes;
        let continues_elsewhere =
            events.continues_row(row) && !deleted.get_or_insert_with(|| deletes(events)).contains(&source_event(events, row));
        if admitted && op != Op::Truncate && (late || read_after_changes || continues_elsewhere) {
            refold.push(row as u32);
        }
        in_order.push(admitted && !late);
    }
    Ok(Split { in_order: in_order.into(), refold, late: late_events, late_truncate })
}

/// The source's own events that hold a delete: the delete half of a key change precedes its create half there.
fn deletes(events: &ChangeBatch) -> HashSet<(&str, &str)> {
    let is_delete = |row: &usize| events.ops().value(*row) == Op::Delete.as_str();
    (0..events.len()).filter(is_delete).map(|row| source_event(events, row)).collect()
}

fn source_event(events: &ChangeBatch, row: usize) -> (&str, &str) {
    let sequence = events.sequences().value(row);
    (events.domains().value(row), sequence.rsplit_once('.').map_or(sequence, |(event, _)| event))
}
