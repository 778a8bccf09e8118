//! Which operation fails, and how.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutOptions, PutPayload};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Fault, Operation, Phase};

/// The faults of a world. Shared by all of its stores, so that steps have one order.
#[derive(Debug, Default)]
pub struct FaultPlan(Mutex<Plan>);

/// One operation as it began. Steps count from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub number: u64,
    pub operation: Operation,
    pub path: String,
}

/// Some operations that fail: by default every one of its kind.
#[derive(Clone, Debug)]
pub struct Rule {
    operation: Operation,
    path_part: String,
    skip: u64,
    times: u64,
    fault: Fault,
}

impl Rule {
    pub fn new(operation: Operation, fault: Fault) -> Self {
        Self { operation, path_part: String::new(), skip: 0, times: u64::MAX, fault }
    }

    /// Only where the path contains this.
    #[must_use]
    pub fn on_path(self, path_part: impl Into<String>) -> Self {
        Self { path_part: path_part.into(), ..self }
    }

    /// Not the first so many.
    #[must_use]
    pub fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    #[must_use]
    pub fn once(self) -> Self {
        Self { times: 1, ..self }
    }

    fn strikes(&mut self, operation: Operation, path: &str) -> bool {
        if operation != self.operation || !path.contains(&self.path_part) || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

#[derive(Debug, Default)]
struct Plan {
    steps: Vec<Step>,
    rules: Vec<Rule>,
    crash: Option<(u64, Phase)>,
    crashed: bool,
    dice: Option<Dice>,
    turns: Option<StdRng>,
    late: Vec<(u64, LateWrite)>,
    written_at: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Dice {
    rng: StdRng,
    per_mille: u32,
}

/// A request that is still under way when its caller has given up.
#[derive(Debug)]
pub(super) struct LateWrite {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    /// `None` deletes.
    pub(super) payload: Option<(PutPayload, PutOptions)>,
}

impl LateWrite {
    async fn land(self) {
        // Its caller is gone: nobody learns whether it works.
        let _ = match self.payload {
            Some((payload, options)) => self.store.put_opts(&self.path, payload, options).await.map(drop),
            None => self.store.delete(&self.path).await,
        };
    }
}

impl FaultPlan {
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything works up to step `step`; that one fails as `phase` says, and all later ones until [`Self::restart`].
    pub fn crash_at(step: u64, phase: Phase) -> Self {
        let plan = Self::none();
        plan.set_crash(step, phase);
        plan
    }

    /// Of a thousand operations `per_mille` fail, in all ways that are possible.
    pub fn seeded(seed: u64, per_mille: u32) -> Self {
        let plan = Self::none();
        plan.set_seed(seed, per_mille);
        plan
    }

    /// As [`Self::crash_at`], for a plan that is in use; steps count from the first of the plan.
    pub fn set_crash(&self, step: u64, phase: Phase) {
        self.lock().crash = Some((step, phase));
    }

    /// As [`Self::seeded`], for a plan that is in use.
    pub fn set_seed(&self, seed: u64, per_mille: u32) {
        self.lock().dice = Some(Dice { rng: StdRng::seed_from_u64(seed), per_mille });
    }

    /// From now on tasks take turns at every step of a store, in an order that the seed repeats on a runtime of one thread.
    pub fn set_turns(&self, seed: u64) {
        self.lock().turns = Some(StdRng::seed_from_u64(seed));
    }

    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Ends a crash, as when the process starts again. Rules and seed stay; a crash strikes once.
    pub fn restart(&self) {
        let mut plan = self.lock();
        plan.crash = None;
        plan.crashed = false;
    }

    /// From now on everything works. Late writes still land.
    pub fn heal(&self) {
        let mut plan = self.lock();
        plan.rules.clear();
        plan.dice = None;
        plan.crash = None;
        plan.crashed = false;
    }

    pub fn is_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// How many operations have begun.
    pub fn step_count(&self) -> u64 {
        self.lock().steps.len() as u64
    }

    /// Every operation that has begun, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.lock().steps.clone()
    }

    /// Lets all late writes land now.
    pub async fn land_late_writes(&self) {
        let late = std::mem::take(&mut self.lock().late);
        for (_, write) in late {
            write.land().await;
        }
    }

    /// Counts an operation, and says how it fails. For those who are asked directly, such as a catalog in memory.
    pub fn begin(&self, operation: Operation, path: &str) -> Option<Fault> {
        self.lock().begin(operation, path)
    }

    pub(super) async fn begin_in_store(&self, operation: Operation, path: &Path) -> Option<Fault> {
        let turns = self.lock().turns.as_mut().map_or(0, |rng| rng.random_range(0..4));
        for _ in 0..turns {
            let_others_run().await;
        }
        let due = self.lock().due();
        for write in due {
            write.land().await;
        }
        self.begin(operation, path.as_ref())
    }

    pub(super) fn land_later(&self, steps: u64, write: LateWrite) {
        let mut plan = self.lock();
        let due = plan.steps.len() as u64 + steps;
        plan.late.push((due, write));
    }

    /// Whether a list that is so many steps behind shows the object.
    pub(super) fn is_listed(&self, path: &Path, steps_behind: u64) -> bool {
        let plan = self.lock();
        let now = plan.steps.len() as u64;
        plan.written_at.get(path.as_ref()).is_none_or(|written| written + steps_behind < now)
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn let_others_run() {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Plan {
    fn due(&mut self) -> Vec<LateWrite> {
        let now = self.steps.len() as u64;
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(step, _)| *step <= now);
        self.late = late;
        due.into_iter().map(|(_, write)| write).collect()
    }

    fn begin(&mut self, operation: Operation, path: &str) -> Option<Fault> {
        let number = self.steps.len() as u64;
        self.steps.push(Step { number, operation, path: path.to_owned() });
        if operation.is_write() {
            self.written_at.insert(path.to_owned(), number);
        }
        if self.crashed {
            return Some(Fault::Before);
        }
        if let Some((_, phase)) = self.crash.filter(|(step, _)| *step == number) {
            self.crashed = true;
            return Some(phase.fault());
        }
        let scripted = self.rules.iter_mut().find_map(|rule| rule.strikes(operation, path).then_some(rule.fault));
        scripted.or_else(|| self.dice.as_mut()?.roll(operation))
    }
}

impl Dice {
    fn roll(&mut self, operation: Operation) -> Option<Fault> {
        if self.rng.random_range(0..1_000) >= self.per_mille {
            return None;
        }
        let steps = self.rng.random_range(1..40);
        let possible: &[Fault] = match operation {
            Operation::Get => &[Fault::Before, Fault::Torn],
            Operation::List => &[Fault::Before, Fault::Stale { steps }],
            Operation::Put => &[Fault::Before, Fault::After, Fault::Torn, Fault::Late { steps }],
            Operation::Create => &[Fault::Before, Fault::After, Fault::Late { steps }, Fault::ExistsThoughOurs, Fault::ExistsThoughAbsent],
            Operation::Delete => &[Fault::Before, Fault::After, Fault::Late { steps }],
            _ => &[Fault::Before, Fault::After],
        };
        Some(possible[self.rng.random_range(0..possible.len())])
    }
}
