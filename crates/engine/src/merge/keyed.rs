//! A fold onto a table with a key: collapse, locate, write.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use roaring::RoaringTreemap;
use waterline_core::change::{ChangeBatch, key_fields};
use waterline_core::collapse::{BeforeRows, Collapsed, collapse, split};
use waterline_core::error::Result;
use waterline_core::format::{Removal, TableState};
use waterline_core::key::{KeyEncoder, KeyId, KeyIndex};
use waterline_core::locate::{KeySet, key_columns};

use super::baseline::live_rows;
use super::rewrite::rewrite_files;
use super::{Change, Fold, Stages, TouchedFile};
use crate::as_of::history::History;
use crate::lake::Lake;
use crate::locate::{Located, RowAt, fetch, locate};
use crate::write::DataWriter;

/// `copy-on-write` rewrites the files that hold matched rows; anything else deletes by position.
const MERGE_MODE: &str = "write.merge.mode";

impl Fold<'_> {
    pub(super) async fn merge_keyed(&self, stages: &mut Stages) -> Result<Change> {
        let started = self.lake.env.clock.now_us();
        let split = split(&self.pending.events, &self.record)?;
        if split.late_truncate {
            return self.refold_all(split.late, stages).await;
        }
        let in_order = ChangeBatch::try_new(filter_record_batch(self.pending.events.batch(), &split.in_order)?)?;
        let normal = collapse(&in_order, &self.schema)?;
        let history = if split.refold.is_empty() { None } else { Some(self.history(&split.refold).await?) };
        stages.collapse += self.since(started);

        let mut change = Change { late: split.late, ..Change::default() };
        let mut writer = DataWriter::new(&self.lake.env, &self.base)?;
        let is_normal = |key: KeyId| history.as_ref().is_none_or(|history| !history.holds(normal.key(key)));
        let merged = self.fold_onto_rows(&in_order, &normal, is_normal, &mut change, stages).await?;
        writer.write(&merged).await?;
        if let Some(history) = &history {
            let rows = self.fold_onto_baseline(history, normal.truncated, &mut change, stages).await?;
            writer.write(&rows).await?;
        }
        let started = self.lake.env.clock.now_us();
        if normal.truncated {
            change.deleted += self.live_rows().await?;
            change.touched.clear();
            change.remove = Removal::All;
        } else if self.base.properties.get(MERGE_MODE).is_some_and(|mode| mode == "copy-on-write") {
            let touched = std::mem::take(&mut change.touched);
            change.remove = Removal::Files(touched.keys().cloned().collect());
            change.add = rewrite_files(self.lake, &self.base, touched).await?;
        }
        change.add.extend(writer.finish().await?);
        stages.write += self.since(started);
        Ok(change)
    }

    /// Keys whose events go on from the rows that the mirror has. Returns the rows to write.
    async fn fold_onto_rows(
        &self,
        events: &ChangeBatch,
        collapsed: &Collapsed,
        wanted: impl Fn(KeyId) -> bool,
        change: &mut Change,
        stages: &mut Stages,
    ) -> Result<RecordBatch> {
        let started = self.lake.env.clock.now_us();
        let wanted = |key| collapsed.touches(key) && wanted(key);
        let needed: HashSet<KeyId> = collapsed.needed_before().into_iter().collect();
        let located = if collapsed.truncated {
            Located::default()
        } else {
            self.locate_keys(collapsed, |key| wanted(key) || needed.contains(&key)).await?
        };
        let before = before_rows(self.lake, &self.base, collapsed, &located).await?;
        stages.locate += self.since(started);

        let started = self.lake.env.clock.now_us();
        let assembled = collapsed.assemble(events, &self.schema, &before, wanted)?;
        for key in collapsed.touched().filter(|key| wanted(*key)) {
            change.count(located.rows.contains_key(&key), !collapsed.is_deleted(key));
        }
        change.unresolved += assembled.unresolved;
        change.touch(located, wanted);
        stages.collapse += self.since(started);
        Ok(assembled.upserts)
    }

    /// Keys whose whole history folds onto the baseline; the result replaces the row that is there. Returns the rows to write.
    async fn fold_onto_baseline(
        &self,
        history: &History,
        truncated: bool,
        change: &mut Change,
        stages: &mut Stages,
    ) -> Result<RecordBatch> {
        let started = self.lake.env.clock.now_us();
        let located = if truncated || self.base.version.is_none() {
            Located::default()
        } else {
            let (keys, pruner) = KeySet::new(history.keys(), history.encoder(), key_fields(&self.schema), |_| true)?;
            locate(self.lake, &self.pair.mirror, &self.base, keys, &pruner).await?
        };
        stages.locate += self.since(started);
        let folded = history.fold(None)?;
        for key in history.keys().ids() {
            change.count(located.rows.contains_key(&key), folded.is_present(key));
        }
        let rows = folded.rows()?;
        change.unresolved += rows.unresolved;
        change.touch(located, |_| true);
        Ok(rows.upserts)
    }

    /// The history of the keys of these rows of the pending batch.
    async fn history(&self, rows: &[u32]) -> Result<History> {
        let log = self.pair.changelog.head().await?;
        let baseline = self.baseline_state().await?;
        let fields = key_fields(&self.schema);
        let encoder = Arc::new(KeyEncoder::new(&fields)?);
        let encoded = encoder.encode(&key_columns(self.pending.events.batch(), &fields)?)?;
        let mut keys = KeyIndex::default();
        for row in rows {
            keys.insert(encoded.row(*row as usize));
        }
        History::read(&self.ground(&log, baseline.as_ref()), &encoder, keys, None).await
    }

    async fn locate_keys(&self, collapsed: &Collapsed, wanted: impl Fn(KeyId) -> bool) -> Result<Located> {
        if self.base.version.is_none() || collapsed.keys().is_empty() {
            return Ok(Located::default());
        }
        let (keys, pruner) = KeySet::new(collapsed.keys(), collapsed.encoder(), key_fields(&self.schema), wanted)?;
        locate(self.lake, &self.pair.mirror, &self.base, keys, &pruner).await
    }

    pub(super) async fn live_rows(&self) -> Result<u64> {
        live_rows(self.lake, &self.pair.mirror, &self.base).await
    }
}

