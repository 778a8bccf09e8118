//! A sweep: the states at many moments, one after the other. The base is located once, each event is read once, and what
//! changes from one moment to the next is all that is folded.

use arrow::array::{BooleanBufferBuilder, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take_record_batch;
use waterline_core::change::{ChangeBatch, Op, key_fields};
use waterline_core::collapse::collapse;
use waterline_core::error::{Error, Result};
use waterline_core::format::TableState;
use waterline_core::key::{KeyEncoder, KeyId};
use waterline_core::locate::key_columns;
use waterline_core::schema::TableSchema;

use super::history::{Ground, History};
use super::overlay::{Gone, Images};
use super::residual::{Bucket, Loaded, Onto, Residual, Whole};
use super::{Past, Plan, Window};
use crate::locate::RowAt;

/// The states of one table at moments of one epoch, from the first on.
pub(crate) struct Sweep {
    pub(crate) base: Option<TableState>,
    schema: TableSchema,
    residual: Residual,
    /// Plain events by time.
    by_time: Vec<u32>,
    /// How many of them are folded.
    folded: usize,
    /// Plain events of each key, by number of the key: `events_of[starts[key]..starts[key + 1]]`.
    starts: Vec<u32>,
    events_of: Vec<u32>,
    key_of: Vec<u32>,
    has_truncates: bool,
    /// Which of [`Sweep::event_rows`] each plain event is.
    event_rows_of: Vec<u32>,
    /// Which of [`Sweep::base_rows`] each key has.
    base_row_of: Vec<Option<u32>>,
    /// Located rows whose keys are folded elsewhere.
    elsewhere: Vec<u32>,
    now: Live,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As in the base.
    Untouched,
    Deleted,
    /// The row of a plain event.
    Image(u32),
}

/// What plain events leave of each key, and which rows that makes live.
struct Live {
    outcomes: Vec<Outcome>,
    base: BooleanBufferBuilder,
    events: BooleanBufferBuilder,
}

/// One moment of a sweep.
#[derive(Debug)]
pub(crate) struct SweptMoment {
    /// Which of [`Sweep::base_rows`] are there.
    pub base: BooleanBuffer,
    /// Which of [`Sweep::event_rows`] are there.
    pub events: BooleanBuffer,
    /// Rows that no single event holds.
    pub made: Vec<RecordBatch>,
    /// Whether no row of the base is left.
    pub emptied: bool,
}

impl Sweep {
    /// Reads what happened between the plan's base and `until_us`.
    pub(crate) async fn open(past: &Past<'_>, plan: &Plan, until_us: i64) -> Result<Self> {
        if let Some(sweep) = Self::onto(past, plan, until_us).await? {
            return Ok(sweep);
        }
        let sweep = Self::onto(past, &plan.from_baseline(), until_us).await?;
        sweep.ok_or_else(|| Error::internal("a truncate is late although nothing is folded before it"))
    }

    async fn onto(past: &Past<'_>, plan: &Plan, until_us: i64) -> Result<Option<Self>> {
        let window = Window { until_us: Some(until_us), ..Window::since(&plan.baseline.baseline, plan.upto, &plan.rollbacks) };
        let (base, baseline) = past.grounds(plan).await?;
        let ground: Ground<'_> = past.ground(window, baseline.as_ref());
        let onto = Onto { state: base.as_ref(), record: &plan.base.record };
        match Residual::load(&ground, onto, Bucket::ALL, Whole::Made).await? {
            Loaded::Residual(residual) => Self::new(base, past.schema, residual).map(Some),
            Loaded::LateTruncate => Ok(None),
        }
    }

    fn new(base: Option<TableState>, schema: &TableSchema, residual: Residual) -> Result<Self> {
        let events = &residual.plain.events;
        let times = events.event_times();
        let mut by_time: Vec<u32> = (0..events.len() as u32).collect();
        by_time.sort_by_key(|row| times.value(*row as usize));
        let ops = events.ops();
        let has_truncates = (0..events.len()).any(|row| ops.value(row) == Op::Truncate.as_str());
        let event_rows_of = ranks(&residual.plain.at, &residual.log_files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>());
        let base_row_of = base_rows_of(&residual);
        let elsewhere: Vec<u32> =
            residual.histories().flat_map(|history| keys_of(&residual, history)).filter_map(|key| base_row_of[key.index()]).collect();
        let now = Live::new(&residual, &elsewhere);
        let mut sweep = Self {
            base,
            schema: schema.clone(),
            by_time,
            folded: 0,
            starts: Vec::new(),
            events_of: Vec::new(),
            key_of: Vec::new(),
            has_truncates,
            event_rows_of,
            base_row_of,
            elsewhere,
            now,
            residual,
        };
        if !schema.keys().is_empty() && !has_truncates {
            sweep.group_by_key()?;
        }
        Ok(sweep)
    }

    /// Forgets all plain events.
    fn start(&mut self) {
        self.now = Live::new(&self.residual, &self.elsewhere);
    }

    fn group_by_key(&mut self) -> Result<()> {
        let fields = key_fields(&self.schema);
        let encoded = KeyEncoder::new(&fields)?.encode(&key_columns(self.residual.plain.events.batch(), &fields)?)?;
        let unknown = || Error::internal("an event of the residual has a key that the residual does not know");
        for key in &encoded {
            self.key_of.push(self.residual.keys.get(key).ok_or_else(unknown)?.index() as u32);
        }
        self.starts = vec![0; self.residual.keys.len() + 1];
        for key in &self.key_of {
            self.starts[*key as usize + 1] += 1;
        }
        for key in 0..self.residual.keys.len() {
            self.starts[key + 1] += self.starts[key];
        }
        let mut next = self.starts.clone();
        self.events_of = vec![0; self.key_of.len()];
        for (row, key) in (0..).zip(&self.key_of) {
            self.events_of[next[*key as usize] as usize] = row;
            next[*key as usize] += 1;
        }
        Ok(())
    }

    /// Places in the base of the rows that any event of the sweep touches; the other rows of the base are there at every moment.
    pub(crate) fn gone(&self) -> Gone {
        let mut gone = Gone::default();
        gone.extend(&self.residual.located, self.residual.located.rows.values().copied());
        gone
    }

    /// The same rows, as files and positions.
    pub(crate) fn base_rows(&self) -> Images {
        let files: Vec<_> = self.residual.located.files.iter().map(|file| file.file.clone()).collect();
        let mut rows = Images::default();
        rows.extend(&files, self.residual.located.rows.values().copied());
        rows
    }

    /// The plain events as files and positions.
    pub(crate) fn event_rows(&self) -> Images {
        let mut rows = Images::default();
        rows.extend(&self.residual.log_files, self.residual.plain.at.iter().copied());
        rows
    }

    /// Goes on to a moment that is not before the last one.
    pub(crate) fn advance(&mut self, at_us: i64) -> Result<SweptMoment> {
        let emptied = if self.schema.keys().is_empty() {
            self.live_until(at_us)?
        } else if self.has_truncates {
            self.fold_until(at_us)?
        } else {
            self.fold_new(at_us)?;
            false
        };
        let base = if emptied { BooleanBuffer::new_unset(self.now.base.len()) } else { self.now.base.finish_cloned() };
        let made = self.residual.histories().map(|history| Ok(history.fold(Some(at_us))?.rows()?.upserts)).collect::<Result<_>>()?;
        Ok(SweptMoment { base, events: self.now.events.finish_cloned(), made, emptied })
    }

    /// Without a key: every moment anew. Returns whether the source truncated the table.
    fn live_until(&mut self, at_us: i64) -> Result<bool> {
        let rows: Vec<u32> = self.rows_until(at_us);
        let (live, emptied) = self.residual.plain.take(&rows)?.live_creates()?;
        self.start();
        for row in live {
            self.now.events.set_bit(self.event_rows_of[rows[row as usize] as usize] as usize, true);
        }
        Ok(emptied)
    }

    /// With truncates, which touch all keys: every moment anew. Returns whether there was one.
    fn fold_until(&mut self, at_us: i64) -> Result<bool> {
        let rows = self.rows_until(at_us);
        self.start();
        self.fold(&rows)
    }

    fn rows_until(&self, at_us: i64) -> Vec<u32> {
        let times = self.residual.plain.events.event_times();
        (0..times.len() as u32).filter(|row| times.value(*row as usize) <= at_us).collect()
    }

    /// Folds the keys anew that have events since the last moment.
    fn fold_new(&mut self, at_us: i64) -> Result<()> {
        let times = self.residual.plain.events.event_times();
        let until = self.by_time.partition_point(|row| times.value(*row as usize) <= at_us);
        let mut keys: Vec<u32> = self.by_time[self.folded.min(until)..until].iter().map(|row| self.key_of[*row as usize]).collect();
        keys.sort_unstable();
        keys.dedup();
        let events = |key: &u32| {
            let (start, end) = (self.starts[*key as usize], self.starts[*key as usize + 1]);
            self.events_of[start as usize..end as usize].iter().copied()
        };
        let mut rows: Vec<u32> = keys.iter().flat_map(events).filter(|row| times.value(*row as usize) <= at_us).collect();
        // As they were logged, which is nearly the order of the fold.
        rows.sort_unstable();
        self.folded = until;
        self.fold(&rows).map(drop)
    }

    /// Folds plain events. Returns whether the source truncated the table.
    fn fold(&mut self, rows: &[u32]) -> Result<bool> {
        let events = ChangeBatch::try_new(take_record_batch(self.residual.plain.events.batch(), &UInt32Array::from(rows.to_vec()))?)?;
        let collapsed = collapse(&events, &self.schema)?;
        let numbers: Vec<_> = collapsed.keys().ids().map(|key| self.residual.keys.get(collapsed.key(key))).collect();
        for key in collapsed.touched().filter_map(|key| numbers[key.index()]) {
            self.set(key, Outcome::Deleted);
        }
        for (key, row) in collapsed.images() {
            let row = row.ok_or_else(|| Error::internal("a row of several events was taken for one of a single event"))?;
            if let Some(key) = numbers[key.index()] {
                self.set(key, Outcome::Image(rows[row as usize]));
            }
        }
        Ok(collapsed.truncated)
    }

    fn set(&mut self, key: KeyId, outcome: Outcome) {
        let before = std::mem::replace(&mut self.now.outcomes[key.index()], outcome);
        let event_row = |row: u32| self.event_rows_of[row as usize] as usize;
        if let Outcome::Image(row) = before {
            self.now.events.set_bit(event_row(row), false);
        }
        if let Outcome::Image(row) = outcome {
            self.now.events.set_bit(event_row(row), true);
        }
        if let (Outcome::Untouched, Some(row)) = (before, self.base_row_of[key.index()]) {
            self.now.base.set_bit(row as usize, false);
        }
    }
}

impl Live {
    /// All rows of the base but those of keys that are folded elsewhere, and no event.
    fn new(residual: &Residual, elsewhere: &[u32]) -> Self {
        let all = |rows: usize, live: bool| {
            let mut bits = BooleanBufferBuilder::new(rows);
            bits.append_n(rows, live);
            bits
        };
        let mut base = all(residual.located.rows.len(), true);
        for row in elsewhere {
            base.set_bit(*row as usize, false);
        }
        Self { outcomes: vec![Outcome::Untouched; residual.keys.len()], base, events: all(residual.plain.len(), false) }
    }
}

/// Which of the located rows, by path and position, each key has.
fn base_rows_of(residual: &Residual) -> Vec<Option<u32>> {
    let (keys, at): (Vec<KeyId>, Vec<RowAt>) = residual.located.rows.iter().map(|(key, at)| (*key, *at)).unzip();
    let paths: Vec<&str> = residual.located.files.iter().map(|located| located.file.path.as_str()).collect();
    let mut rows = vec![None; residual.keys.len()];
    for (key, rank) in keys.into_iter().zip(ranks(&at, &paths)) {
        rows[key.index()] = Some(rank);
    }
    rows
}

fn keys_of<'a>(residual: &'a Residual, history: &'a History) -> impl Iterator<Item = KeyId> + 'a {
    history.keys().ids().filter_map(|key| residual.keys.get(history.keys().key(key)))
}

/// The place of each in the order of path and position. `paths` are those of the files.
fn ranks(at: &[RowAt], paths: &[&str]) -> Vec<u32> {
    let mut by_path: Vec<usize> = (0..paths.len()).collect();
    by_path.sort_by_key(|file| paths[*file]);
    let mut place_of = vec![0; paths.len()];
    for (place, file) in by_path.into_iter().enumerate() {
        place_of[file] = place;
    }
    let mut order: Vec<(usize, u64, u32)> = at.iter().zip(0..).map(|(at, number)| (place_of[at.file], at.position, number)).collect();
    order.sort_unstable();
    let mut ranks = vec![0; at.len()];
    for (rank, (_, _, number)) in (0..).zip(order) {
        ranks[number as usize] = rank;
    }
    ranks
}
