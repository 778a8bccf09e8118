//! A late truncate touches every key: the mirror is written anew, from its baseline and the whole changelog
//! (DESIGN.md rule 5).

use waterline_core::as_of::{Plan, anchored};
use waterline_core::error::Result;
use waterline_core::format::{Removal, TableState, VersionId};
use waterline_core::record::LogCounts;

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
        let plan = Plan::whole_epoch(&self.base, &self.record, self.pending.upto, self.pending.rollbacks.clone());
        let plan = plan.map_err(|e| e.with("table", self.pair.mirror.name()))?;
        let state = past.state(&plan, &self.window(), &self.limits).await?;
        let mut change = Change { late, deleted: self.live_rows().await?, remove: Removal::All, ..Change::default() };
        let mut writer = DataWriter::new(&self.lake.env, &self.base)?;
        change.inserted = state.write_base(&past, &mut writer).await? + state.write_overlay(&past, &mut writer).await?;
        change.unresolved = state.overlay.unresolved;
        change.add = writer.finish().await?;
        stages.write += self.since(started);
        Ok(change)
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

    fn anchor(&self) -> Result<Option<VersionId>> {
        anchored(&self.base, &self.record.baseline).map_err(|e| e.with("table", self.pair.mirror.name()))
    }

    /// The anchor of the baseline, seen through today's schema; `None` when events fold onto nothing.
    pub(super) async fn baseline_state(&self) -> Result<Option<TableState>> {
        let Some(version) = self.anchor()? else { return Ok(None) };
        let state = self.pair.mirror.at(&self.base, version).await?;
        Ok(Some(TableState { schema: self.base.schema.clone(), ..state }))
    }
}
