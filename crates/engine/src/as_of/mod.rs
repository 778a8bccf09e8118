//! As of: the state of a table at a past moment T of its source, for any T between its first baseline and its watermark.
//!
//! A base (`core::as_of`), the residual of events up to T, and the overlay that they are over the base: a merge that is not
//! committed.

pub(crate) mod history;
mod overlay;
mod residual;
mod rows;
mod shares;
mod sweep;
mod times;

use std::sync::Arc;

use tokio::sync::OnceCell;
use waterline_core::as_of::{Answerable, Base, Cut, Log, Plan, plan_onto, plan_upto, turns};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{TableState, table_schema};
use waterline_core::log_times::LogTimes;
use waterline_core::record::{BatchOrdinal, LogCounts, Record, log_header};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;
use waterline_core::transactions::Atomicity;

use self::history::Ground;
pub(crate) use self::overlay::{Gone, Images, Overlay};
pub(crate) use self::residual::{Loaded, Onto, Residual, Whole};
pub(crate) use self::rows::source_columns;
pub(crate) use self::shares::{Bucket, Dealt};
pub(crate) use self::sweep::{Sweep, SweptMoment};
pub(crate) use self::times::{log_times, read_log_times};
pub(crate) use crate::events::{Window, files_in};
use crate::lake::{Lake, Limits};
use crate::merge::Pair;

/// Memory for key and order of an event, about.
const EVENT_BYTES: usize = 256;

/// One table at one cut. What is known of it was fixed when it was opened; its events are read when they are first needed.
#[derive(Debug)]
pub struct AsOf {
    lake: Lake,
    pair: Pair,
    plan: Plan,
    mirror: TableState,
    log: TableState,
    times: LogTimes,
    counts: LogCounts,
    schema: TableSchema,
    limits: Limits,
    state: OnceCell<Arc<StateAt>>,
}

/// The rows at T: those of the base that the overlay leaves, and the overlay's own.
#[derive(Debug)]
pub(crate) struct StateAt {
    /// `None` when no row is of a base.
    pub base: Option<TableState>,
    pub overlay: Overlay,
}

/// How a table is read as of a moment.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub at_us: i64,
    pub base: Base,
    pub baseline_at_us: Option<i64>,
    /// The last log batch that counts.
    pub upto: BatchOrdinal,
    /// Events between the base and the moment.
    pub residual_rows: u64,
    /// Keys that late events made to be folded again from the baseline.
    pub late_keys: u64,
    /// Unset columns that had no row to take their value from.
    pub unresolved: u64,
    pub answerable: Answerable,
}

impl AsOf {
    /// Chooses epoch and base. Fails with [`ErrorKind::NotAnswerable`] where T lies outside of what the table answers.
    pub async fn open(lake: &Lake, table: &TableName, cut: &Cut, limits: &Limits) -> Result<Self> {
        Self::open_upto(lake, table, cut, None, limits).await
    }

