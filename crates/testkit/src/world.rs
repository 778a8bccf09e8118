//! A world for tests: a store in memory that fails on command, a clock that is set, and ids from a seed.

mod clock;
mod ids;
mod stores;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use clock::TestClock;
pub use ids::SeededIds;
pub use stores::MemoryStores;
use waterline_env::{Env, Stores};

use crate::faults::{FaultPlan, FaultyStores};

/// An [`Env`] with the handles that steer it.
#[derive(Clone, Debug)]
pub struct World {
    pub env: Env,
    pub clock: Arc<TestClock>,
    pub faults: Arc<FaultPlan>,
    /// The stores below the faults: what really is there.
    pub stores: Arc<dyn Stores>,
}

impl World {
    /// In memory, without faults yet. The clock starts on 2025-11-21.
    pub fn in_memory(seed: u64) -> Self {
        Self::over(Arc::new(MemoryStores::default()), seed)
    }

    /// Over other stores, such as `waterline_env::ObjectStores` on a temporary folder.
    pub fn over(stores: Arc<dyn Stores>, seed: u64) -> Self {
        let clock = Arc::new(TestClock::at(1_763_700_000_000_000));
        let faults = Arc::new(FaultPlan::none());
        let faulty = FaultyStores::new(stores.clone(), faults.clone());
        let env = Env { stores: Arc::new(faulty), clock: clock.clone(), ids: Arc::new(SeededIds::new(seed)) };
        Self { env, clock, faults, stores }
    }
}
