//! What the outside world is to Waterline: a store, a clock and a source of unique ids. All three are passed in, so
//! that a test can fail, stop or repeat any of them.

pub mod attempts;
pub mod cache;
mod clock;
mod durable;
pub mod files;
mod ids;
pub mod location;
pub mod probe;
mod stores;

use std::sync::Arc;

pub use clock::{Clock, SystemClock};
pub use ids::{Ids, RandomIds};
pub use stores::{ObjectStores, Stores, parse_location, redacted};

/// Everything that touches the world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    pub stores: Arc<dyn Stores>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

impl Env {
    /// The real machine.
    pub fn system() -> Self {
        Self { stores: Arc::new(ObjectStores::default()), clock: Arc::new(SystemClock), ids: Arc::new(RandomIds) }
    }
}