    /// [`Self::open`] where the last log batch that counts is fixed already.
    pub(crate) async fn open_upto(lake: &Lake, table: &TableName, cut: &Cut, upto: Option<BatchOrdinal>, limits: &Limits) -> Result<Self> {
        let mirror = lake.table(table).await?;
        let changelog = lake.catalog.open(&table.changelog()).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotAnswerable,
                "the table has no changelog, so its past is not known; `--committed-by` reads its snapshots",
            )
            .with("table", table)
        })?;
        let pair = Pair { mirror, changelog };
        let mirror = pair.mirror.head().await?;
        Self::of(lake, pair, mirror, cut, upto, limits).await.map_err(|e| e.with("table", table))
    }

    /// [`Self::open_upto`] by a state of the mirror.
    pub(crate) async fn of(
        lake: &Lake,
        pair: Pair,
        mirror: TableState,
        cut: &Cut,
        upto: Option<BatchOrdinal>,
        limits: &Limits,
    ) -> Result<Self> {
        let log = pair.changelog.head().await?;
        let times = log_times(lake, &log, cut.known_by_ms).await?;
        let plan = plan_upto(&mirror, &Log { state: &log, times: &times }, cut, upto)?;
        let (schema, counts) = (table_schema(&mirror)?, log_header(&log)?.counts);
        Ok(Self { lake: lake.clone(), pair, plan, mirror, log, times, counts, schema, limits: *limits, state: OnceCell::new() })
    }

    /// Everything that a state of the mirror holds by its record, folded anew from its baseline.
    pub(crate) async fn folded(lake: &Lake, pair: Pair, mirror: TableState, record: &Record, limits: &Limits) -> Result<Self> {
        let log = pair.changelog.head().await?;
        let (times, header) = (log_times(lake, &log, None).await?, log_header(&log)?);
        let plan = Plan::whole_epoch(&mirror, record, record.folded, header.rollbacks.known_at(record.folded));
        let plan = plan.map_err(|e| e.with("table", pair.mirror.name()))?;
        let (schema, counts) = (table_schema(&mirror)?, header.counts);
        Ok(Self { lake: lake.clone(), pair, plan, mirror, log, times, counts, schema, limits: *limits, state: OnceCell::new() })
    }

    /// The same table at another cut, by what was known of it when it was opened.
    pub(crate) fn at(&self, cut: &Cut) -> Result<Self> {
        Ok(self.by(self.plan_at(cut)?))
    }

    /// The same by the baseline of an earlier moment, as if no other had come between.
    pub(crate) fn at_onto(&self, cut: &Cut, epoch_of_us: i64) -> Result<Self> {
        let log = Log { state: &self.log, times: &self.times };
        Ok(self.by(plan_onto(&self.mirror, &log, cut, self.plan.upto, epoch_of_us).map_err(|e| self.named(e))?))
    }

    /// The moments after a time up to a cut's at which another baseline begins to count, in order.
    pub(crate) fn turns(&self, since_us: i64, until: &Cut) -> Result<Vec<i64>> {
        let log = Log { state: &self.log, times: &self.times };
        turns(&self.mirror, &log, until, self.plan.upto, since_us).map_err(|e| self.named(e))
    }

    fn named(&self, error: Error) -> Error {
        error.with("table", self.pair.mirror.name())
    }

    fn by(&self, plan: Plan) -> Self {
        Self {
            lake: self.lake.clone(),
            pair: self.pair.clone(),
            plan,
            mirror: self.mirror.clone(),
            log: self.log.clone(),
            times: self.times.clone(),
            counts: self.counts,
            schema: self.schema.clone(),
            limits: self.limits,
            state: OnceCell::new(),
        }
    }

    pub(crate) fn past(&self) -> Past<'_> {
        Past { lake: &self.lake, pair: &self.pair, mirror: &self.mirror, log: &self.log, counts: self.counts, schema: &self.schema }
    }

    /// The plan of another moment, by what was fixed when the table was opened.
    pub(crate) fn plan_at(&self, cut: &Cut) -> Result<Plan> {
        let log = Log { state: &self.log, times: &self.times };
        plan_upto(&self.mirror, &log, cut, Some(self.plan.upto)).map_err(|e| self.named(e))
    }

    /// Events between a plan's base and a moment, at most.
    pub(crate) async fn events_until(&self, plan: &Plan, until_us: i64) -> Result<u64> {
        let window = Window { until_us: Some(until_us), ..Window::since(&plan.baseline.baseline, plan.upto, &plan.rollbacks) };
        self.past().events_in(plan, &window).await
    }

    /// Whether a transaction of the source is visible wholly or not at all (DESIGN.md rule 16).
    pub fn atomicity(&self) -> Atomicity {
        if self.counts.torn == 0 { Atomicity::Whole } else { Atomicity::Torn }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same cut from another base. Each one that DESIGN.md rule 12 allows gives the same rows.
    #[must_use]
    pub fn from_base(self, base: Base) -> Self {
        Self { plan: Plan { base, ..self.plan }, state: OnceCell::new(), ..self }
    }

    pub async fn explain(&self) -> Result<Explanation> {
        let state = self.state().await?;
        Ok(Explanation {
            at_us: self.plan.at_us,
            base: self.plan.base.clone(),
            baseline_at_us: self.plan.baseline.baseline.at_us,
            upto: self.plan.upto,
            residual_rows: state.overlay.residual_rows,
            late_keys: state.overlay.late_keys,
            unresolved: state.overlay.unresolved,
            answerable: self.plan.answerable,
        })
    }

    pub(crate) fn lake(&self) -> &Lake {
        &self.lake
    }

    pub(crate) fn pair(&self) -> &Pair {
        &self.pair
    }

    /// The newest state of the mirror, whose columns the table has at every moment.
    pub(crate) fn mirror(&self) -> &TableState {
        &self.mirror
    }

    pub(crate) fn log(&self) -> &TableState {
        &self.log
    }

    /// Reads the residual, once.
    pub(crate) async fn state(&self) -> Result<&Arc<StateAt>> {
        self.state.get_or_try_init(|| async { self.read().await.map(Arc::new).map_err(|e| e.with("table", self.pair.mirror.name())) }).await
    }

    /// The state of the base that was chosen. A truncate that came late makes the read start from another one.
    pub(crate) async fn base(&self) -> Result<Option<TableState>> {
        self.past().state_of(self.plan.base.version).await
    }

    async fn read(&self) -> Result<StateAt> {
        self.past().state(&self.plan, &self.window(), &self.limits).await
    }

    /// The events of the epoch up to the moment.
    pub(crate) fn window(&self) -> Window {
        Window { until_us: Some(self.plan.at_us), ..Window::since(&self.plan.baseline.baseline, self.plan.upto, &self.plan.rollbacks) }
    }
}

