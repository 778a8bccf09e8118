//! Upkeep takes nothing that anybody can ask for: `maintenance_is_invisible` and `gc_disjoint` of DESIGN.md.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use datafusion::object_store::ObjectStoreExt;
use datafusion::object_store::path::Path;
use futures::TryStreamExt;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use waterline_core::as_of::Cut;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::Catalog;
use waterline_core::maintain::retention::{Keep, Retention};
use waterline_core::record::RECORD;
use waterline_core::table::TableName;
use waterline_engine::ingest::Mode;
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::maintain::Action;
use waterline_engine::maintain::compact::StrategyChoice;
use waterline_engine::maintain::expire::{Asked, Caution, ExpireRequest, Expired, expire};
use waterline_engine::maintain::rollback::{Events, Goal, RollbackRequest, roll_back};
use waterline_engine::maintain::trim::{TrimRequest, trim};
use waterline_engine::maintain::vacuum::{VacuumRequest, Vacuumed, vacuum};
use waterline_testkit::arrivals::Disorder;
use waterline_testkit::faults::{Fault, Operation, Phase, Rule};
use waterline_testkit::histories::{History, Start, histories};
use waterline_testkit::memory::MemoryCatalog;
use waterline_testkit::oracle::Baseline;
use waterline_testkit::world::World;

use crate::as_of::{Course, Past, cases, courses, moments};
use crate::compact::eager;
use crate::fold::{ALL, run};
use crate::formats::{Format, in_both_formats};
use crate::rules::{Table, create, delete, update};
use crate::rules_as_of::{as_logged, moment, rows_at};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Makes eight hours of a tick of a history.
const HOURS: i64 = 8 * 60 * 60 * 1_000;

pub(crate) const CLOCK_AHEAD_US: i64 = 50_000_000;

/// Sets the clock of a test a little ahead of the machine's, which stores date files by: everything that was written is old.
pub(crate) async fn set_clock(world: &World) {
    let (store, path) = world.stores.resolve("memory://clock/now").unwrap();
    store.put(&path, "".into()).await.unwrap();
    let now_us = store.head(&path).await.unwrap().last_modified.timestamp_micros();
    world.clock.set_us(now_us + CLOCK_AHEAD_US);
}

/// Everything that can go goes.
async fn expire_all(lake: &Lake, table: &TableName) -> Result<Expired> {
    let asked = Asked { older_than_ms: Some(0), retain_last: Some(1) };
    expire(lake, table, &ExpireRequest { asked, caution: Caution::Forced, action: Action::Do }).await
}

async fn vacuum_all(lake: &Lake, table: &TableName) -> Result<Vacuumed> {
    vacuum(lake, table, &VacuumRequest { older_than_ms: 0, caution: Caution::Forced, action: Action::Do }).await
}

fn both(table: &TableName) -> [TableName; 2] {
    [table.clone(), table.changelog()]
}

/// Every file of the lake, as it really is.
async fn files(world: &World) -> BTreeSet<Path> {
    let (store, root) = world.stores.resolve("memory://lake/warehouse").unwrap();
    store.list(Some(&root)).map_ok(|object| object.location).try_collect().await.unwrap()
}

