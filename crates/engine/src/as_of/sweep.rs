//! A sweep: the states at many moments, one after the other. The base is located once, each event is read once, and what
//! changes from one moment to the next is all that is folded.

use std::collections::HashMap;

use arrow::array::{BooleanBufferBuilder, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take_record_batch;
use waterline_core::change::{ChangeBatch, Op};
use waterline_core::collapse::{collapse, precedence};
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, TableState};
use waterline_core::key::KeyId;
use waterline_core::schema::TableSchema;
use waterline_core::side_by_side::side_by_side;

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
    /// How plain events rank among those of their key. Empty where there are no keys, and with truncates, which touch all.
    precedence: Vec<u64>,
    has_truncates: bool,
    /// Rows of the base that any event touches.
    pub(crate) base_rows: Images,
    /// The plain events.
    pub(crate) event_rows: Images,
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
    /// Precedence of the newest event of each key; 0 for none.
    newest: Vec<u64>,
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
        let base_rows = Images::all(&residual.located);
        let (base_row_of, events) = side_by_side(|| base_rows_of(&residual, &base_rows), || Events::of(&residual, schema))?;
        let Events { by_time, precedence, has_truncates, rows: event_rows, rows_of: event_rows_of } = events?;
        let elsewhere: Vec<u32> =
            residual.histories().flat_map(|history| keys_of(&residual, history)).filter_map(|key| base_row_of[key.index()]).collect();
        let now = Live::new(&residual, base_rows.len(), &elsewhere);
        let schema = schema.clone();
        Ok(Self {
            base,
            schema,
            by_time,
            folded: 0,
            precedence,
            has_truncates,
            base_rows,
            event_rows,
            event_rows_of,
            base_row_of,
            elsewhere,
            now,
            residual,
        })
    }

    /// Forgets all plain events.
    fn start(&mut self) {
        self.now = Live::new(&self.residual, self.base_rows.len(), &self.elsewhere);
    }

    /// Places in the base of the rows that any event of the sweep touches; the other rows of the base are there at every moment.
    pub(crate) fn gone(&self) -> Gone {
        Gone::all(&self.residual.located)
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

    /// Folds the events since the last moment.
    fn fold_new(&mut self, at_us: i64) -> Result<()> {
        let times = self.residual.plain.events.event_times();
        let until = self.by_time.partition_point(|row| times.value(*row as usize) <= at_us);
        for place in self.folded..until {
            let row = self.by_time[place];
            let precedence = self.precedence[row as usize];
            let Some(key) = self.residual.plain_keys[row as usize] else { continue };
            if precedence > self.now.newest[key.index()] {
                self.now.newest[key.index()] = precedence;
                let is_delete = self.residual.plain.events.op(row as usize)? == Op::Delete;
                self.set(key, if is_delete { Outcome::Deleted } else { Outcome::Image(row) });
            }
        }
        self.folded = self.folded.max(until);
        Ok(())
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

/// The plain events in the orders that a sweep needs.
struct Events {
    by_time: Vec<u32>,
    precedence: Vec<u64>,
    has_truncates: bool,
    rows: Images,
    rows_of: Vec<u32>,
}

impl Events {
    fn of(residual: &Residual, schema: &TableSchema) -> Result<Self> {
        let events = &residual.plain.events;
        let times = events.event_times();
        let mut by_time: Vec<u32> = (0..events.len() as u32).collect();
        by_time.sort_by_key(|row| times.value(*row as usize));
        let ops = events.ops();
        let has_truncates = (0..events.len()).any(|row| ops.value(row) == Op::Truncate.as_str());
        let precedence = if schema.keys().is_empty() || has_truncates { Vec::new() } else { precedence(events)? };
        let mut rows = Images::default();
        rows.extend(&residual.log_files, residual.plain.at.iter().copied());
        let rows_of = ranks(&residual.plain.at, residual.log_files.iter(), &rows);
        Ok(Self { by_time, precedence, has_truncates, rows, rows_of })
    }
}

impl Live {
    /// All rows of the base but those of keys that are folded elsewhere, and no event.
    fn new(residual: &Residual, base_rows: u64, elsewhere: &[u32]) -> Self {
        let all = |rows: usize, live: bool| {
            let mut bits = BooleanBufferBuilder::new(rows);
            bits.append_n(rows, live);
            bits
        };
        let mut base = all(base_rows as usize, true);
        for row in elsewhere {
            base.set_bit(*row as usize, false);
        }
        let keys = residual.keys.len();
        let events = all(residual.plain.len(), false);
        Self { outcomes: vec![Outcome::Untouched; keys], newest: vec![0; keys], base, events }
    }
}

/// Which of the rows of the base each key has.
fn base_rows_of(residual: &Residual, base_rows: &Images) -> Vec<Option<u32>> {
    let (keys, at): (Vec<KeyId>, Vec<RowAt>) = residual.located.rows.iter().map(|(key, at)| (*key, *at)).unzip();
    let mut rows = vec![None; residual.keys.len()];
    let files = residual.located.files.iter().map(|found| &found.file);
    for (key, rank) in keys.into_iter().zip(ranks(&at, files, base_rows)) {
        rows[key.index()] = Some(rank);
    }
    rows
}

fn keys_of<'a>(residual: &'a Residual, history: &'a History) -> impl Iterator<Item = KeyId> + 'a {
    history.keys().ids().filter_map(|key| residual.keys.get(history.keys().key(key)))
}

/// Which of the rows of `images` each is. `files` are those that `at` numbers.
fn ranks<'a>(at: &[RowAt], files: impl Iterator<Item = &'a DataFile>, images: &Images) -> Vec<u32> {
    let places: HashMap<&str, u32> = images.iter().zip(0..).map(|((file, _), place)| (file.path.as_str(), place)).collect();
    let place_of: Vec<u32> = files.map(|file| places.get(file.path.as_str()).copied().unwrap_or(u32::MAX)).collect();
    // One number of file, position and place in `at`, since plain numbers sort fastest.
    let packed = |place: u32, position: u64| u128::from(place) << 64 | u128::from(position);
    let mut order: Vec<u128> =
        at.iter().zip(0_u32..).map(|(at, number)| packed(place_of[at.file], at.position) << 32 | u128::from(number)).collect();
    order.sort_unstable();
    let rows = images.iter().zip(0..).flat_map(|((_, rows), place)| rows.iter().map(move |position| packed(place, position)));
    let mut ranks = vec![0; at.len()];
    let mut order = order.into_iter().peekable();
    for (row, rank) in rows.zip(0..) {
        while let Some(next) = order.next_if(|next| next >> 32 == row) {
            ranks[(next as u32) as usize] = rank;
        }
    }
    ranks
}
