use std::fmt::Debug;

use uuid::Uuid;

/// Source of unique ids, for file names, snapshots and commits.
pub trait Ids: Send + Sync + Debug {
    fn uuid(&self) -> Uuid;
}

#[derive(Clone, Copy, Debug)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[allow(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}
