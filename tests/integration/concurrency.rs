//! Several jobs over the same files at the same time: the result is that of one (DESIGN.md rules 14, 18 and 19).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use waterline_core::error::{ErrorKind, Result};
use waterline_core::record::RECORD;
use waterline_engine::ingest::{Mode, TableReport};
use waterline_engine::lake::Lake;
use waterline_engine::maintain::Action;
use waterline_engine::maintain::expire::{Asked, Caution, ExpireRequest, expire};
use waterline_engine::maintain::rollback::{Events, Goal, RollbackRequest, roll_back};
use waterline_engine::maintain::vacuum::{VacuumRequest, vacuum};
use waterline_testkit::arrivals::{Arrival, Disorder};
use waterline_testkit::histories::{Feature, History, Start};

use crate::shop::{Format, Shop, table};
use crate::upkeep::{CLOCK_AHEAD_US, set_clock};

const FEATURES: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate];

/// One thread, on which tasks take turns in an order that a seed repeats.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Starts a job for each mode, all at once; each starts again while it is told to try again later. Returns what the tables' reports say.
/// The jobs of another `round` are other processes.
async fn race(shop: &Arc<Shop>, round: u64, modes: &[Mode]) -> Vec<TableReport> {
    let jobs = (10 * round + 1..).zip(modes).map(|(job, mode)| {
        let (shop, mode) = (shop.clone(), *mode);
        tokio::spawn(async move {
            for attempt in 0..100 {
                match shop.ingest(&shop.lake(job * 1_000 + attempt), mode).await {
                    Ok(report) => return report.tables.into_iter().map(|table| table.report).collect::<Vec<_>>(),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                }
            }
            panic!("the job did not end well");
        })
    });
    let mut reports = Vec::new();
    for job in jobs.collect::<Vec<_>>() {
        reports.extend(job.await.unwrap());
    }
    reports
}

async fn shop(format: Format, seed: u64) -> Arc<Shop> {
    let history = History::seeded(seed, 14, Start::Empty, FEATURES);
    let shop = Shop::new(format, &history, &Arrival::seeded(seed, Disorder::Late)).await;
    shop.world.faults.set_turns(seed);
    Arc::new(shop)
}

/// Modes by seed: two or three jobs, of which one at least merges.
fn modes(seed: u64) -> &'static [Mode] {
    [
        &[Mode::Merge, Mode::Merge] as &[Mode],
        &[Mode::Merge, Mode::Log],
        &[Mode::Merge, Mode::Merge, Mode::Merge],
        &[Mode::Log, Mode::Merge, Mode::Log],
    ][(seed % 4) as usize]
}

async fn jobs_at_once(format: Format, seed: u64) {
    let shop = shop(format, seed).await;
    let mut reports = race(&shop, 1, modes(seed)).await;
    // A job that only logs may have had the last word.
    reports.extend(race(&shop, 2, &[Mode::Merge]).await);
    shop.check(&shop.lake(2)).await;
    shop.check_quiet(&shop.lake(3)).await;
    let header = shop.header(&shop.lake(4)).await;
    assert_eq!(reports.iter().map(|report| report.events_logged).sum::<u64>(), header.counts.events, "seed {seed}");
    assert_eq!(reports.iter().map(|report| report.late).sum::<u64>(), header.counts.late, "seed {seed}");
}

async fn jobs_at_once_among_faults(format: Format, seed: u64, per_mille: u32) {
    let shop = shop(format, seed).await;
    shop.world.faults.set_seed(seed, per_mille);
    race(&shop, 1, modes(seed)).await;
    shop.world.faults.heal();
    shop.world.faults.land_late_writes().await;
    shop.ingest(&shop.lake(1), Mode::Merge).await.unwrap();
    shop.check(&shop.lake(2)).await;
    shop.check_quiet(&shop.lake(3)).await;
}

