//! The whole history of some keys: every event of them, folded onto the baseline (DESIGN.md rules 4 to 8).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StructArray, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch};
use futures::TryStreamExt;
use roaring::RoaringTreemap;
use waterline_core::change::{ChangeBatch, OLD_KEY, OP, Op, UNSET, key_fields};
use waterline_core::collapse::{Assembled, BeforeRows, Collapsed, collapse};
use waterline_core::conform::conform_batch;
use waterline_core::error::Result;
use waterline_core::format::{DataFile, TableState};
use waterline_core::key::{Key, KeyEncoder, KeyId, KeyIndex};
use waterline_core::locate::{KeySet, key_columns};
use waterline_core::record::LogCounts;
use waterline_core::schema::TableSchema;

use super::shares::Linked;
use crate::events::{Window, files_in};
use crate::lake::Lake;
use crate::locate::{RowAt, columns_by_name, fetch, locate, read_rows};
use crate::merge::Pair;
use crate::parquet_io::Rows;

/// What histories are read from, and what they fold onto.
#[derive(Clone)]
pub(crate) struct Ground<'a> {
    pub lake: &'a Lake,
    pub pair: &'a Pair,
    pub schema: &'a TableSchema,
    pub log: &'a TableState,
    /// Events that count.
    pub window: Window,
    /// Of the whole changelog.
    pub counts: LogCounts,
    /// `None` when events fold onto an empty table.
    pub baseline: Option<&'a TableState>,
}

/// All events of some keys, and the rows that these have in the state which the events fold onto.
pub(crate) struct History {
    keys: Arc<KeyIndex>,
    encoder: Arc<KeyEncoder>,
    schema: TableSchema,
    events: ChangeBatch,
    before: Option<RecordBatch>,
    /// By number of the key in `keys`: row in `before`.
    before_by_key: HashMap<KeyId, u32>,
}

/// A history folded.
pub(crate) struct FoldedHistory<'a> {
    history: &'a History,
    events: ChangeBatch,
    collapsed: Collapsed,
    before: BeforeRows,
}

impl History {
    /// Reads the history of these keys, and of the keys that key changes link with them. `linked` where that is known already.
    pub(crate) async fn read(ground: &Ground<'_>, encoder: &Arc<KeyEncoder>, mut keys: KeyIndex, linked: Option<&Linked>) -> Result<Self> {
        match linked {
            Some(linked) => linked.complete(&mut keys),
            None => ground.linked().await?.complete(&mut keys),
        }
        let keys = Arc::new(keys);
        let events = ground.events_of(&keys, encoder).await?;
        let (before, before_by_key) = match ground.baseline {
            Some(baseline) => rows_of(ground, baseline, &keys, encoder).await?,
            None => (None, HashMap::new()),
        };
        Ok(Self { keys, encoder: encoder.clone(), schema: ground.schema.clone(), events, before, before_by_key })
    }

    /// A history that is read already: events of all columns, and the rows that the keys have before them.
    pub(crate) fn new(
        schema: &TableSchema,
        encoder: &Arc<KeyEncoder>,
        keys: KeyIndex,
        events: ChangeBatch,
        (before, before_by_key): (Option<RecordBatch>, HashMap<KeyId, u32>),
    ) -> Self {
        Self { keys: Arc::new(keys), encoder: encoder.clone(), schema: schema.clone(), events, before, before_by_key }
    }

    pub(crate) fn keys(&self) -> &Arc<KeyIndex> {
        &self.keys
    }

    pub(crate) fn encoder(&self) -> &Arc<KeyEncoder> {
        &self.encoder
    }

    pub(crate) fn holds(&self, key: Key<'_>) -> bool {
        self.keys.get(key).is_some()
    }

    /// Folds the events up to a moment; all of them with `None`.
    pub(crate) fn fold(&self, until_us: Option<i64>) -> Result<FoldedHistory<'_>> {
        let events = self.events_until(until_us)?;
        let collapsed = collapse(&events, &self.schema)?;
        let before = self.before(collapsed.keys());
        Ok(FoldedHistory { history: self, events, collapsed, before })
    }

    pub(crate) fn events(&self) -> &ChangeBatch {
        &self.events
    }

    /// The rows before all events, by the numbers that their keys have in `keys`.
    pub(crate) fn before(&self, keys: &KeyIndex) -> BeforeRows {
        let of_key = |(key, row): (&KeyId, &u32)| Some((keys.get(self.keys.key(*key))?, *row));
        BeforeRows { rows: self.before.clone(), by_key: self.before_by_key.iter().filter_map(of_key).collect() }
    }

    fn events_until(&self, until_us: Option<i64>) -> Result<ChangeBatch> {
        let Some(until_us) = until_us else { return Ok(self.events.clone()) };
        let early: BooleanArray = self.events.event_times().values().iter().map(|time| Some(*time <= until_us)).collect();
        ChangeBatch::try_new(filter_record_batch(self.events.batch(), &early)?)
    }
}

