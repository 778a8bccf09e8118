//! An as-of read is the fold of what is logged up to its moment, whatever base it is read from: `as_of_is_fold` of DESIGN.md.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionContext, col, lit};
use futures::TryStreamExt;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use waterline_core::as_of::{Base, Beyond, Cut, Plan};
use waterline_core::error::ErrorKind;
use waterline_core::format::{Catalog, TableState};
use waterline_core::record::{RECORD, Record, record_of};
use waterline_core::rollbacks::Rollback;
use waterline_delta::DeltaCatalog;
use waterline_engine::as_of::AsOf;
use waterline_engine::lake::Limits;
use waterline_engine::maintain::compact::{Request, execute, plan};
use waterline_engine::merge::catch_up;
use waterline_engine::read::{AsOfTable, SessionOptions, SweepQuery};
use waterline_iceberg::FilesystemCatalog;
use waterline_testkit::arrivals::{Arrival, Disorder, arrivals};
use waterline_testkit::batch::{assert_rows, assert_same_rows, sorted_rows};
use waterline_testkit::cell::{Cell, Row};
use waterline_testkit::histories::{Feature, History, Start, histories};
use waterline_testkit::memory::MemoryCatalog;
use waterline_testkit::oracle::{Baseline, Event, Refusal, State, as_of};
use waterline_testkit::world::World;

use crate::fold::{ALL, PLAIN, RUNS, Subject, run};

/// How a history comes into a table.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) arrival: Arrival,
    /// Bits: whether batches are merged when they are logged.
    pub(crate) merged: u64,
    /// Bits: whether the table is compacted after a batch, and how.
    compacted: u64,
    compaction: Request,
    properties: &'static [(&'static str, &'static str)],
    /// Before which batch a dump is loaded, and of which moment.
    second_dump: Option<(u8, u8)>,
    /// Of the moments that are read.
    pub(crate) seed: u64,
}

pub(crate) fn courses(disorder: Disorder) -> impl Strategy<Value = Course> {
    (arrivals(disorder), any::<u64>(), any::<Option<(u8, u8)>>(), any::<u64>()).prop_map(|(arrival, merged, second_dump, seed)| Course {
        arrival,
        merged,
        compacted: 0,
        compaction: Request::default(),
        properties: &[],
        second_dump,
        seed,
    })
}

impl Course {
    /// Before which batch a dump is loaded, and the dump.
    pub(crate) fn second_dump(&self, history: &History, batches: usize) -> Option<(usize, Baseline)> {
        let (before, moment) = self.second_dump?;
        let times: Vec<i64> = history.times_us().filter(|time| Some(*time) > history.baseline.first_us()).collect();
        let at_us = *times.get(usize::from(moment) % times.len().max(1))?;
        Some((usize::from(before) % batches.max(1), Baseline::at(history.truth_at(at_us)?.clone(), at_us)))
    }

    /// The same, with compactions after the batches whose bits are set.
    pub(crate) fn compacted(self, compacted: u64, compaction: Request, properties: &'static [(&'static str, &'static str)]) -> Self {
        Self { compacted, compaction, properties, ..self }
    }
}

/// What was known of the table at a commit time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) by_ms: i64,
    batches: usize,
    baselines: usize,
}

pub(crate) struct Past {
    pub(crate) subject: Subject,
    /// In the order in which they were loaded.
    baselines: Vec<Baseline>,
    /// When each was committed, in milliseconds.
    loaded_ms: Vec<i64>,
    pub(crate) known: Vec<Known>,
    /// Whether events were folded onto nothing, so that the table is known before its first dump.
    began_empty: bool,
    /// Up to when the changelog was trimmed.
    pub(crate) trimmed_us: Option<i64>,
    /// What was kept of the time before.
    pub(crate) kept: BTreeMap<i64, State>,
}

impl Past {
    pub(crate) async fn new(history: &History, world: World, catalog: Arc<dyn Catalog>, properties: &[(&str, &str)]) -> Self {
        world.clock.tick_us(1_000);
        let subject = Subject::of(history, &world, catalog, properties).await;
        let mut past = Self {
            subject,
            baselines: vec![history.baseline.clone()],
            loaded_ms: vec![i64::MIN],
            known: Vec::new(),
            began_empty: true,
            trimmed_us: None,
            kept: BTreeMap::new(),
        };
        past.remember();
        past
    }

    fn remember(&mut self) {
        let by_ms = self.subject.lake.env.clock.now_ms();
        self.known.push(Known { by_ms, batches: self.subject.batches.len(), baselines: self.baselines.len() });
    }

