//! The residual: the events between a base and T, by where they are in the changelog, and what they make of the base's rows.
//!
//! Of most events only the key and the order are read. The newest image of a key is then a row of the changelog that a scan
//! reads like one of the table. Only rows that several events make, and those folded again from the baseline, are made here.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::row::Rows as KeyRows;
use futures::stream::{self, StreamExt, TryStreamExt};
use waterline_core::change::{BATCH, ChangeBatch, DOMAIN, EVENT_TIME, OLD_KEY, OP, Op, SEQUENCE, UNSET, key_fields};
use waterline_core::changes::takes_part;
use waterline_core::collapse::{Split, collapse, fold_order, split};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{DataFile, TableState};
use waterline_core::key::{Key, KeyEncoder, KeyId, KeyIndex};
use waterline_core::locate::{KeySet, key_columns};
use waterline_core::record::Record;

use super::files_in;
use super::history::{Ground, History};
use super::overlay::{Images, Overlay};
pub(super) use super::shares::Bucket;
use super::shares::Dealt;
use crate::locate::{Located, RowAt, columns_by_name, fetch, locate, read_rows};
use crate::parquet_io::Rows;

/// Rows of a batch of events.
const BATCH_ROWS: usize = 1 << 16;

/// Keys whose events are read with all of their columns.
#[derive(Clone, Copy)]
pub(crate) enum Whole {
    /// Those whose rows are made of several events.
    Made,
    /// Those too of which an event has a part in what changes after a time, in microseconds since the epoch.
    ChangedAfter(i64),
}

/// The state that the residual folds onto.
#[derive(Clone, Copy)]
pub(crate) struct Onto<'a> {
    /// `None` for the empty table.
    pub state: Option<&'a TableState>,
    pub record: &'a Record,
}

/// Events that follow upon a base.
pub(crate) struct Residual {
    pub(super) log_files: Vec<DataFile>,
    /// Events whose keys' images are rows of the changelog.
    pub(super) plain: KeyEvents,
    /// Keys of which some event leaves columns unset.
    pub(super) partial: Option<History>,
    /// Keys that are folded again from the baseline.
    pub(super) late: Option<History>,
    /// Every key of the residual.
    pub(super) keys: Arc<KeyIndex>,
    /// The key of each plain event but for truncates; empty for a table without a key.
    pub(super) plain_keys: Vec<Option<KeyId>>,
    /// Where they are in the base.
    pub(super) located: Located,
    /// Events of the residual.
    rows: u64,
}

#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(crate) enum Loaded {
    Residual(Residual),
    /// A truncate sorts below what the base has folded: only the baseline can be folded onto.
    LateTruncate,
}