/// Compactions, one after another, beside the jobs of a seed. Returns how many commits they made, and groups they gave up.
async fn merges_beside_compactions(format: Format, seed: u64) -> (u64, usize) {
    let shop = shop(format, seed).await;
    let merged = Arc::new(AtomicBool::new(false));
    let compactor = {
        let (shop, merged) = (shop.clone(), merged.clone());
        tokio::spawn(async move {
            let mut reports = Vec::new();
            for attempt in 0.. {
                tokio::task::yield_now().await;
                if merged.load(Ordering::Relaxed) {
                    break;
                }
                match shop.compact(&shop.lake(90_000 + attempt)).await {
                    Ok(more) => reports.extend(more),
                    // Until the first job has made it, there is no table.
                    Err(error) => assert!([ErrorKind::Unavailable, ErrorKind::NotFound].contains(&error.kind()), "{error}"),
                }
            }
            reports
        })
    };
    race(&shop, 1, modes(seed)).await;
    merged.store(true, Ordering::Relaxed);
    let reports = compactor.await.unwrap();
    race(&shop, 2, &[Mode::Merge]).await;
    shop.check(&shop.lake(2)).await;
    shop.check_quiet(&shop.lake(3)).await;
    if seed.is_multiple_of(4) {
        crate::check::assert_sound(&shop.lake(4), &crate::shop::table()).await;
    }
    (reports.iter().map(|report| report.commits).sum(), reports.iter().map(|report| report.given_up.len()).sum())
}

/// All seeds; returns commits of compactions, and groups they gave up.
fn merges_beside_compactions_of(format: Format, seeds: std::ops::Range<u64>) -> (u64, usize) {
    let mut seen = (0, 0);
    for seed in seeds {
        run(async {
            let (commits, given_up) = merges_beside_compactions(format, seed).await;
            seen = (seen.0 + commits, seen.1 + given_up);
        });
    }
    seen
}

#[test]
fn merges_beside_compactions_in_memory_are_as_without() {
    let (commits, given_up) = merges_beside_compactions_of(Format::InMemory, 400..430);
    assert!(commits > 0 && given_up > 0, "{commits} commits, {given_up} groups given up");
}

#[test]
fn merges_beside_compactions_with_iceberg_are_as_without() {
    let (commits, _) = merges_beside_compactions_of(Format::Iceberg, 500..508);
    assert!(commits > 0);
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Sets the clock so many days ahead of the machine's. What was committed and written before that is so old, what comes is not.
async fn be_ahead(shop: &Shop, days: i64) {
    tokio::time::sleep(Duration::from_millis(2)).await;
    set_clock(&shop.world).await;
    shop.world.clock.advance_us(days * DAY_MS * 1_000 - CLOCK_AHEAD_US);
}

/// One step of upkeep, with the limits that it has by itself. Returns what it did, if anything.
async fn upkeep_step(shop: &Shop, lake: &Lake, rng: &mut StdRng) -> Result<&'static str> {
    let mirror = table();
    let either = if rng.random() { mirror.clone() } else { mirror.changelog() };
    let done = match rng.random_range(0..5) {
        0 => {
            let to = lake.table(&mirror).await?.head().await?;
            let to = to.lineage().filter(|info| info.summary.contains_key(RECORD)).map(|info| info.version).collect::<Vec<_>>();
            let goal = to.choose(rng).map_or(Goal::CommittedBy(i64::MAX), |to| Goal::Snapshot(*to));
            let request = RollbackRequest { goal, events: Events::Replayed, action: Action::Do };
            roll_back(lake, &mirror, &request).await?.map(|_| "rollback")
        }
        1 => {
            let asked = Asked { older_than_ms: Some(8 * DAY_MS), retain_last: Some(1) };
            let expired = expire(lake, &either, &ExpireRequest { asked, caution: Caution::Usual, action: Action::Do }).await?;
            (!expired.versions.is_empty()).then_some("expire")
        }
        2 => {
            let request = VacuumRequest { older_than_ms: 8 * DAY_MS, caution: Caution::Forced, action: Action::Do };
            (vacuum(lake, &either, &request).await?.deleted.files > 0).then_some("vacuum")
        }
        _ => shop.compact(lake).await?.iter().any(|report| report.commits > 0).then_some("compact"),
    };
    Ok(done.unwrap_or("nothing"))
}

