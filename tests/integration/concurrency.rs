//! Several jobs over the same files at the same time: the result is that of one (DESIGN.md rules 14, 18 and 19).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use waterline_core::error::ErrorKind;
use waterline_engine::ingest::{Mode, TableReport};
use waterline_testkit::arrivals::{Arrival, Disorder};
use waterline_testkit::histories::{Feature, History, Start};

use crate::shop::{Format, Shop};

const FEATURES: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate];

/// One thread, on which tasks take turns in an order that a seed repeats.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Starts a job for each mode, all at once; each starts again while it is told to try again later. Returns what the tables' reports say.
async fn race(shop: &Arc<Shop>, modes: &[Mode]) -> Vec<TableReport> {
    let jobs = (1..).zip(modes).map(|(job, mode)| {
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
    let mut reports = race(&shop, modes(seed)).await;
    // A job that only logs may have had the last word.
    reports.extend(race(&shop, &[Mode::Merge]).await);
    shop.check(&shop.lake(2)).await;
    shop.check_quiet(&shop.lake(3)).await;
    let header = shop.header(&shop.lake(4)).await;
    assert_eq!(reports.iter().map(|report| report.events_logged).sum::<u64>(), header.counts.events, "seed {seed}");
    assert_eq!(reports.iter().map(|report| report.late).sum::<u64>(), header.counts.late, "seed {seed}");
}

async fn jobs_at_once_among_faults(format: Format, seed: u64, per_mille: u32) {
    let shop = shop(format, seed).await;
    shop.world.faults.set_seed(seed, per_mille);
    race(&shop, modes(seed)).await;
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
    race(&shop, modes(seed)).await;
    merged.store(true, Ordering::Relaxed);
    let reports = compactor.await.unwrap();
    race(&shop, &[Mode::Merge]).await;
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
