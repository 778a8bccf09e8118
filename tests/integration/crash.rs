//! A process that dies at any step of its input and output, and is started again, ends where one that never died ends
//! (DESIGN.md rules 17 to 20).

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use waterline_core::error::Result;
use waterline_engine::ingest::Mode;
use waterline_testkit::arrivals::{Arrival, Disorder};
use waterline_testkit::faults::{Operation, Phase, Step};
use waterline_testkit::histories::{Feature, History, Start};

use crate::shop::{Format, Shop};

const FEATURES: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate];

/// Runs a process to its end, or until the plan crashes it: then nothing of it goes on. `None` when it crashed.
fn process<T>(shop: &Shop, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    runtime().block_on(poll_fn(|context| match work.as_mut().poll(context) {
        _ if shop.world.faults.is_crashed() => Poll::Ready(None),
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Pending,
    }))
}

/// One thread, so that the steps of a run are those of the next.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The ways to die at a step that leave something different behind.
fn phases(operation: Operation) -> &'static [Phase] {
    match operation {
        Operation::Get | Operation::List => &[Phase::Before],
        Operation::Put => &Phase::ALL,
        _ => &[Phase::Before, Phase::After],
    }
}

async fn merge(shop: &Shop, process: u64) -> Result<()> {
    shop.ingest(&shop.lake(process), Mode::Merge).await.map(drop)
}

/// Crashes `job` everywhere; `recover` is what is started afterwards.
fn crash_everywhere(shop: impl Fn() -> Shop, job: impl AsyncFn(&Shop, u64) -> Result<()>, recover: impl AsyncFn(&Shop, u64) -> Result<()>) {
    let undisturbed = shop();
    let first = undisturbed.world.faults.step_count();
    let (steps, watermark) = runtime().block_on(async {
        job(&undisturbed, 1).await.unwrap();
        let steps = undisturbed.world.faults.steps().split_off(first as usize);
        recover(&undisturbed, 2).await.unwrap();
        undisturbed.check(&undisturbed.lake(3)).await;
        (steps, undisturbed.header(&undisturbed.lake(3)).await.watermark_us)
    });
    let mut crashes = 0;
    for Step { number, operation, path } in &steps {
        for phase in phases(*operation) {
            let shop = shop();
            shop.world.faults.set_crash(*number, *phase);
            crashes += usize::from(process(&shop, job(&shop, 1)).is_none());
            shop.world.faults.restart();
            eprintln!("crash {phase:?} step {number}, {operation:?} {path}");
            runtime().block_on(async {
                recover(&shop, 2).await.unwrap();
                let lake = shop.lake(3);
                shop.check(&lake).await;
                assert_eq!(shop.header(&lake).await.watermark_us, watermark);
                shop.check_quiet(&lake).await;
            });
        }
    }
    eprintln!("{crashes} crashes in {} steps", steps.len());
    assert!(crashes > steps.len(), "some steps were not reached");
}

/// About a dozen events in two files, read in batches of five, some late and some twice.
fn late_events(format: Format, seed: u64) -> impl Fn() -> Shop {
    let history = History::seeded(seed, 12, Start::Empty, FEATURES);
    move || runtime().block_on(Shop::new(format, &history, &Arrival::seeded(seed, Disorder::Late)))
}

/// The last batch is full, so that nothing but the source's progress is left for the end.
fn full_batches(format: Format) -> impl Fn() -> Shop {
    let mut history = History::seeded(2, 30, Start::Run, &[Feature::Unset]);
    history.events.truncate(10);
    move || runtime().block_on(Shop::new(format, &history, &Arrival::at_once()))
}

async fn load(shop: &Shop, process: u64) -> Result<()> {
    shop.load(&shop.lake(process)).await.map(drop)
}

/// The dump again, which replaces what a load left behind, and the events.
async fn load_and_merge(shop: &Shop, process: u64) -> Result<()> {
    load(shop, process).await?;
    merge(shop, process + 100).await
}

/// Events that were logged before the dump is loaded.
fn logged_before_the_dump(format: Format) -> impl Fn() -> Shop {
    let history = History::seeded(4, 12, Start::DumpInside, FEATURES);
    move || {
        runtime().block_on(async {
            let shop = Shop::new(format, &history, &Arrival::at_once()).await;
            shop.ingest(&shop.lake(0), Mode::Log).await.unwrap();
            shop
        })
    }
}

/// A table that was merged in small steps.
fn merged(format: Format) -> impl Fn() -> Shop {
    let shop = late_events(format, 1);
    move || {
        let shop = shop();
        runtime().block_on(merge(&shop, 0)).unwrap();
        shop
    }
}

async fn compact(shop: &Shop, process: u64) -> Result<()> {
    shop.compact(&shop.lake(process)).await.map(drop)
}

async fn compact_and_merge(shop: &Shop, process: u64) -> Result<()> {
    compact(shop, process).await?;
    merge(shop, process + 100).await
}

#[test]
fn a_compaction_in_memory_survives_a_crash_at_every_step() {
    crash_everywhere(merged(Format::InMemory), compact, compact_and_merge);
}

#[test]
fn a_compaction_of_iceberg_survives_a_crash_at_every_step() {
    crash_everywhere(merged(Format::Iceberg), compact, compact_and_merge);
}

#[test]
fn a_compaction_of_delta_survives_a_crash_at_every_step() {
    crash_everywhere(merged(Format::Delta), compact, compact_and_merge);
}

#[test]
fn a_merge_in_memory_survives_a_crash_at_every_step() {
    for seed in 0..4 {
        crash_everywhere(late_events(Format::InMemory, seed), merge, merge);
    }
}

#[test]
fn a_merge_of_full_batches_survives_a_crash_at_every_step() {
    crash_everywhere(full_batches(Format::InMemory), merge, merge);
}

#[test]
fn a_merge_into_iceberg_survives_a_crash_at_every_step() {
    crash_everywhere(late_events(Format::Iceberg, 5), merge, merge);
}

#[test]
fn a_merge_into_delta_survives_a_crash_at_every_step() {
    crash_everywhere(late_events(Format::Delta, 5), merge, merge);
}

#[test]
fn a_load_into_delta_survives_a_crash_at_every_step() {
    crash_everywhere(logged_before_the_dump(Format::Delta), load, load_and_merge);
}

#[test]
fn a_load_in_memory_survives_a_crash_at_every_step() {
    crash_everywhere(logged_before_the_dump(Format::InMemory), load, load_and_merge);
}

#[test]
fn a_load_into_iceberg_survives_a_crash_at_every_step() {
    crash_everywhere(logged_before_the_dump(Format::Iceberg), load, load_and_merge);
}
