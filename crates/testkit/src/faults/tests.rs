use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

use super::*;

struct Setup {
    plan: Arc<FaultPlan>,
    store: FaultyStore,
    /// What really is there.
    inner: Arc<InMemory>,
}

fn setup(plan: FaultPlan) -> Setup {
    let (plan, inner) = (Arc::new(plan), Arc::new(InMemory::new()));
    Setup { store: FaultyStore::new(inner.clone(), plan.clone()), plan, inner }
}

impl Setup {
    fn failing(operation: Operation, fault: Fault) -> Self {
        let setup = setup(FaultPlan::none());
        setup.plan.add(Rule::new(operation, fault).once());
        setup
    }

    async fn put(&self, path: &str, text: &'static str) -> Result<(), Error> {
        self.store.put(&Path::from(path), text.into()).await.map(drop)
    }

    async fn create(&self, path: &str, text: &'static str) -> Result<(), Error> {
        self.store.put_opts(&Path::from(path), text.into(), PutMode::Create.into()).await.map(drop)
    }

    async fn stored(&self, path: &str) -> Option<String> {
        let found = self.inner.get(&Path::from(path)).await.ok()?;
        Some(String::from_utf8(found.bytes().await.expect("bytes").to_vec()).expect("text"))
    }

    async fn listed(&self) -> Result<Vec<String>, Error> {
        self.store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await
    }
}