/// The rows that unset columns take their values from.
pub(super) async fn before_rows(lake: &Lake, state: &TableState, collapsed: &Collapsed, located: &Located) -> Result<BeforeRows> {
    let needed: Vec<(KeyId, RowAt)> =
        collapsed.needed_before().into_iter().filter_map(|key| Some((key, *located.rows.get(&key)?))).collect();
    if needed.is_empty() {
        return Ok(BeforeRows::default());
    }
    let at: Vec<RowAt> = needed.iter().map(|(_, at)| *at).collect();
    let (rows, numbers) = fetch(lake, state, located, &at).await?;
    Ok(BeforeRows { rows: Some(rows), by_key: needed.into_iter().map(|(key, _)| key).zip(numbers).collect() })
}

impl Change {
    fn count(&mut self, was_present: bool, is_present: bool) {
        match (was_present, is_present) {
            (true, true) => self.updated += 1,
            (true, false) => self.deleted += 1,
            (false, true) => self.inserted += 1,
            (false, false) => {}
        }
    }

    /// The located rows of the wanted keys go.
    pub(super) fn touch(&mut self, located: Located, wanted: impl Fn(KeyId) -> bool) {
        let mut gone = vec![RoaringTreemap::new(); located.files.len()];
        for (_, at) in located.rows.iter().filter(|(key, _)| wanted(**key)) {
            gone[at.file].insert(at.position);
        }
        for (file, rows) in located.files.into_iter().zip(gone).filter(|(_, rows)| !rows.is_empty()) {
            let path = file.file.path.clone();
            let touched = self.touched.entry(path).or_insert_with(|| TouchedFile {
                file: file.file,
                deleted_before: file.deleted,
                rows: RoaringTreemap::new(),
            });
            touched.rows |= rows;
        }
    }
}
