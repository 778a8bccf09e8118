use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock time. May stand still or run backwards: nothing relies on its order.
pub trait Clock: Send + Sync + Debug {
    /// Microseconds since the epoch.
    fn now_us(&self) -> i64;

    fn now_ms(&self) -> i64 {
        self.now_us() / 1000
    }
}

#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now_us(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
