//! A fold onto a table without a key: its rows are the creates since the last truncate.

use arrow::array::UInt32Array;
use arrow::compute::filter_record_batch;
use waterline_core::change::{ChangeBatch, Op};
use waterline_core::collapse::fold_order;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::Removal;

use super::{Change, Fold, Stages};
use crate::write::DataWriter;

impl Fold<'_> {
    pub(super) async fn append(&self, stages: &mut Stages) -> Result<Change> {
        let started = self.lake.env.clock.now_us();
        let events = self.admitted()?;
        let (order, _) = fold_order(&events);
        let mut change = Change::default();
        let mut rows = Vec::with_capacity(order.len());
        let mut late_truncate = false;
        for row in order {
            let at = row as usize;
            let late = self.record.sequence_max.is_late(events.domains().value(at), events.sequences().value(at));
            change.late += u64::from(late);
            match events.op(at)? {
                // A truncate that was folded already may take it away.
                Op::Create if late && self.pending.log_counts.truncates > 0 => late_truncate = true,
                Op::Create => rows.push(row),
                // One that the baseline does not rule out by its time is a part of the baseline's own run.
                Op::Read if !self.record.has_changes || !self.record.baseline.admits(events.event_times().value(at)) => rows.push(row),
                Op::Truncate if late => late_truncate = true,
                Op::Truncate => {
                    rows.clear();
                    change.remove = Removal::All;
                }
                op => return Err(self.needs_key(op)),
            }
        }
        if late_truncate {
            return self.refold_all(change.late, stages).await;
        }
        if change.remove == Removal::All {
            change.deleted = self.live_rows().await?;
        }
        change.inserted = rows.len() as u64;
        let mut writer = DataWriter::new(&self.lake.env, &self.base)?;
        writer.write(&arrow::compute::take_record_batch(&events.source_columns()?, &UInt32Array::from(rows))?).await?;
        change.add = writer.finish().await?;
        stages.write += self.since(started);
        Ok(change)
    }

    fn needs_key(&self, op: Op) -> Error {
        let why = if op == Op::Read {
            "the source was snapshot again, and the rows of a table without a key cannot be told apart; load a dump instead"
        } else {
            "a table without a key is append-only; give it a key (`keys` in waterline.toml) to take updates and deletes"
        };
        Error::new(ErrorKind::BadInput, why).with("table", self.pair.mirror.name()).with("op", op.as_str())
    }

    fn admitted(&self) -> Result<ChangeBatch> {
        let events = &self.pending.events;
        let admitted = self.record.baseline.admitted(events)?;
        if admitted.false_count() == 0 {
            return Ok(events.clone());
        }
        ChangeBatch::try_new(filter_record_batch(events.batch(), &admitted)?)
    }
}