impl Residual {
    /// Reads the events of the ground's window that are not folded into the base.
    pub(crate) async fn load(ground: &Ground<'_>, onto: Onto<'_>, bucket: Bucket, whole: Whole) -> Result<Loaded> {
        let encoder = Arc::new(KeyEncoder::new(&key_fields(ground.schema))?);
        let (log_files, events) = KeyEvents::read(ground, onto.record, &bucket).await?;
        let rows = events.len() as u64;
        let Split { in_order, refold, late, late_truncate } = split(&events.events, onto.record)?;
        let is_keyless = ground.schema.keys().is_empty();
        // Of a table without a key a late row is one more, unless a truncate that is folded already took it away.
        if late_truncate || is_keyless && late > 0 && ground.counts.truncates > 0 {
            return Ok(Loaded::LateTruncate);
        }
        if is_keyless {
            let (keys, located) = (Arc::default(), Located::default());
            return Ok(Loaded::Residual(Self {
                log_files,
                plain: events,
                partial: None,
                late: None,
                keys,
                plain_keys: Vec::new(),
                located,
                rows,
            }));
        }
        let fields = key_fields(ground.schema);
        let key_rows = encoder.encode(&key_columns(events.events.batch(), &fields)?)?;
        let late = if refold.is_empty() {
            None
        } else {
            let mut keys = KeyIndex::default();
            for row in refold {
                keys.insert(key_rows.row(row as usize));
            }
            Some(History::read(ground, &encoder, keys, bucket.linked.as_deref()).await?)
        };
        let is_late = |key: Key<'_>| late.as_ref().is_some_and(|late| late.holds(key));
        let mut partial_keys = events.partial_keys(&key_rows, &encoder, is_late)?;
        if let Whole::ChangedAfter(since_us) = whole {
            events.add_changed(since_us, &key_rows, is_late, &mut partial_keys);
        }

        let (keys, key_of) = events.all_keys(&key_rows, late.as_ref());
        let keys = Arc::new(keys);
        let located = match onto.state {
            Some(base) if !keys.is_empty() => {
                let (set, pruner) = KeySet::new(&keys, &encoder, fields, |_| true)?;
                locate(ground.lake, &ground.pair.mirror, base, set, &pruner).await?
            }
            _ => Located::default(),
        };
        let is_truncate = |row: usize| events.events.ops().value(row) == Op::Truncate.as_str();
        let mask = |wanted: &dyn Fn(usize) -> bool| -> BooleanArray {
            (0..events.len()).map(|row| Some(in_order.value(row) && (is_truncate(row) || wanted(row)))).collect()
        };
        let partial = if partial_keys.is_empty() {
            None
        } else {
            let chosen = events.filter(&mask(&|row| partial_keys.get(key_rows.row(row)).is_some()))?;
            let whole = chosen.whole_rows(ground, &log_files).await?;
            let at: Vec<_> = partial_keys.ids().filter_map(|id| Some((id, *located.rows.get(&keys.get(partial_keys.key(id))?)?))).collect();
            let before = match onto.state {
                Some(base) if !at.is_empty() => {
                    let (rows, numbers) = fetch(ground.lake, base, &located, &at.iter().map(|(_, at)| *at).collect::<Vec<_>>()).await?;
                    (Some(rows), at.iter().map(|(id, _)| *id).zip(numbers).collect())
                }
                _ => (None, HashMap::new()),
            };
            Some(History::new(ground.schema, &encoder, partial_keys, whole, before))
        };
        let elsewhere = |row: usize| {
            let key = Key::from(key_rows.row(row));
            late.as_ref().is_some_and(|late| late.holds(key)) || partial.as_ref().is_some_and(|partial| partial.holds(key))
        };
        let is_plain = mask(&|row| !elsewhere(row));
        let plain = events.filter(&is_plain)?;
        let plain_keys = is_plain.values().set_indices().map(|row| key_of[row]).collect();
        Ok(Loaded::Residual(Self { log_files, plain, partial, late, keys, plain_keys, located, rows }))
    }

    /// The events that are read whole, with the rows of the base that they fold onto, or of the baseline.
    pub(crate) fn histories(&self) -> impl Iterator<Item = &History> {
        [&self.partial, &self.late].into_iter().flatten()
    }

    /// All truncates, among other events. System columns and those of the key.
    pub(crate) fn truncates(&self) -> &ChangeBatch {
        &self.plain.events
    }