    pub(crate) async fn log(&mut self, batch: &[Event], is_merged: bool) {
        for logged in self.subject.log(batch).await {
            if is_merged {
                catch_up(&self.subject.lake, &self.subject.pair, Some(&logged), &Limits::default()).await.unwrap();
            }
        }
        self.remember();
    }

    pub(crate) async fn load(&mut self, baseline: Baseline) {
        if self.baselines[0].at_us.is_none() {
            let record = record_of(&self.mirror().await).unwrap();
            self.began_empty = record.is_some_and(|record| record.has_changes || record.baseline.at_us.is_some());
        }
        self.subject.load(&baseline, "waterline/baseline-second").await;
        self.baselines.push(baseline);
        self.loaded_ms.push(self.mirror().await.current().unwrap().committed_at_ms);
        self.remember();
    }

    /// What a rollback takes back is as if it had never come; what was known before it is not asked for any more.
    pub(crate) fn take_back(&mut self, rollback: &Rollback) {
        let first_void = usize::try_from(rollback.above.0).unwrap();
        self.subject.batches[first_void..].iter_mut().for_each(Vec::clear);
        // The changelog tells of it in a batch of its own.
        self.subject.batches.push(Vec::new());
        self.loaded_ms.retain(|loaded_ms| *loaded_ms <= rollback.to_ms);
        self.baselines.truncate(self.loaded_ms.len());
        self.known.clear();
        self.remember();
    }

    /// Of the time before `until_us` only some moments are known from now on.
    pub(crate) fn trim(&mut self, until_us: i64, keeps: impl Fn(i64) -> bool, kept: &[i64]) {
        let now = *self.known.last().unwrap();
        let is_older = |baseline: &Baseline| baseline.at_us.is_none_or(|at_us| at_us <= until_us);
        let moments = kept.iter().copied().chain(self.baselines.iter().filter_map(|baseline| baseline.at_us));
        let moments = moments.filter(|at_us| *at_us < until_us && Some(*at_us) >= self.trimmed_us);
        let kept: Vec<(i64, State)> = moments.filter_map(|at_us| Some((at_us, self.expected(at_us, now)?))).collect();
        self.kept.extend(kept);
        self.kept.retain(|at_us, _| keeps(*at_us));
        let state = self.expected(until_us, now).unwrap();
        let later = self.baselines.drain(..).zip(self.loaded_ms.drain(..)).filter(|(baseline, _)| !is_older(baseline));
        let all = std::iter::once((Baseline::at(State::of_rows(state.rows), until_us), i64::MIN)).chain(later);
        (self.baselines, self.loaded_ms) = all.unzip();
        self.trimmed_us = Some(until_us);
        // The changelog tells of it in a batch of its own.
        self.subject.batches.push(Vec::new());
        // With the older baselines goes what had been known.
        self.known.clear();
        self.remember();
    }

    pub(crate) async fn compact(&mut self, request: &Request) {
        for planned in plan(&self.subject.lake, self.subject.pair.mirror.name(), request).await.unwrap() {
            let report = execute(&self.subject.lake, planned, request).await.unwrap();
            assert_eq!(report.given_up, []);
        }
        self.remember();
    }

    pub(crate) async fn mirror(&self) -> TableState {
        self.subject.pair.mirror.head().await.unwrap()
    }

