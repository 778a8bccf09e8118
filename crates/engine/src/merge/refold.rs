//! A late truncate touches every key: the mirror is written anew, from its baseline and the whole changelog
//! (DESIGN.md rule 5).

use waterline_core::as_of::{Base, Epoch, Plan};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Removal, TableState};
use waterline_core::record::{LogCounts, Record};

use super::{Change, Fold, Stages};
use crate::as_of::Past;
use crate::as_of::history::Ground;
use crate::events::Window;
use crate::write::DataWriter;

impl Fold<'_> {
    pub(super) async fn refold_all(&self, late: u64, stages: &mut Stages) -> Result<Change> {
        let started = self.lake.env.clock.now_us();
        let log = self.pair.changelog.head().await?;
        let past =
            Past { lake: self.lake, pair: self.pair, mirror: &self.base, log: &log, counts: self.log_counts(), schema: &self.schema };
        let state = past.state(&self.whole_epoch()?, &self.window(), &self.limits).await?;
        let mut change = Change { late, deleted: self.live_rows().await?, remove: Removal::All, ..Change::default() };
        let mut writer = DataWriter::new(&self.lake.env, &self.base)?;
        change.inserted = state.write_base(&past, &mut writer).await? + state.write_overlay(&past, &mut writer).await?;
        change.unresolved = state.overlay.unresolved;
        change.add = writer.finish().await?;
        stages.write += self.since(started);
        Ok(change)
    }

    /// The plan of everything that folds onto the baseline, whenever it happened.
    fn whole_epoch(&self) -> Result<Plan> {
        let baseline = Epoch { baseline: self.record.baseline.clone(), version: self.anchor()? };
        let record = Record { baseline: self.record.baseline.clone(), ..Record::initial() };
        let base = Base { version: baseline.version, record };
        Ok(Plan {
            at_us: i64::MAX,
            upto: self.pending.upto,
            rollbacks: self.pending.rollbacks.clone(),
            baseline,
            base,
            answerable: Default::default(),
        })
    }

    /// What the histories of keys are read from.
    pub(super) fn ground<'a>(&'a self, log: &'a TableState, baseline: Option<&'a TableState>) -> Ground<'a> {
        Ground { lake: self.lake, pair: self.pair, schema: &self.schema, log, window: self.window(), counts: self.log_counts(), baseline }
    }

    fn window(&self) -> Window {
        Window::since(&self.record.baseline, self.pending.upto, &self.pending.rollbacks)
    }

    fn log_counts(&self) -> LogCounts {
        self.pending.log_counts
    }

    /// The snapshot with the baseline's rows; `None` when events fold onto nothing.
    fn anchor(&self) -> Result<Option<waterline_core::format::VersionId>> {
        let Some(anchor) = &self.record.baseline.anchor else { return Ok(None) };
        let tag = self.base.refs.get(anchor).ok_or_else(|| {
            Error::corrupt("the tag of the table's baseline is gone; events that arrive late cannot be folded")
                .with("table", self.pair.mirror.name())
                .with("tag", anchor)
        })?;
        Ok(Some(tag.version))
    }

    /// The anchor of the baseline, seen through today's schema; `None` when events fold onto nothing.
    pub(super) async fn baseline_state(&self) -> Result<Option<TableState>> {
        let Some(version) = self.anchor()? else { return Ok(None) };
        let state = self.pair.mirror.at(&self.base, version).await?;
        Ok(Some(TableState { schema: self.base.schema.clone(), ..state }))
    }
}
