//! Requests that fail, that fail after they were applied, or that land long after their caller gave up: a job settles what
//! it can, says "try again later" of the rest, and is right when it ends well (DESIGN.md rule 20).

use waterline_core::error::ErrorKind;
use waterline_engine::ingest::Mode;
use waterline_testkit::arrivals::{Arrival, Disorder};
use waterline_testkit::faults::{Fault, Operation, Rule, Step};
use waterline_testkit::histories::{Feature, History, Start};

use crate::shop::{Format, Shop};

const FEATURES: &[Feature] = &[Feature::KeyChange, Feature::Unset, Feature::Tie, Feature::Truncate];

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn shop(format: Format, seed: u64) -> Shop {
    let history = History::seeded(seed, 9, Start::Empty, FEATURES);
    Shop::new(format, &history, &Arrival::seeded(seed, Disorder::Late)).await
}

fn faults(operation: Operation) -> &'static [Fault] {
    match operation {
        Operation::Get => &[Fault::Before, Fault::Torn],
        Operation::List => &[Fault::Before],
        Operation::Put => &[Fault::Before, Fault::After, Fault::Late { steps: 1 }, Fault::Late { steps: 9 }, Fault::Torn],
        Operation::Create => &[
            Fault::Before,
            Fault::After,
            Fault::Late { steps: 1 },
            Fault::Late { steps: 9 },
            Fault::ExistsThoughOurs,
            Fault::ExistsThoughAbsent,
        ],
        _ => &[Fault::Before, Fault::After],
    }
}

/// Makes each step fail in each way, once.
async fn fail_everywhere(format: Format, seed: u64) {
    let undisturbed = shop(format, seed).await;
    undisturbed.ingest(&undisturbed.lake(1), Mode::Merge).await.unwrap();
    let steps = undisturbed.world.faults.steps();
    for step in &steps {
        for fault in faults(step.operation) {
            eprintln!("{fault:?} at step {}, {:?} {}", step.number, step.operation, step.path);
            let shop = shop(format, seed).await;
            shop.world.faults.add(rule_of(step, &steps, *fault));
            let first = shop.ingest(&shop.lake(1), Mode::Merge).await;
            match first {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    assert!(!is_commit(step), "a commit without an answer is settled: {error}");
                }
            }
            shop.merge_at_last(2).await;
            shop.world.faults.land_late_writes().await;
            shop.check(&shop.lake(200)).await;
        }
    }
}

/// A rule that strikes this step alone.
fn rule_of(step: &Step, steps: &[Step], fault: Fault) -> Rule {
    let same = |other: &&Step| other.operation == step.operation && other.path.contains(&step.path) && other.number < step.number;
    Rule::new(step.operation, fault).on_path(&step.path).after(steps.iter().filter(same).count() as u64).once()
}

/// Whether a table takes its next version at this step.
fn is_commit(step: &Step) -> bool {
    let is_version = |path: &str| path.contains("metadata.json") || path.contains("_delta_log/");
    step.operation == Operation::Swap || step.operation == Operation::Create && is_version(&step.path)
}

/// A store that fails all the time, in all ways.
async fn fail_at_random(format: Format, seed: u64, per_mille: u32) {
    let shop = shop(format, seed).await;
    shop.world.faults.set_seed(seed, per_mille);
    shop.merge_at_last(1).await;
    shop.world.faults.heal();
    shop.world.faults.land_late_writes().await;
    shop.check(&shop.lake(200)).await;
}

#[test]
fn any_one_fault_in_memory_is_survived() {
    run(fail_everywhere(Format::InMemory, 1));
}

#[test]
fn any_one_fault_with_iceberg_is_survived() {
    run(fail_everywhere(Format::Iceberg, 1));
}

#[test]
fn any_one_fault_with_delta_is_survived() {
    run(fail_everywhere(Format::Delta, 1));
}

#[test]
fn random_faults_with_delta_are_survived() {
    for seed in 0..20 {
        run(fail_at_random(Format::Delta, seed, 15));
    }
}

#[test]
fn random_faults_in_memory_are_survived() {
    for seed in 0..60 {
        run(fail_at_random(Format::InMemory, seed, 60));
    }
}

#[test]
fn random_faults_with_iceberg_are_survived() {
    for seed in 0..20 {
        run(fail_at_random(Format::Iceberg, seed, 15));
    }
}