impl FoldedHistory<'_> {
    /// Whether a key of the history has a row in the end.
    pub(crate) fn is_present(&self, key: KeyId) -> bool {
        match self.outcome_of(key) {
            Some(collapsed) => !self.collapsed.is_deleted(collapsed),
            None => self.history.before_by_key.contains_key(&key) && !self.collapsed.truncated,
        }
    }

    /// The rows of the history's keys in the end.
    pub(crate) fn rows(&self) -> Result<Assembled> {
        let history = self.history;
        let is_whole = |key: KeyId| history.holds(self.collapsed.key(key));
        let assembled = self.collapsed.assemble(&self.events, &history.schema, &self.before, is_whole)?;
        let kept: Vec<u32> = match &history.before {
            Some(_) if !self.collapsed.truncated => {
                history.before_by_key.iter().filter(|(key, _)| self.outcome_of(**key).is_none()).map(|(_, row)| *row).collect()
            }
            _ => Vec::new(),
        };
        let Some(rows) = history.before.as_ref().filter(|_| !kept.is_empty()) else { return Ok(assembled) };
        let kept = arrow::compute::take_record_batch(rows, &UInt32Array::from(kept))?;
        let kept = conform_batch(&kept, &assembled.upserts.schema())?;
        Ok(Assembled { upserts: concat_batches(&assembled.upserts.schema(), [&assembled.upserts, &kept])?, ..assembled })
    }

    /// The number of a key among those that events say something about.
    fn outcome_of(&self, key: KeyId) -> Option<KeyId> {
        self.collapsed.keys().get(self.history.keys.key(key)).filter(|key| self.collapsed.touches(*key))
    }
}

/// The rows of the keys in a state, and which is whose.
async fn rows_of(
    ground: &Ground<'_>,
    state: &TableState,
    keys: &Arc<KeyIndex>,
    encoder: &Arc<KeyEncoder>,
) -> Result<(Option<RecordBatch>, HashMap<KeyId, u32>)> {
    let (set, pruner) = KeySet::new(keys, encoder, key_fields(ground.schema), |_| true)?;
    let located = locate(ground.lake, &ground.pair.mirror, state, set, &pruner).await?;
    let (found, at): (Vec<KeyId>, Vec<RowAt>) = located.rows.iter().map(|(key, at)| (*key, *at)).unzip();
    if found.is_empty() {
        return Ok((None, HashMap::new()));
    }
    let (rows, numbers) = fetch(ground.lake, state, &located, &at).await?;
    Ok((Some(rows), found.into_iter().zip(numbers).collect()))
}

impl Ground<'_> {
    /// All events of these keys in the window, and every truncate.
    async fn events_of(&self, keys: &Arc<KeyIndex>, encoder: &Arc<KeyEncoder>) -> Result<ChangeBatch> {
        let (set, pruner) = KeySet::new(keys, encoder, key_fields(self.schema), |_| true)?;
        let located = locate(self.lake, &self.pair.changelog, self.log, set, &pruner).await?;
        let mut events = vec![read_rows(self.lake, self.log, located.files.iter().map(|f| (&f.file, &f.rows))).await?];
        if self.counts.truncates > 0 {
            let truncates = self.truncates().await?;
            events.push(read_rows(self.lake, self.log, truncates.iter().map(|(file, rows)| (file, rows))).await?);
        }
        ChangeBatch::try_new(self.window.filter(&concat_batches(&events[0].schema(), &events)?)?)
    }

    async fn truncates(&self) -> Result<Vec<(DataFile, RoaringTreemap)>> {
        let mut found = Vec::new();
        for file in self.log_files().await? {
            let mut rows = RoaringTreemap::new();
            let mut start = 0;
            self.scan(&file, &[OP], |batch| {
                if let Some(ops) = batch.column(0).as_string_opt::<i32>() {
                    rows.extend((0..ops.len()).filter(|row| ops.value(*row) == Op::Truncate.as_str()).map(|row| start + row as u64));
                }
                start += batch.num_rows() as u64;
                Ok(())
            })
            .await?;
            if !rows.is_empty() {
                found.push((file, rows));
            }
        }
        Ok(found)
    }

    async fn log_files(&self) -> Result<Vec<DataFile>> {
        files_in(&self.pair.changelog, self.log, &self.window).await
    }

    /// The keys that key changes with unset columns link.
    pub(crate) async fn linked(&self) -> Result<Linked> {
        let mut linked = Linked::default();
        if self.counts.continued_rows == 0 {
            return Ok(linked);
        }
        let fields = key_fields(self.schema);
        let encoder = KeyEncoder::new(&fields)?;
        let columns: Vec<&str> = [OLD_KEY, UNSET].into_iter().chain(fields.iter().map(|f| f.name().as_str())).collect();
        for file in self.log_files().await? {
            self.scan(&file, &columns, |batch| {
                let continues: BooleanArray =
                    (0..batch.num_rows()).map(|row| Some(batch.column(0).is_valid(row) && batch.column(1).is_valid(row))).collect();
                let batch = filter_record_batch(&batch, &continues)?;
                let old: Option<&StructArray> = batch.column(0).as_struct_opt();
                if let Some(old) = old.filter(|old| !old.is_empty()) {
                    let (new, old) = (encoder.encode(&key_columns(&batch, &fields)?)?, encoder.encode(old.columns())?);
                    new.iter().zip(&old).for_each(|(new, old)| linked.link(new, old));
                }
                Ok(())
            })
            .await?;
        }
        Ok(linked)
    }

    async fn scan(&self, file: &DataFile, columns: &[&str], mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let columns = columns_by_name(self.log, columns.iter().copied())?;
        let opened = self.lake.files.open_data_file(self.log, file).await?;
        let mut batches = opened.read(&columns, Rows::All, 1 << 16).await?;
        while let Some(batch) = batches.try_next().await? {
            each(batch)?;
        }
        Ok(())
    }
}