/// A table with everything that was ever logged of it.
#[derive(Clone, Copy)]
pub(crate) struct Past<'a> {
    pub lake: &'a Lake,
    pub pair: &'a Pair,
    pub mirror: &'a TableState,
    pub log: &'a TableState,
    pub counts: LogCounts,
    pub schema: &'a TableSchema,
}

impl Past<'_> {
    /// Folds the events of the window onto the plan's base, or onto its baseline where a truncate came late.
    pub(crate) async fn state(&self, plan: &Plan, window: &Window, limits: &Limits) -> Result<StateAt> {
        match self.fold(plan, window, limits).await? {
            Some(state) => Ok(state),
            None => self
                .fold(&plan.from_baseline(), window, limits)
                .await?
                .ok_or_else(|| Error::internal("a truncate is late although nothing is folded before it")),
        }
    }

    async fn fold(&self, plan: &Plan, window: &Window, limits: &Limits) -> Result<Option<StateAt>> {
        let (base, baseline) = self.grounds(plan).await?;
        let ground = self.ground(window.clone(), baseline.as_ref());
        let onto = Onto { state: base.as_ref(), record: &plan.base.record };
        let mut overlay = Overlay::default();
        for bucket in self.buckets(plan, window, limits).await? {
            match Residual::load(&ground, onto, bucket, Whole::Made).await? {
                Loaded::Residual(residual) => overlay.merge(residual.overlay(&ground, None)?),
                Loaded::LateTruncate => return Ok(None),
            }
        }
        Ok(Some(StateAt { base: base.filter(|_| !overlay.emptied), overlay }))
    }

    /// The states of the base and of the baseline.
    pub(crate) async fn grounds(&self, plan: &Plan) -> Result<(Option<TableState>, Option<TableState>)> {
        let base = self.state_of(plan.base.version).await?;
        let same = plan.base.version == plan.baseline.version;
        let baseline = if same { base.clone() } else { self.state_of(plan.baseline.version).await? };
        Ok((base, baseline))
    }

    pub(crate) fn ground<'b>(&'b self, window: Window, baseline: Option<&'b TableState>) -> Ground<'b> {
        Ground { lake: self.lake, pair: self.pair, schema: self.schema, log: self.log, window, counts: self.counts, baseline }
    }

    /// Events of a window that are not folded into the plan's base, at most.
    async fn events_in(&self, plan: &Plan, window: &Window) -> Result<u64> {
        let window = Window { above: plan.base.record.folded, ..window.clone() };
        Ok(files_in(&self.pair.changelog, self.log, &window).await?.iter().map(|file| file.record_count).sum())
    }

    /// Shares of the keys so that the events of each fit into memory; without a key, of the events. The keys that key changes link
    /// are held in memory.
    pub(crate) async fn buckets(&self, plan: &Plan, window: &Window, limits: &Limits) -> Result<Vec<Bucket>> {
        let events = self.events_in(plan, window).await?;
        let fit = limits.batch_rows.min(limits.batch_bytes / EVENT_BYTES).max(1) as u64;
        let of = events.div_ceil(fit).max(1);
        let linked = match of > 1 && !self.schema.keys().is_empty() && self.counts.continued_rows > 0 {
            true => Some(Arc::new(self.ground(window.clone(), None).linked().await?)),
            false => None,
        };
        Ok((0..of).map(|number| Bucket { number, of, linked: linked.clone() }).collect())
    }

    /// A kept state with today's columns.
    async fn state_of(&self, version: Option<waterline_core::format::VersionId>) -> Result<Option<TableState>> {
        let Some(version) = version else { return Ok(None) };
        let state = self.pair.mirror.at(self.mirror, version).await?;
        Ok(Some(TableState { schema: self.mirror.schema.clone(), ..state }))
    }
}