    /// By the oracle; `None` when the table cannot know it.
    fn expected(&self, at_us: i64, known: Known) -> Option<State> {
        if self.trimmed_us.is_some_and(|until| at_us < until) {
            return self.kept.get(&at_us).cloned();
        }
        let baselines: Vec<Baseline> = self.baselines[..known.baselines]
            .iter()
            .filter(|baseline| baseline.at_us.is_some() || self.knows_emptiness(at_us, known))
            .cloned()
            .collect();
        match as_of(&baselines, &self.subject.batches, at_us, known.batches) {
            Ok(state) => Some(state),
            Err(Refusal::BeforeBaseline) => None,
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    fn knows_emptiness(&self, at_us: i64, known: Known) -> bool {
        let was_sent = known.batches > 0 && self.subject.since_us().is_some_and(|since| since <= at_us);
        was_sent && (self.began_empty || known.baselines == 1)
    }

    pub(crate) async fn check(&self, at_us: i64, known: Known) {
        let is_now = known.batches == self.subject.batches.len();
        let cut = Cut { at_us, known_by_ms: (!is_now).then_some(known.by_ms), beyond: Beyond::AsLogged };
        let expected = self.expected(at_us, known);
        let limits = Limits { batch_rows: 7, ..Limits::default() };
        let open = || AsOf::open(&self.subject.lake, self.subject.pair.mirror.name(), &cut, &limits);
        let (read, expected) = match (open().await, expected) {
            (Ok(read), Some(expected)) => (read, expected),
            (Err(error), None) => return assert_eq!(error.kind(), ErrorKind::NotAnswerable, "{error}"),
            (Ok(read), None) => panic!("answered at {at_us}: {:?}", read.plan()),
            (Err(error), Some(_)) => panic!("{error}"),
        };
        let plan = read.plan().clone();
        check_filtered(&expected, read).await;
        for base in allowed(&self.mirror().await, &plan, &cut) {
            let found = rows(open().await.unwrap().from_base(base)).await;
            assert_rows(&expected, &found);
        }
    }
}

impl Past {
    /// A sweep answers as single reads do.
    async fn check_sweep(&self, moments: &[i64], known: Known) {
        let mut answered: Vec<i64> = moments.iter().copied().filter(|at_us| self.expected(*at_us, known).is_some()).collect();
        answered.sort_unstable();
        if answered.is_empty() {
            return;
        }
        let lake = &self.subject.lake;
        let options = SessionOptions { beyond: Beyond::AsLogged, ..SessionOptions::default() };
        let mut sweep = SweepQuery::new(lake.catalog.clone(), &lake.env, "select * from shop.orders", &answered, None, &options).unwrap();
        for expected_at in answered {
            let (at_us, rows) = sweep.next().await.unwrap().unwrap();
            assert_eq!(at_us, expected_at);
            assert_rows(&self.expected(at_us, known).unwrap(), &rows.try_collect::<Vec<_>>().await.unwrap());
        }
    }
}

/// Every base that rule 12 allows.
fn allowed(mirror: &TableState, plan: &Plan, cut: &Cut) -> Vec<Base> {
    let snapshots = mirror.lineage().filter_map(|info| {
        let record: Record = serde_json::from_str(info.summary.get(RECORD)?).unwrap();
        let is_known = cut.known_by_ms.is_none_or(|by| info.committed_at_ms <= by);
        let is_allowed = record.baseline == plan.baseline.baseline
            && record.folded <= plan.upto
            && record.event_time_max_us.is_none_or(|newest| newest <= plan.at_us);
        (is_known && is_allowed).then_some(Base { version: Some(info.version), record })
    });
    snapshots.chain([plan.base.clone(), plan.from_baseline().base]).collect()
}

async fn rows(read: AsOf) -> Vec<RecordBatch> {
    let session = SessionContext::new();
    let table = AsOfTable::new(read).unwrap();
    let plan = table.scan(&session.state(), None, &[], None).await.unwrap();
    collect(plan, session.task_ctx()).await.unwrap()
}

/// Filters and projections are pushed into both the base and the changelog.
async fn check_filtered(expected: &State, read: AsOf) {
    const ID: i64 = 2;
    let table = Arc::new(AsOfTable::new(read).unwrap());
    let query = SessionContext::new().read_table(table).unwrap();
    let query = query.filter(col("id").gt_eq(lit(ID)).and(col("note").is_not_null())).unwrap().select_columns(&["note", "id"]).unwrap();
    let found = sorted_rows(&query.collect().await.unwrap());
    let chosen = |row: &&Row| row.get("id") >= Some(&Cell::Int(ID)) && row.contains_key("note");
    let projected = |row: &Row| ["id", "note"].into_iter().map(|name| (name.to_owned(), row[name].clone())).collect::<Row>();
    let mut expected: Vec<Row> = expected.rows.values().filter(chosen).map(projected).collect();
    expected.sort();
    assert_same_rows(&expected, &found);
}

/// Moments at, just before and between those at which something happened.
pub(crate) fn moments(rng: &mut StdRng, history: &History, count: usize) -> Vec<i64> {
    let mut times: Vec<i64> = history.events.iter().map(|event| event.event_time_us).collect();
    times.extend(history.times_us().chain(history.baseline.at_us));
    let between = times.iter().min().copied().unwrap_or(0)..times.iter().max().copied().unwrap_or(0) + 2;
    let mut some = |_| match rng.random_range(0..4) {
        0 => rng.random_range(between.clone()),
        1 => times.choose(rng).copied().unwrap_or(0) - 1,
        _ => times.choose(rng).copied().unwrap_or(0),
    };
    (0..count).map(&mut some).collect()
}

async fn as_of_is_fold(history: &History, course: &Course, world: World, catalog: Arc<dyn Catalog>) {
    let mut rng = StdRng::seed_from_u64(course.seed);
    let mut past = Past::new(history, world, catalog, course.properties).await;
    let batches = course.arrival.batches(&history.events);
    let second = course.second_dump(history, batches.len());
    for (number, batch) in batches.iter().enumerate() {
        if let Some((_, baseline)) = second.as_ref().filter(|(before, _)| *before == number) {
            past.load(baseline.clone()).await;
        }
        let happens = |bits: u64| bits >> (number % 64) & 1 == 1;
        past.log(batch, happens(course.merged)).await;
        if happens(course.compacted) {
            past.compact(&course.compaction).await;
        }
    }
    let now = *past.known.last().unwrap();
    let moments = moments(&mut rng, history, 4);
    for at_us in &moments {
        past.check(*at_us, now).await;
        let then = *past.known.choose(&mut rng).unwrap();
        past.check(*at_us, then).await;
    }
    past.check_sweep(&moments, now).await;
    if course.compacted > 0 {
        crate::check::assert_sound(&past.subject.lake, past.subject.pair.mirror.name()).await;
    }
}

pub(crate) fn in_memory(history: &History, course: &Course) {
    let world = World::in_memory(7);
    let catalog = Arc::new(MemoryCatalog::new("memory://lake/warehouse", world.faults.clone()));
    run(as_of_is_fold(history, course, world, catalog));
}

pub(crate) fn in_iceberg(history: &History, course: &Course) {
    let world = World::in_memory(7);
    let catalog = Arc::new(FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap());
    run(as_of_is_fold(history, course, world, catalog));
}

pub(crate) fn in_delta(history: &History, course: &Course) {
    let world = World::in_memory(7);
    let catalog = Arc::new(DeltaCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap());
    run(as_of_is_fold(history, course, world, catalog));
}

/// Without dumps in mid-stream, since the source then never held just what came until a time.
fn with_one_baseline(course: &Course) -> Course {
    Course { second_dump: None, ..course.clone() }
}

const BACKDATED: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate, Feature::Backdated];
const DOMAINS: &[Feature] = &[Feature::TwoDomains, Feature::KeyChange, Feature::Unset, Feature::Read];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(12), ..ProptestConfig::default() })]

    #[test]
    fn as_of_is_fold_in_order(history in histories(Start::Empty, ALL, 24), course in courses(Disorder::InOrder)) {
        in_memory(&history, &course);
    }

    #[test]
    fn as_of_is_fold_of_late_events(history in histories(Start::Empty, PLAIN, 24), course in courses(Disorder::Late)) {
        in_memory(&history, &course);
    }

    #[test]
    fn as_of_is_fold_of_shuffled_events(history in histories(Start::Empty, ALL, 24), course in courses(Disorder::Shuffled)) {
        in_memory(&history, &course);
    }

    #[test]
    fn as_of_is_fold_of_backdated_events(history in histories(Start::Empty, BACKDATED, 24), course in courses(Disorder::Late)) {
        in_memory(&history, &with_one_baseline(&course));
    }

    #[test]
    fn as_of_is_fold_onto_a_dump(history in histories(Start::DumpInside, ALL, 24), course in courses(Disorder::Late)) {
        in_memory(&history, &course);
    }

    #[test]
    fn as_of_is_fold_onto_a_dump_of_an_interval(history in histories(Start::DumpWithin, PLAIN, 24), course in courses(Disorder::Late)) {
        in_memory(&history, &course);
    }

    #[test]
    fn as_of_is_fold_of_two_domains(history in histories(Start::Dump, DOMAINS, 24), course in courses(Disorder::Late)) {
        in_memory(&history, &course);
    }

    #[test]
    fn as_of_is_fold_over_complete_runs(history in histories(Start::Run, RUNS, 24), course in courses(Disorder::InOrder)) {
        in_memory(&history, &with_one_baseline(&course));
    }

    #[test]
    fn as_of_is_fold_in_iceberg(history in histories(Start::DumpInside, ALL, 24), course in courses(Disorder::Shuffled)) {
        in_iceberg(&history, &course);
    }

    #[test]
    fn as_of_is_fold_in_delta(history in histories(Start::DumpInside, ALL, 24), course in courses(Disorder::Shuffled)) {
        in_delta(&history, &course);
    }
}

/// `PROPTEST_CASES` asks for more.
pub(crate) fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}
