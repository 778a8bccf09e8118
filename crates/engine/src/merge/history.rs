//! The whole history of some keys: every logged event of them, folded onto the baseline (DESIGN.md rules 4 to 8).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StructArray, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::row::Row;
use futures::TryStreamExt;
use roaring::RoaringTreemap;
use waterline_core::change::{ChangeBatch, OLD_KEY, OP, Op, UNSET, key_fields};
use waterline_core::collapse::{Assembled, BeforeRows, Collapsed, collapse};
use waterline_core::error::Result;
use waterline_core::format::{DataFile, KeepAll, TableState};
use waterline_core::key::{KeyEncoder, KeyId, KeyIndex};
use waterline_core::locate::{KeySet, key_columns};

use super::Fold;
use crate::locate::{Located, RowAt, columns_by_name, fetch, locate, read_rows};
use crate::parquet_io::Rows;

/// Keys, and what their history makes of them.
pub(super) struct History {
    keys: Arc<KeyIndex>,
    collapsed: Collapsed,
    baseline: BaselineRows,
}

/// Rows that the baseline has for the keys of a history.
#[derive(Default)]
struct BaselineRows {
    rows: Option<RecordBatch>,
    by_key: HashMap<KeyId, u32>,
}

impl History {
    /// Reads the history of the keys of these rows of the pending batch, and of the keys that key changes link with them.
    pub(super) async fn read(fold: &Fold<'_>, rows: &[u32]) -> Result<Self> {
        let log = fold.pair.changelog.head().await?;
        let reader = LogReader { fold, log: &log };
        let encoder = Arc::new(KeyEncoder::new(&key_fields(&fold.schema))?);
        let pending = fold.pending.events.batch();
        let chosen = arrow::compute::take_record_batch(pending, &UInt32Array::from(rows.to_vec()))?;
        let mut keys = KeyIndex::default();
        for row in &encoder.encode(&key_columns(&chosen, &key_fields(&fold.schema))?)? {
            keys.insert(row);
        }
        if fold.pending.log_continued_rows {
            reader.link(&encoder, &mut keys).await?;
        }
        let keys = Arc::new(keys);
        let events = reader.events_of(&keys, &encoder).await?;
        let collapsed = collapse(&events, &fold.schema)?;
        let baseline = BaselineRows::read(fold, &collapsed).await?;
        Ok(Self { keys, collapsed, baseline })
    }

    pub(super) fn collapsed(&self) -> &Collapsed {
        &self.collapsed
    }

    pub(super) fn holds(&self, key: Row<'_>) -> bool {
        self.keys.get(key).is_some()
    }

    /// Keys whose history is whole here. Others are only named, as the old key of a change.
    pub(super) fn is_whole(&self, key: KeyId) -> bool {
        self.holds(self.collapsed.key(key))
    }

    /// Whether the key has a row in the end.
    pub(super) fn is_present(&self, key: KeyId) -> bool {
        if self.collapsed.touches(key) { !self.collapsed.is_deleted(key) } else { self.baseline.by_key.contains_key(&key) }
    }

    /// The rows of the keys in the end.
    pub(super) fn rows(&self) -> Result<Assembled> {
        let before = BeforeRows { rows: self.baseline.rows.clone(), by_key: self.baseline.by_key.clone() };
        let assembled = self.collapsed.assemble(&before, |key| self.is_whole(key))?;
        let kept: Vec<u32> = self
            .baseline
            .by_key
            .iter()
            .filter(|(key, _)| self.is_whole(**key) && !self.collapsed.touches(**key))
            .map(|(_, row)| *row)
            .collect();
        let Some(rows) = self.baseline.rows.as_ref().filter(|_| !kept.is_empty()) else { return Ok(assembled) };
        let kept = arrow::compute::take_record_batch(rows, &UInt32Array::from(kept))?;
        let kept = waterline_core::conform::conform_batch(&kept, &assembled.upserts.schema())?;
        Ok(Assembled { upserts: concat_batches(&assembled.upserts.schema(), [&assembled.upserts, &kept])?, ..assembled })
    }
}

