use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::{Builder, Uuid};
use waterline_env::Ids;

/// Ids that a seed repeats.
#[derive(Debug)]
pub struct SeededIds(Mutex<StdRng>);

impl SeededIds {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Ids for SeededIds {
    fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.0.lock().unwrap_or_else(PoisonError::into_inner).random()).into_uuid()
    }
}