    /// What the events up to a moment do to the base; all of them with `None`.
    pub(crate) fn overlay(&self, ground: &Ground<'_>, until_us: Option<i64>) -> Result<Overlay> {
        let mut overlay = Overlay { residual_rows: self.rows, ..Overlay::default() };
        let plain = match until_us {
            None => self.plain.clone(),
            Some(until) => {
                self.plain.filter(&self.plain.events.event_times().values().iter().map(|time| Some(*time <= until)).collect())?
            }
        };
        if ground.schema.keys().is_empty() {
            let (live, truncated) = plain.live_creates()?;
            overlay.emptied = truncated;
            overlay.images.extend(&self.log_files, live.into_iter().map(|row| plain.at[row as usize]));
            return Ok(overlay);
        }
        let collapsed = collapse(&plain.events, ground.schema)?;
        overlay.emptied = collapsed.truncated;
        let at = |key: Key<'_>| self.located.rows.get(&self.keys.get(key)?).copied();
        overlay.gone.extend(&self.located, collapsed.touched().filter_map(|key| at(collapsed.key(key))));
        let image =
            |(_, row): (_, Option<u32>)| row.ok_or_else(|| Error::internal("a row of several events was taken for one of a single event"));
        let images: Vec<u32> = collapsed.images().map(image).collect::<Result<_>>()?;
        overlay.images.extend(&self.log_files, images.into_iter().map(|row| plain.at[row as usize]));
        for history in self.histories() {
            let keys = history.keys();
            overlay.gone.extend(&self.located, keys.ids().filter_map(|key| at(keys.key(key))));
            let rows = history.fold(until_us)?.rows()?;
            overlay.unresolved += rows.unresolved;
            overlay.made.push(rows.upserts);
        }
        overlay.late_keys = self.late.as_ref().map_or(0, |late| late.keys().len() as u64);
        Ok(overlay)
    }
}

/// Keys and order of events, and where the events are.
#[derive(Clone, Debug)]
pub(super) struct KeyEvents {
    /// System columns and those of the key.
    pub(super) events: ChangeBatch,
    /// Place of each event: number of a file of the changelog, and position.
    pub(super) at: Vec<RowAt>,
}

impl KeyEvents {
    async fn read(ground: &Ground<'_>, record: &Record, bucket: &Bucket) -> Result<(Vec<DataFile>, Self)> {
        let window = super::Window { above: record.folded, ..ground.window.clone() };
        let files = files_in(&ground.pair.changelog, ground.log, &window).await?;
        let (fields, dealt) = (key_fields(ground.schema), Arc::new(Dealt::of(ground.schema)?));
        let system = [OP, EVENT_TIME, SEQUENCE, DOMAIN, BATCH, UNSET].into_iter();
        let old_key = (ground.counts.continued_rows > 0).then_some(OLD_KEY);
        let columns = columns_by_name(ground.log, system.chain(old_key).chain(fields.iter().map(|field| field.name().as_str())))?;
        let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
        let read = |(number, file): (usize, DataFile)| {
            let (lake, log, columns) = (ground.lake.clone(), ground.log.clone(), columns.clone());
            let (window, bucket, dealt) = (window.clone(), bucket.clone(), dealt.clone());
            tokio::spawn(async move {
                let opened = lake.files.open_data_file(&log, &file).await?;
                let mut batches = opened.read_with_positions(&columns, Rows::All, BATCH_ROWS).await?;
                let (mut events, mut at) = (Vec::new(), Vec::new());
                while let Some(read) = batches.try_next().await? {
                    let mask = bucket.mask(&read.batch, window.mask(&read.batch)?, &dealt)?;
                    let place = |row: usize| RowAt { file: number, position: read.positions.value(row).cast_unsigned() };
                    at.extend(mask.values().set_indices().map(place));
                    events.push(filter_record_batch(&read.batch, &mask)?);
                }
                Ok::<_, Error>((events, at))
            })
        };
        let mut reads = stream::iter(files.iter().cloned().enumerate().map(read)).buffered(concurrency);
        let (mut events, mut at) = (Vec::new(), Vec::new());
        while let Some(read) = reads.next().await {
            let (more, places) = read.map_err(|e| Error::internal("the reading of a changelog stopped").caused_by(e))??;
            events.extend(more);
            at.extend(places);
        }
        drop(reads);
        let events = ChangeBatch::try_new(concat_batches(columns.schema(), &events)?)?;
        Ok((files, Self { events, at }))
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    pub(super) fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        if mask.true_count() == mask.len() {
            return Ok(self.clone());
        }
        let events = ChangeBatch::try_new(filter_record_batch(self.events.batch(), mask)?)?;
        Ok(Self { events, at: mask.values().set_indices().map(|row| self.at[row]).collect() })
    }