impl BaselineRows {
    async fn read(fold: &Fold<'_>, collapsed: &Collapsed) -> Result<Self> {
        let Some(state) = fold.baseline_state().await? else { return Ok(Self::default()) };
        let (keys, pruner) = KeySet::new(collapsed.keys(), collapsed.encoder(), key_fields(&fold.schema), |_| true)?;
        let located = locate(fold.lake, &fold.pair.mirror, &state, keys, &pruner).await?;
        let found: Vec<(KeyId, RowAt)> = located.rows.iter().map(|(key, at)| (*key, *at)).collect();
        if found.is_empty() {
            return Ok(Self::default());
        }
        let at: Vec<RowAt> = found.iter().map(|(_, at)| *at).collect();
        let (rows, numbers) = fetch(fold.lake, &state, &located, &at).await?;
        Ok(Self { rows: Some(rows), by_key: found.into_iter().map(|(key, _)| key).zip(numbers).collect() })
    }
}

/// Reads events of the changelog up to the batch that is folded.
struct LogReader<'a> {
    fold: &'a Fold<'a>,
    log: &'a TableState,
}

impl LogReader<'_> {
    /// All admitted events of these keys, and every truncate.
    async fn events_of(&self, keys: &Arc<KeyIndex>, encoder: &Arc<KeyEncoder>) -> Result<ChangeBatch> {
        let changelog = &self.fold.pair.changelog;
        let (set, pruner) = KeySet::new(keys, encoder, key_fields(&self.fold.schema), |_| true)?;
        let located: Located = locate(self.fold.lake, changelog, self.log, set, &pruner).await?;
        let mut events = vec![read_rows(self.fold.lake, self.log, located.files.iter().map(|f| (&f.file, &f.rows))).await?];
        if self.fold.pending.log_truncates {
            let truncates = self.truncates().await?;
            events.push(read_rows(self.fold.lake, self.log, truncates.iter().map(|(file, rows)| (file, rows))).await?);
        }
        let events = concat_batches(&events[0].schema(), &events)?;
        let admitted = self.fold.is_admitted(&events)?;
        ChangeBatch::try_new(filter_record_batch(&events, &admitted)?)
    }

    async fn truncates(&self) -> Result<Vec<(DataFile, RoaringTreemap)>> {
        let mut found = Vec::new();
        for file in self.fold.pair.changelog.data_files(self.log, &KeepAll).await? {
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

    /// Adds the keys that key changes with unset columns link with those given, until nothing is added.
    async fn link(&self, encoder: &KeyEncoder, keys: &mut KeyIndex) -> Result<()> {
        let links = self.links().await?;
        let mut pairs = Vec::new();
        for (new, old) in &links {
            pairs.push((encoder.encode(new)?, encoder.encode(old)?));
        }
        loop {
            let before = keys.len();
            for (new, old) in pairs.iter().flat_map(|(new, old)| new.iter().zip(old.iter())) {
                if keys.get(new).is_some() || keys.get(old).is_some() {
                    keys.insert(new);
                    keys.insert(old);
                }
            }
            if keys.len() == before {
                return Ok(());
            }
        }
    }

    async fn links(&self) -> Result<Vec<(Vec<ArrayRef>, Vec<ArrayRef>)>> {
        let fields = key_fields(&self.fold.schema);
        let columns: Vec<&str> = [OLD_KEY, UNSET].into_iter().chain(fields.iter().map(|f| f.name().as_str())).collect();
        let mut links = Vec::new();
        for file in self.fold.pair.changelog.data_files(self.log, &KeepAll).await? {
            self.scan(&file, &columns, |batch| {
                let linked: BooleanArray =
                    (0..batch.num_rows()).map(|row| Some(batch.column(0).is_valid(row) && batch.column(1).is_valid(row))).collect();
                let batch = filter_record_batch(&batch, &linked)?;
                let old: Option<&StructArray> = batch.column(0).as_struct_opt();
                if let Some(old) = old.filter(|old| !old.is_empty()) {
                    links.push((key_columns(&batch, &fields)?, old.columns().to_vec()));
                }
                Ok(())
            })
            .await?;
        }
        Ok(links)
    }

    async fn scan(&self, file: &DataFile, columns: &[&str], mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let columns = columns_by_name(self.log, columns.iter().copied())?;
        let opened = self.fold.lake.files.open_data_file(self.log, file).await?;
        let mut batches = opened.read(&columns, Rows::All, 1 << 16).await?;
        while let Some(batch) = batches.try_next().await? {
            each(batch)?;
        }
        Ok(())
    }
}
