use std::sync::atomic::{AtomicI64, Ordering};

use waterline_env::Clock;

/// A clock that a test sets, also backwards. It stands still unless told to tick.
#[derive(Debug)]
pub struct TestClock {
    now_us: AtomicI64,
    /// How far each reading moves it.
    tick_us: AtomicI64,
}

impl TestClock {
    pub fn at(now_us: i64) -> Self {
        Self { now_us: AtomicI64::new(now_us), tick_us: AtomicI64::new(0) }
    }

    pub fn set_us(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::SeqCst);
    }

    /// Negative runs it backwards.
    pub fn advance_us(&self, by_us: i64) {
        self.now_us.fetch_add(by_us, Ordering::SeqCst);
    }

    /// From now on each reading moves the clock by so much; negative runs it backwards.
    pub fn tick_us(&self, by_us: i64) {
        self.tick_us.store(by_us, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_us(&self) -> i64 {
        self.now_us.fetch_add(self.tick_us.load(Ordering::SeqCst), Ordering::SeqCst)
    }
}