async fn maintenance_is_invisible(history: &History, course: &Course, world: World, catalog: Arc<dyn Catalog>) {
    set_clock(&world).await;
    let mut rng = StdRng::seed_from_u64(course.seed);
    let mut past = Past::new(history, world, catalog, &[]).await;
    past.subject.complete_until_us = history.events.iter().map(|event| event.event_time_us).max();
    let keep_daily = if rng.random() { Keep::Forever } else { Keep::Never };
    let batches = course.arrival.batches(&history.events);
    let second = course.second_dump(history, batches.len());
    let name = past.subject.pair.mirror.name().clone();
    for (number, batch) in batches.iter().enumerate() {
        // A dump of the time before a trim would be refused.
        let is_known = |baseline: &Baseline| baseline.at_us > past.trimmed_us;
        if let Some((_, baseline)) = second.as_ref().filter(|(before, baseline)| *before == number && is_known(baseline)) {
            past.load(baseline.clone()).await;
        }
        past.log(batch, course.merged >> (number % 64) & 1 == 1).await;
        if rng.random_bool(0.2) {
            roll_back_somewhere(&mut past, &mut rng).await;
        }
        if rng.random_bool(0.3) {
            past.compact(&eager(StrategyChoice::Binpack)).await;
        }
        if rng.random_bool(0.2) {
            let until_us = moments(&mut rng, history, 1)[0];
            trim_before(&mut past, until_us, keep_daily).await;
        }
        for table in both(&name) {
            if rng.random_bool(0.4) {
                expire_all(&past.subject.lake, &table).await.unwrap();
            }
            if rng.random_bool(0.3) {
                vacuum_all(&past.subject.lake, &table).await.unwrap();
            }
        }
    }
    let now = *past.known.last().unwrap();
    for at_us in past.kept.keys().copied().chain(past.trimmed_us).collect::<Vec<_>>() {
        past.check(at_us, now).await;
    }
    for at_us in moments(&mut rng, history, 3) {
        past.check(at_us, now).await;
        // A baseline that was dropped still counts at the commit times of its snapshot.
        if at_us >= past.trimmed_us.unwrap_or(i64::MIN) {
            let then = *past.known.choose(&mut rng).unwrap();
            past.check(at_us, then).await;
        }
    }
    crate::check::assert_sound(&past.subject.lake, &name).await;
}

/// To any snapshot that is there. What the batches above it held is as if it had never come.
async fn roll_back_somewhere(past: &mut Past, rng: &mut StdRng) {
    let mirror = past.mirror().await;
    let to = mirror.lineage().filter(|info| info.summary.contains_key(RECORD)).collect::<Vec<_>>();
    let Some(to) = to.choose(rng).map(|info| info.version) else { return };
    let request = RollbackRequest { goal: Goal::Snapshot(to), events: Events::Dropped, action: Action::Do };
    match roll_back(&past.subject.lake, past.subject.pair.mirror.name(), &request).await {
        Ok(Some(done)) => past.take_back(&done.rollback),
        Ok(None) => {}
        Err(error) => assert!(past.trimmed_us.is_some() && error.kind() == ErrorKind::NotAnswerable, "{error}"),
    }
}

/// Trims up to the last midnight of all that lie before a moment.
async fn trim_before(past: &mut Past, until_us: i64, keep_daily: Keep) {
    let now_us = past.subject.lake.env.clock.now_us();
    let retention =
        Retention { keep_within_us: now_us - until_us, keep_daily, keep_monthly: Keep::Never, timezone: "UTC".parse().unwrap() };
    let request = TrimRequest { retention, limits: Limits::default(), action: Action::Do };
    let trimmed = trim(&past.subject.lake, past.subject.pair.mirror.name(), &request).await.unwrap();
    if let Some((_, until_us)) = trimmed.unanswerable {
        past.trim(until_us, |at_us| retention.keeps(at_us, now_us), &trimmed.kept);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(4), ..ProptestConfig::default() })]

    #[test]
    fn maintenance_is_invisible_in_memory(history in histories(Start::DumpInside, ALL, 24), course in courses(Disorder::Late)) {
        let world = World::in_memory(7);
        let catalog = Arc::new(MemoryCatalog::new("memory://lake/warehouse", world.faults.clone()));
        run(maintenance_is_invisible(&history.slowed(HOURS), &course, world, catalog));
    }

    #[test]
    fn maintenance_is_invisible_in_iceberg(history in histories(Start::Empty, ALL, 16), course in courses(Disorder::Late)) {
        let world = World::in_memory(7);
        let catalog = Format::Iceberg.catalog("memory://lake/warehouse", &world.env);
        run(maintenance_is_invisible(&history.slowed(HOURS), &course, world, catalog));
    }

    #[test]
    fn maintenance_is_invisible_in_delta(history in histories(Start::DumpInside, ALL, 16), course in courses(Disorder::Late)) {
        let world = World::in_memory(7);
        let catalog = Format::Delta.catalog("memory://lake/warehouse", &world.env);
        run(maintenance_is_invisible(&history.slowed(HOURS), &course, world, catalog));
    }
}

