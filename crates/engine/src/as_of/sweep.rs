//! A sweep: the states at many moments, one after the other. The base is located once, each event is read once, and what
//! changes from one moment to the next is all that is folded.

use std::collections::HashSet;

use arrow::array::{RecordBatch, UInt32Array};
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
    /// What plain events leave of each key.
    outcomes: Vec<Outcome>,
    has_truncates: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As in the base.
    Untouched,
    Deleted,
    /// The row of a plain event.
    Image(u32),
}

/// One moment of a sweep.
#[derive(Debug)]
pub(crate) struct SweptMoment {
    /// Numbers of base rows in [`Sweep::located`] that are there.
    pub kept: Vec<u32>,
    /// Plain events whose rows are there.
    pub images: Vec<u32>,
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
        let mut by_time: Vec<u32> = (0..events.len() as u32).collect();
        by_time.sort_by_key(|row| events.event_times().value(*row as usize));
        let has_truncates = (0..events.len()).any(|row| events.ops().value(row) == Op::Truncate.as_str());
        let mut sweep = Self {
            base,
            schema: schema.clone(),
            by_time,
            folded: 0,
            starts: Vec::new(),
            events_of: Vec::new(),
            key_of: Vec::new(),
            outcomes: vec![Outcome::Untouched; residual.keys.len()],
            has_truncates,
            residual,
        };
        if !schema.keys().is_empty() && !has_truncates {
            sweep.group_by_key()?;
        }
        Ok(sweep)
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
    pub(crate) fn located(&self) -> Vec<(KeyId, RowAt)> {
        let mut located: Vec<(KeyId, RowAt)> = self.residual.located.rows.iter().map(|(key, at)| (*key, *at)).collect();
        located.sort_by_key(|(_, at)| (at.file, at.position));
        located
    }

    pub(crate) fn gone(&self) -> Gone {
        let mut gone = Gone::default();
        self.residual.located.rows.values().for_each(|at| gone.add(&self.residual.located, *at));
        gone
    }

    /// The located rows of the base as files and positions.
    pub(crate) fn base_rows(&self) -> Images {
        let files: Vec<_> = self.residual.located.files.iter().map(|file| file.file.clone()).collect();
        let mut rows = Images::default();
        self.residual.located.rows.values().for_each(|at| rows.add(&files, *at));
        rows
    }

    /// The plain events as files and positions, and their places in the order in which a scan of these gives them.
    pub(crate) fn event_rows(&self) -> (Images, Vec<u32>) {
        let plain = &self.residual.plain;
        let mut rows = Images::default();
        plain.at.iter().for_each(|at| rows.add(&self.residual.log_files, *at));
        (rows, ranks(plain.at.iter().map(|at| (self.residual.log_files[at.file].path.as_str(), at.position))))
    }

    /// The places of [`Self::located`] in the order in which a scan of [`Self::base_rows`] gives them.
    pub(crate) fn base_ranks(&self, located: &[(KeyId, RowAt)]) -> Vec<u32> {
        ranks(located.iter().map(|(_, at)| (self.residual.located.files[at.file].file.path.as_str(), at.position)))
    }

    /// Goes on to a moment that is not before the last one.
    pub(crate) fn advance(&mut self, at_us: i64, located: &[(KeyId, RowAt)]) -> Result<SweptMoment> {
        let (images, emptied) = if self.schema.keys().is_empty() {
            self.plain_until(at_us)?
        } else if self.has_truncates {
            (Vec::new(), self.fold_until(at_us)?)
        } else {
            self.fold_new(at_us)?;
            (Vec::new(), false)
        };
        let histories = [&self.residual.partial, &self.residual.late];
        let elsewhere: HashSet<KeyId> = histories.iter().filter_map(|h| h.as_ref()).flat_map(|h| self.keys_of(h)).collect();
        let stays = |key: &KeyId| self.outcomes[key.index()] == Outcome::Untouched && !elsewhere.contains(key);
        let kept =
            if emptied { Vec::new() } else { (0..).zip(located).filter(|(_, (key, _))| stays(key)).map(|(number, _)| number).collect() };
        let live = self.outcomes.iter().filter_map(|outcome| if let Outcome::Image(row) = outcome { Some(*row) } else { None });
        let images = images.into_iter().chain(live).collect();
        let made = histories.into_iter().flatten().map(|history| Ok(history.fold(Some(at_us))?.rows()?.upserts)).collect::<Result<_>>()?;
        Ok(SweptMoment { kept, images, made, emptied })
    }

    fn keys_of<'a>(&'a self, history: &'a History) -> impl Iterator<Item = KeyId> + 'a {
        history.keys().ids().filter_map(|key| self.residual.keys.get(history.keys().key(key)))
    }

    /// Without a key: every moment anew.
    fn plain_until(&self, at_us: i64) -> Result<(Vec<u32>, bool)> {
        let rows: Vec<u32> = self.rows_until(at_us);
        let plain = self.residual.plain.take(&rows)?;
        let (live, emptied) = plain.live_creates()?;
        Ok((live.into_iter().map(|row| rows[row as usize]).collect(), emptied))
    }

    /// With truncates, which touch all keys: every moment anew.
    fn fold_until(&mut self, at_us: i64) -> Result<bool> {
        let rows = self.rows_until(at_us);
        self.outcomes.fill(Outcome::Untouched);
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
        let rows: Vec<u32> = keys.iter().flat_map(events).filter(|row| times.value(*row as usize) <= at_us).collect();
        self.folded = until;
        self.fold(&rows).map(drop)
    }

    /// Folds plain events. Returns whether the source truncated the table.
    fn fold(&mut self, rows: &[u32]) -> Result<bool> {
        let events = ChangeBatch::try_new(take_record_batch(self.residual.plain.events.batch(), &UInt32Array::from(rows.to_vec()))?)?;
        let collapsed = collapse(&events, &self.schema)?;
        let number = |key: KeyId| self.residual.keys.get(collapsed.key(key)).map(KeyId::index);
        for key in collapsed.touched().filter_map(number) {
            self.outcomes[key] = Outcome::Deleted;
        }
        for (key, row) in collapsed.images() {
            let row = row.ok_or_else(|| Error::internal("a row of several events was taken for one of a single event"))?;
            if let Some(key) = self.residual.keys.get(collapsed.key(key)).map(KeyId::index) {
                self.outcomes[key] = Outcome::Image(rows[row as usize]);
            }
        }
        Ok(collapsed.truncated)
    }
}

/// The place of each in the order of path and position.
fn ranks<'a>(places: impl Iterator<Item = (&'a str, u64)>) -> Vec<u32> {
    let places: Vec<(&str, u64)> = places.collect();
    let mut order: Vec<u32> = (0..places.len() as u32).collect();
    order.sort_by_key(|number| places[*number as usize]);
    let mut ranks = vec![0; places.len()];
    for (rank, number) in (0..).zip(order) {
        ranks[number as usize] = rank;
    }
    ranks
}