#[tokio::test]
async fn without_faults_everything_passes_and_is_counted() {
    let setup = setup(FaultPlan::none());
    setup.put("a", "1").await.expect("a put");
    setup.create("b", "2").await.expect("a create");
    assert!(matches!(setup.create("b", "3").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(setup.listed().await.expect("a list"), ["a", "b"]);
    setup.store.delete(&Path::from("a")).await.expect("a delete");
    assert_eq!(setup.store.get(&Path::from("b")).await.expect("a get").bytes().await.expect("bytes"), "2");
    let operations: Vec<Operation> = setup.plan.steps().into_iter().map(|step| step.operation).collect();
    assert_eq!(operations, [Operation::Put, Operation::Create, Operation::Create, Operation::List, Operation::Delete, Operation::Get]);
    assert_eq!(setup.plan.step_count(), 6);
}

#[tokio::test]
async fn a_put_fails_before_after_or_half_way() {
    for (fault, left) in [(Fault::Before, None), (Fault::After, Some("0123456789")), (Fault::Torn, Some("01234"))] {
        let setup = Setup::failing(Operation::Put, fault);
        assert!(setup.put("a", "0123456789").await.is_err());
        assert_eq!(setup.stored("a").await.as_deref(), left, "{fault:?}");
        setup.put("a", "again").await.expect("the fault strikes once");
    }
}

#[tokio::test]
async fn a_create_is_whole_or_absent_and_may_lie_about_it() {
    let faults = [
        (Fault::Before, None, false),
        (Fault::After, Some("ours"), false),
        (Fault::Torn, None, false),
        (Fault::ExistsThoughOurs, Some("ours"), true),
        (Fault::ExistsThoughAbsent, None, true),
    ];
    for (fault, left, says_exists) in faults {
        let setup = Setup::failing(Operation::Create, fault);
        let error = setup.create("a", "ours").await.expect_err("a fault");
        assert_eq!(matches!(error, Error::AlreadyExists { .. }), says_exists, "{fault:?}");
        assert_eq!(setup.stored("a").await.as_deref(), left, "{fault:?}");
    }
}

#[tokio::test]
async fn a_late_write_lands_some_operations_later_or_finds_its_place_taken() {
    let setup = Setup::failing(Operation::Create, Fault::Late { steps: 2 });
    assert!(setup.create("a", "late").await.is_err());
    for _ in 0..2 {
        assert_eq!(setup.listed().await.expect("a list").len(), 0);
    }
    assert_eq!(setup.listed().await.expect("a list"), ["a"]);

    let setup = Setup::failing(Operation::Create, Fault::Late { steps: 2 });
    assert!(setup.create("a", "late").await.is_err());
    setup.create("a", "other").await.expect("the place is free");
    setup.plan.land_late_writes().await;
    assert_eq!(setup.stored("a").await.as_deref(), Some("other"));
}

#[tokio::test]
async fn a_delete_fails_or_only_says_so() {
    for (fault, left) in [(Fault::Before, Some("x")), (Fault::After, None), (Fault::Late { steps: 0 }, Some("x"))] {
        let setup = Setup::failing(Operation::Delete, fault);
        setup.put("a", "x").await.expect("a put");
        assert!(setup.store.delete(&Path::from("a")).await.is_err());
        assert_eq!(setup.stored("a").await.as_deref(), left, "{fault:?}");
        setup.plan.land_late_writes().await;
        assert_eq!(setup.stored("a").await.is_none(), fault != Fault::Before);
    }
}

#[tokio::test]
async fn a_read_breaks_off() {
    let setup = Setup::failing(Operation::Get, Fault::Torn);
    setup.put("a", "0123456789").await.expect("a put");
    let answer = setup.store.get(&Path::from("a")).await.expect("the answer begins");
    assert!(answer.bytes().await.is_err());
    assert_eq!(setup.store.get_range(&Path::from("a"), 2..4).await.expect("a range"), "23");
}

#[tokio::test]
async fn a_stale_list_lacks_what_is_new() {
    let setup = setup(FaultPlan::none());
    setup.put("old", "x").await.expect("a put");
    setup.put("new", "x").await.expect("a put");
    setup.plan.add(Rule::new(Operation::List, Fault::Stale { steps: 2 }).once());
    assert_eq!(setup.listed().await.expect("a list"), ["old"]);
    assert_eq!(setup.listed().await.expect("a list"), ["new", "old"]);
}

#[tokio::test]
async fn a_rule_strikes_where_and_when_it_says() {
    let setup = setup(FaultPlan::none());
    setup.plan.add(Rule::new(Operation::Put, Fault::Before).on_path("metadata/").after(1).once());
    let mut failed = Vec::new();
    for path in ["data/1", "metadata/1", "data/2", "metadata/2", "metadata/3"] {
        if setup.put(path, "x").await.is_err() {
            failed.push(path);
        }
    }
    assert_eq!(failed, ["metadata/2"]);
}

#[tokio::test]
async fn after_a_crash_nothing_works_until_the_restart() {
    for (phase, left) in [(Phase::Before, None), (Phase::After, Some("0123")), (Phase::Torn, Some("01"))] {
        let setup = setup(FaultPlan::crash_at(1, phase));
        setup.put("a", "x").await.expect("before the crash");
        assert!(!setup.plan.is_crashed());
        assert!(setup.put("b", "0123").await.is_err());
        assert!(setup.plan.is_crashed());
        assert!(setup.put("c", "x").await.is_err() && setup.listed().await.is_err());
        assert_eq!((setup.stored("b").await.as_deref(), setup.stored("c").await), (left, None), "{phase:?}");
        setup.plan.restart();
        setup.put("c", "x").await.expect("after the restart");
        assert!(setup.listed().await.is_ok());
    }
}

#[tokio::test]
async fn every_step_of_a_job_can_be_crashed_in_turn() {
    // The job writes two objects and then names them; only what is named counts.
    async fn job(setup: &Setup) -> Result<(), Error> {
        setup.put("one", "1").await?;
        setup.put("two", "2").await?;
        setup.create("named", "one two").await
    }
    let mut crashes = 0;
    for step in 0.. {
        for phase in Phase::ALL {
            let setup = setup(FaultPlan::crash_at(step, phase));
            let first = job(&setup).await;
            assert_eq!(first.is_err(), setup.plan.is_crashed());
            if first.is_ok() {
                assert_eq!((step, crashes), (3, 9));
                return;
            }
            crashes += 1;
            setup.plan.restart();
            assert!(matches!(job(&setup).await, Ok(()) | Err(Error::AlreadyExists { .. })));
            assert_eq!([setup.stored("one").await, setup.stored("two").await].map(|text| text.unwrap_or_default()), ["1", "2"]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_breaks_leaves_nothing() {
    for operation in [Operation::StartUpload, Operation::UploadPart, Operation::CompleteUpload] {
        let setup = Setup::failing(operation, Fault::Before);
        let upload = async || {
            let mut upload = setup.store.put_multipart(&Path::from("a")).await?;
            upload.put_part("01".into()).await?;
            upload.put_part("23".into()).await?;
            upload.complete().await.map(drop)
        };
        assert!(upload().await.is_err(), "{operation:?}");
        assert_eq!(setup.stored("a").await, None, "{operation:?}");
        upload().await.expect("the fault strikes once");
        assert_eq!(setup.stored("a").await.as_deref(), Some("0123"));
    }
    let setup = Setup::failing(Operation::CompleteUpload, Fault::After);
    let mut upload = setup.store.put_multipart(&Path::from("a")).await.expect("an upload");
    upload.put_part("01".into()).await.expect("a part");
    assert!(upload.complete().await.is_err());
    assert_eq!(setup.stored("a").await.as_deref(), Some("01"));
}

#[tokio::test]
async fn a_seed_repeats_its_faults() {
    let failures = async |seed| {
        let setup = setup(FaultPlan::seeded(seed, 300));
        let mut failed = Vec::new();
        for n in 0..100 {
            if setup.create(&format!("{n}"), "x").await.is_err() {
                failed.push(n);
            }
        }
        failed
    };
    let one = failures(1).await;
    assert_eq!(one, failures(1).await);
    assert_ne!(one, failures(2).await);
    assert!((10..60).contains(&one.len()), "{}", one.len());
}