in_both_formats!(
    what_expires_leaves_every_moment_and_no_file_behind,
    a_vacuum_takes_what_nothing_refers_to,
    a_vacuum_that_cannot_read_everything_deletes_nothing,
    a_vacuum_of_metadata_that_is_gone_or_torn_deletes_nothing,
    a_vacuum_stays_within_its_limits,
    deletes_that_fail_are_counted_and_made_up_for,
    an_expiry_that_dies_anywhere_leaves_a_whole_table,
);

/// A table that has lived for a while, and a commit time in the midst of that.
struct Lived {
    table: Table,
    then_ms: i64,
}

/// A dump and merges onto it, an older snapshot of which a tag names.
async fn lived(format: Format) -> Lived {
    let mut table = Table::of(format);
    set_clock(&table.world).await;
    table.world.clock.tick_us(1_000);
    table.load("id,a,b\n1,dumped,x\n2,dumped,x\n", moment(10)).await;
    for second in 11..17 {
        table.take(&[update(second, 1, &format!("at {second}"), "x"), create(second + 100, second, "new", "x")]).await;
    }
    let named = table.mirror().await.history[3].clone();
    let mirror = table.lake.table(&Table::name()).await.unwrap();
    let _ = mirror.set_tag(&mirror.head().await.unwrap(), "audit", Some(named.version)).await.unwrap();
    Lived { table, then_ms: named.committed_at_ms }
}

impl Lived {
    /// The table as a program sees it that is started anew.
    fn anew(&self) -> Self {
        Self { table: self.table.anew(), then_ms: self.then_ms }
    }

    /// Rows at several moments, by what is known now and by what was known then.
    async fn moments(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for second in [10, 12, 15, 113, 120] {
            rows.push(rows_at(&self.table, as_logged(second)).await);
            rows.push(rows_at(&self.table, Cut { known_by_ms: Some(self.then_ms), ..as_logged(second) }).await);
        }
        rows
    }

    async fn expire(&self) -> Expired {
        expire_all(&self.table.lake, &Table::name()).await.unwrap()
    }

    async fn vacuum(&self) -> Vacuumed {
        vacuum_all(&self.table.lake, &Table::name()).await.unwrap()
    }

    async fn files(&self) -> BTreeSet<Path> {
        files(&self.table.world).await
    }

    async fn put(&self, name: &str) -> Path {
        let (store, path) = self.table.world.stores.resolve(&format!("memory://lake/warehouse/shop/t/{name}")).unwrap();
        store.put(&path, "garbage".into()).await.unwrap();
        path
    }
}