    /// Some of the events, by row.
    pub(super) fn take(&self, rows: &[u32]) -> Result<Self> {
        let events = ChangeBatch::try_new(arrow::compute::take_record_batch(self.events.batch(), &UInt32Array::from(rows.to_vec()))?)?;
        Ok(Self { events, at: rows.iter().map(|row| self.at[*row as usize]).collect() })
    }

    /// Keys of events that leave columns unset, and those whose rows they continue; but for the keys of `elsewhere`.
    fn partial_keys(&self, key_rows: &KeyRows, encoder: &KeyEncoder, elsewhere: impl Fn(Key<'_>) -> bool) -> Result<KeyIndex> {
        let mut keys = KeyIndex::default();
        let Some(unset) = self.events.batch().column_by_name(UNSET).filter(|unset| unset.null_count() < unset.len()) else {
            return Ok(keys);
        };
        let old_rows = self.events.old_keys().map(|old| encoder.encode(old.columns())).transpose()?;
        for row in (0..self.len()).filter(|row| unset.is_valid(*row) && !elsewhere(key_rows.row(*row).into())) {
            keys.insert(key_rows.row(row));
            if let (Some(old), Some(rows)) = (self.events.old_keys(), &old_rows)
                && old.is_valid(row)
            {
                keys.insert(rows.row(row));
            }
        }
        Ok(keys)
    }

    /// Adds the keys of events that take part in what changes after a time; but for the keys of `elsewhere`.
    fn add_changed(&self, since_us: i64, key_rows: &KeyRows, elsewhere: impl Fn(Key<'_>) -> bool, keys: &mut KeyIndex) {
        let takes_part = takes_part(&self.events, since_us);
        let is_changed = |row: &usize| {
            takes_part(*row) && self.events.ops().value(*row) != Op::Truncate.as_str() && !elsewhere(key_rows.row(*row).into())
        };
        for row in (0..self.len()).filter(is_changed) {
            keys.insert(key_rows.row(row));
        }
    }

    /// All keys, and that of each event but for truncates.
    fn all_keys(&self, key_rows: &KeyRows, late: Option<&History>) -> (KeyIndex, Vec<Option<KeyId>>) {
        let mut keys = KeyIndex::with_capacity(self.len());
        let ops = self.events.ops();
        let key = |row: usize| (ops.value(row) != Op::Truncate.as_str()).then(|| keys.insert(key_rows.row(row)));
        let key_of = (0..self.len()).map(key).collect();
        if let Some(late) = late {
            for key in late.keys().ids() {
                keys.insert(late.keys().key(key));
            }
        }
        (keys, key_of)
    }

    /// The events with all of their columns.
    async fn whole_rows(&self, ground: &Ground<'_>, files: &[DataFile]) -> Result<ChangeBatch> {
        let mut images = Images::default();
        images.extend(files, self.at.iter().copied());
        let batch = read_rows(ground.lake, ground.log, images.iter()).await?;
        ChangeBatch::try_new(batch)
    }

    /// Of a table without a key: the rows that were created since the last truncate, and whether there was one.
    pub(super) fn live_creates(&self) -> Result<(Vec<u32>, bool)> {
        let (mut live, mut truncated) = (Vec::new(), false);
        for row in fold_order(&self.events).0 {
            match self.events.op(row as usize)? {
                Op::Create | Op::Read => live.push(row),
                Op::Truncate => {
                    live.clear();
                    truncated = true;
                }
                op => {
                    return Err(Error::new(
                        ErrorKind::BadInput,
                        "a table without a key is append-only; give it a key (`keys` in waterline.toml) to take updates and deletes",
                    )
                    .with("op", op.as_str()));
                }
            }
        }
        Ok((live, truncated))
    }
}