/// All upkeep beside the jobs of a seed, which read again what rollbacks took back. Counts what was done.
async fn merges_beside_upkeep(format: Format, seed: u64, done: &mut BTreeMap<&'static str, usize>) {
    let shop = shop(format, seed).await;
    shop.world.clock.tick_us(1);
    be_ahead(&shop, 0).await;
    race(&shop, 0, &[Mode::Merge]).await;
    shop.put("memory://lake/warehouse/shop/orders/data/garbage.parquet", "garbage".into()).await;
    let first = shop.lake(1).table(&table()).await.unwrap().head().await.unwrap().history[0].version;
    let request = RollbackRequest { goal: Goal::Snapshot(first), events: Events::Replayed, action: Action::Do };
    roll_back(&shop.lake(1), &table(), &request).await.unwrap();
    be_ahead(&shop, 8).await;
    let merged = Arc::new(AtomicBool::new(false));
    let keeper = {
        let (shop, merged) = (shop.clone(), merged.clone());
        tokio::spawn(async move {
            let (mut rng, mut done) = (StdRng::seed_from_u64(seed), Vec::new());
            for attempt in 0..60 {
                tokio::task::yield_now().await;
                if merged.load(Ordering::Relaxed) {
                    break;
                }
                match upkeep_step(&shop, &shop.lake(90_000 + attempt), &mut rng).await {
                    Ok(step) => done.push(step),
                    // Another job won each time; or what a rollback was to go back to has expired meanwhile.
                    Err(error) => assert!(
                        [ErrorKind::Unavailable, ErrorKind::NotFound, ErrorKind::NotAnswerable].contains(&error.kind()),
                        "seed {seed}: {error}"
                    ),
                }
            }
            done
        })
    };
    race(&shop, 1, modes(seed)).await;
    merged.store(true, Ordering::Relaxed);
    for step in keeper.await.unwrap() {
        *done.entry(step).or_default() += 1;
    }
    race(&shop, 2, &[Mode::Merge]).await;
    shop.check_mirror(&shop.lake(2)).await;
    shop.check_quiet(&shop.lake(3)).await;
    crate::check::assert_sound(&shop.lake(4), &table()).await;
}

/// What was done how often.
fn merges_beside_upkeep_of(format: Format, seeds: std::ops::Range<u64>) -> BTreeMap<&'static str, usize> {
    let mut done = BTreeMap::new();
    for seed in seeds {
        run(merges_beside_upkeep(format, seed, &mut done));
    }
    done
}

#[test]
fn merges_beside_upkeep_in_memory_are_as_without() {
    let done = merges_beside_upkeep_of(Format::InMemory, 600..610);
    assert!(["rollback", "expire", "vacuum", "compact"].iter().all(|step| done.contains_key(step)), "{done:?}");
}

#[test]
fn merges_beside_upkeep_with_iceberg_are_as_without() {
    // Parts of Iceberg's work are done on threads, so that which of the steps find something to do is not the seed's alone.
    let done = merges_beside_upkeep_of(Format::Iceberg, 700..704);
    assert!(done.keys().any(|step| *step != "nothing"), "{done:?}");
}

#[test]
fn merges_beside_compactions_with_delta_are_as_without() {
    let (commits, _) = merges_beside_compactions_of(Format::Delta, 500..504);
    assert!(commits > 0);
}

#[test]
fn jobs_at_once_in_memory_are_as_one() {
    for seed in 0..100 {
        run(jobs_at_once(Format::InMemory, seed));
    }
}

#[test]
fn jobs_at_once_with_iceberg_are_as_one() {
    for seed in 100..120 {
        run(jobs_at_once(Format::Iceberg, seed));
    }
}

#[test]
fn jobs_at_once_among_faults_in_memory_are_as_one() {
    for seed in 200..260 {
        run(jobs_at_once_among_faults(Format::InMemory, seed, 20));
    }
}

#[test]
fn jobs_at_once_among_faults_with_iceberg_are_as_one() {
    for seed in 300..312 {
        run(jobs_at_once_among_faults(Format::Iceberg, seed, 8));
    }
}