async fn what_expires_leaves_every_moment_and_no_file_behind(format: Format) {
    let mut lived = lived(format).await;
    let name = Table::name();
    let (before, had) = (lived.moments().await, lived.files().await);

    let asked = Asked { older_than_ms: Some(0), retain_last: Some(2) };
    let planned = ExpireRequest { asked, caution: Caution::Forced, action: Action::Plan };
    let plan = expire(&lived.table.lake, &name, &planned).await.unwrap();
    assert_eq!((plan.versions.len(), plan.kept), (3, 4));
    assert_eq!(lived.files().await, had, "a plan touches nothing");
    assert_eq!(lived.table.mirror().await.history.len(), 7);

    let mut gone = 0;
    for table in both(&name) {
        let expired = expire(&lived.table.lake, &table, &ExpireRequest { action: Action::Do, ..planned }).await.unwrap();
        assert_eq!(expired.deleted.left, 0);
        gone += expired.deleted.files;
        if table == name {
            assert_eq!((expired.versions.clone(), expired.deleted), (plan.versions.clone(), plan.deleted));
        }
    }
    let kept: Vec<_> = lived.table.mirror().await.history.iter().map(|info| info.version).collect();
    assert!(plan.versions.iter().all(|version| !kept.contains(version)));
    let now = lived.files().await;
    let came = now.difference(&had);
    match format {
        // Two metadata files, and the commit times of the log.
        Format::Iceberg => assert_eq!(came.count(), 3),
        Format::Delta => assert!(came.map(Path::as_ref).all(|path| path.contains("/_delta_log/") || path.contains("/_waterline/"))),
    }
    assert_eq!(had.difference(&now).count() as u64, gone);
    assert_eq!(lived.moments().await, before);
    assert_eq!(lived.anew().moments().await, before);

    // Nothing is due any more, and what is left over goes with a vacuum.
    assert_eq!(expire(&lived.table.lake, &name, &ExpireRequest { action: Action::Do, ..planned }).await.unwrap().versions, []);
    for table in both(&name) {
        vacuum_all(&lived.table.lake, &table).await.unwrap();
    }
    assert_eq!(lived.anew().moments().await, before);

    // Late events still fold onto the dump, and the source is read on.
    lived.table.take(&[update(12, 2, "late", "x"), delete(14, 1), create(130, 30, "on", "x")]).await;
    assert_eq!(rows_at(&lived.table, as_logged(12)).await, ["1 at 12 x", "2 late x"]);
    assert!(lived.table.rows().await.contains(&"30 on x".to_owned()));
    let again = lived.table.job(Mode::Merge, None).await.unwrap().tables.remove(0).report;
    assert_eq!((again.rows_read, again.events_logged), (0, 0));
}

/// A table with garbage that a vacuum would take.
async fn littered(format: Format) -> (Lived, Path) {
    let lived = lived(format).await;
    let garbage = lived.put("data/garbage.parquet").await;
    (lived, garbage)
}

async fn a_vacuum_takes_what_nothing_refers_to(format: Format) {
    let (lived, garbage) = littered(format).await;
    let (before, had) = (lived.moments().await, lived.files().await);
    let request = VacuumRequest { older_than_ms: 0, caution: Caution::Forced, action: Action::Plan };
    let plan = vacuum(&lived.table.lake, &Table::name(), &request).await.unwrap();
    assert!(plan.files.iter().any(|file| file.ends_with("/shop/t/data/garbage.parquet")));
    assert_eq!(lived.files().await, had);
    assert_eq!(lived.vacuum().await.deleted.files, plan.files.len() as u64);
    let now = lived.files().await;
    assert!(!now.contains(&garbage));
    assert_eq!(had.difference(&now).count(), plan.files.len());
    assert_eq!(lived.anew().moments().await, before);
    assert_eq!(lived.vacuum().await.deleted.files, 0);
}

/// A program that was just started, and has read nothing yet, deletes nothing.
async fn refuses_to_vacuum(lived: &Lived) -> Error {
    let before = lived.files().await;
    let error = vacuum_all(&lived.anew().table.lake, &Table::name()).await.unwrap_err();
    assert_eq!(lived.files().await, before);
    error
}

/// What the table is read from: in Delta, all commits, since the rows of an older one may be needed.
async fn metadata(lived: &Lived, format: Format) -> Vec<Path> {
    let is_read = |path: &Path| match format {
        Format::Iceberg => path.as_ref().contains("/t/metadata/") && path.as_ref().ends_with(".avro"),
        Format::Delta => path.as_ref().contains("/t/_delta_log/") && path.as_ref().ends_with(".json"),
    };
    lived.files().await.into_iter().filter(is_read).collect()
}

async fn a_vacuum_that_cannot_read_everything_deletes_nothing(format: Format) {
    let (lived, _) = littered(format).await;
    let needed = metadata(&lived, format).await;
    for path in &needed {
        lived.table.world.faults.add(Rule::new(Operation::Get, Fault::Before).on_path(path.as_ref()));
        refuses_to_vacuum(&lived).await;
        lived.table.world.faults.heal();
    }
    assert!(needed.len() > 7, "{needed:?}");
    lived.table.world.faults.add(Rule::new(Operation::List, Fault::Before));
    refuses_to_vacuum(&lived).await;
}

