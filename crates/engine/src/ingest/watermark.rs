//! How far a source is known: its watermark from the newest event time of each of its partitions (DESIGN.md rule 17), and the
//! earliest event time of all.

use std::collections::BTreeMap;

use waterline_core::record::LogHeader;

use crate::log::Progress;

/// Newest event time per partition and earliest of all, in microseconds, and the tick of the source's clock.
#[derive(Clone, Debug)]
pub(super) struct Frontiers {
    by_partition: BTreeMap<String, i64>,
    since_us: Option<i64>,
    tick_us: i64,
}

impl Default for Frontiers {
    fn default() -> Self {
        Self { by_partition: BTreeMap::new(), since_us: None, tick_us: 1_000_000 }
    }
}

impl Frontiers {
    pub(super) fn see(&mut self, partition: &str, time_us: i64) {
        // The finest unit that any time shows is the clock's tick.
        while time_us % self.tick_us != 0 {
            self.tick_us /= 1000;
        }
        self.since_us = self.since_us.into_iter().chain([time_us]).min();
        match self.by_partition.get_mut(partition) {
            Some(newest) => *newest = (*newest).max(time_us),
            None => drop(self.by_partition.insert(partition.to_owned(), time_us)),
        }
    }

    /// Takes over what earlier jobs saw.
    pub(super) fn merge(&mut self, known: &LogHeader) {
        for (partition, time_us) in &known.frontiers {
            self.see(partition, *time_us);
        }
        self.since_us = known.known_since(self.since_us);
    }

    /// Everything until then has arrived. `None` before anything was seen.
    pub(super) fn watermark(&self, lateness_us: i64) -> Option<i64> {
        self.by_partition.values().min().map(|newest| newest - self.tick_us - lateness_us)
    }

    /// What a batch in mid-job says: a job that goes on after a crash does not see the events again that are logged.
    pub(super) fn progress(&self) -> Progress {
        Progress { frontiers: self.by_partition.clone(), since_us: self.since_us, ..Progress::default() }
    }
}