async fn a_vacuum_of_metadata_that_is_gone_or_torn_deletes_nothing(format: Format) {
    let (lived, _) = littered(format).await;
    let (store, _) = lived.table.world.stores.resolve("memory://lake/warehouse").unwrap();
    let needed = metadata(&lived, format).await;
    for path in &needed {
        let bytes = store.get(path).await.unwrap().bytes().await.unwrap();
        store.put(path, bytes.slice(..bytes.len() / 2).into()).await.unwrap();
        refuses_to_vacuum(&lived).await;
        store.delete(path).await.unwrap();
        // A log without its last commit is a shorter log.
        if format == Format::Iceberg || Some(path) != needed.last() {
            assert_eq!(refuses_to_vacuum(&lived).await.kind(), ErrorKind::NotFound);
        }
        store.put(path, bytes.into()).await.unwrap();
    }
}

async fn a_vacuum_stays_within_its_limits(format: Format) {
    let (lived, garbage) = littered(format).await;
    let (lake, name) = (&lived.table.lake, Table::name());
    let request = |older_than_ms, caution| VacuumRequest { older_than_ms, caution, action: Action::Do };
    for request in [request(-1, Caution::Forced), request(DAY_MS - 1, Caution::Usual)] {
        assert_eq!(vacuum(lake, &name, &request).await.unwrap_err().kind(), ErrorKind::Usage);
    }
    // Nothing is old yet, and a file is newer than the newest commit.
    assert_eq!(vacuum(lake, &name, &request(3 * DAY_MS, Caution::Usual)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    lived.table.world.clock.advance_us(4 * DAY_MS * 1000);
    for number in 0..40 {
        lived.put(&format!("data/{number}.parquet")).await;
    }
    let error = vacuum(lake, &name, &request(3 * DAY_MS, Caution::Usual)).await.unwrap_err();
    assert!(error.to_string().contains("20 %"), "{error}");
    assert!(lived.files().await.contains(&garbage));
    assert_eq!(vacuum(lake, &name, &request(3 * DAY_MS, Caution::Forced)).await.unwrap().deleted.files, 41);
}

async fn deletes_that_fail_are_counted_and_made_up_for(format: Format) {
    let (lived, garbage) = littered(format).await;
    let before = lived.moments().await;
    lived.table.world.faults.add(Rule::new(Operation::Delete, Fault::Before).once());
    assert_eq!(lived.expire().await.deleted.left, 1);
    lived.table.world.faults.add(Rule::new(Operation::Delete, Fault::After).once());
    assert_eq!(lived.vacuum().await.deleted.left, 1);
    lived.vacuum().await;
    assert!(!lived.files().await.contains(&garbage));
    assert_eq!(lived.vacuum().await.deleted.files, 0);
    assert_eq!(lived.anew().moments().await, before);
}

/// Runs a process to its end, or until the plan crashes it: then nothing of it goes on.
pub(crate) async fn until_crash<T>(world: &World, work: impl Future<Output = T>) {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Pending if !world.faults.is_crashed() => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// Whatever an expiry is interrupted by, the table is whole, and the next one ends it.
async fn an_expiry_that_dies_anywhere_leaves_a_whole_table(format: Format) {
    let changelog = Table::name().changelog();
    let undisturbed = lived(format).await;
    let before = undisturbed.moments().await;
    let first = undisturbed.table.world.faults.step_count();
    expire_all(&undisturbed.table.lake, &changelog).await.unwrap();
    let steps = undisturbed.table.world.faults.step_count() - first;
    for step in (0..steps).step_by(7) {
        let lived = lived(format).await;
        let faults = lived.table.world.faults.clone();
        faults.set_crash(faults.step_count() + step, Phase::After);
        until_crash(&lived.table.world, expire_all(&lived.table.lake, &changelog)).await;
        faults.restart();
        let lived = lived.anew();
        assert_eq!(lived.moments().await, before, "step {step}");
        for table in both(&Table::name()) {
            expire_all(&lived.table.lake, &table).await.unwrap();
            vacuum_all(&lived.table.lake, &table).await.unwrap();
        }
        assert_eq!(lived.moments().await, before, "step {step}");
    }
}
