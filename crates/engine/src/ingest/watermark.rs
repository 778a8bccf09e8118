//! How far a source is known: its watermark from the newest event time of each of its partitions (DESIGN.md rule 17), and the
//! earliest event time of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use waterline_core::decode::{Change, Position};
use waterline_core::record::LogHeader;

use super::landing::covers;
use crate::log::Progress;

/// Newest event time per partition and earliest of all, in microseconds, and the tick of the source's clock.
#[derive(Clone, Debug)]
pub(super) struct Frontiers {
    by_partition: BTreeMap<String, Frontier>,
    since_us: Option<i64>,
    tick_us: i64,
    /// Where the source is read from.
    paths: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Frontier {
    newest_us: i64,
    /// The furthest event in this job, with its domain.
    furthest: Option<(Arc<str>, Position)>,
}

impl Frontier {
    /// Whether an event is not behind others of its domain; a late one says nothing of how far the source is.
    fn advances(&mut self, change: &Change) -> bool {
        match &mut self.furthest {
            Some((domain, furthest)) if **domain == *change.domain() => {
                let is_behind = change.position() < furthest;
                if change.position() > furthest {
                    furthest.clone_from(change.position());
                }
                !is_behind
            }
            furthest => {
                *furthest = Some((change.domain().into(), change.position().clone()));
                true
            }
        }
    }
}

impl Frontiers {
    pub(super) fn new(paths: &[String]) -> Self {
        Self { by_partition: BTreeMap::new(), since_us: None, tick_us: 1_000_000, paths: paths.to_vec() }
    }

    pub(super) fn see_change(&mut self, partition: &str, change: &Change) {
        let time_us = change.event_time_us();
        self.see_time(time_us);
        let frontier = self.at(partition, time_us);
        if frontier.advances(change) {
            frontier.newest_us = frontier.newest_us.max(time_us);
        }
    }

    pub(super) fn see_end(&mut self, partition: &str, time_us: i64) {
        self.see_time(time_us);
        let frontier = self.at(partition, time_us);
        frontier.newest_us = frontier.newest_us.max(time_us);
    }

    /// A heartbeat has the time of the connector's own clock, however far the connector is behind. Only where the source
    /// says how late an event may arrive does it say that what is older is there.
    pub(super) fn see_heartbeat(&mut self, partition: &str, time_us: i64, lateness_us: i64) {
        if lateness_us > 0 {
            let frontier = self.at(partition, time_us);
            frontier.newest_us = frontier.newest_us.max(time_us);
        }
    }

    fn see_time(&mut self, time_us: i64) {
        self.see_tick(time_us);
        self.since_us = self.since_us.into_iter().chain([time_us]).min();
    }

    /// The finest unit that any time of the source shows is its clock's tick.
    fn see_tick(&mut self, time_us: i64) {
        while time_us % self.tick_us != 0 {
            self.tick_us /= 1000;
        }
    }

    fn at(&mut self, partition: &str, time_us: i64) -> &mut Frontier {
        if !self.by_partition.contains_key(partition) {
            self.by_partition.insert(partition.to_owned(), Frontier { newest_us: time_us, furthest: None });
        }
        self.by_partition.entry(partition.to_owned()).or_default()
    }

    /// Takes over what earlier jobs saw.
    pub(super) fn merge(&mut self, known: &LogHeader) {
        for (partition, time_us) in &known.frontiers {
            self.see_tick(*time_us);
            let frontier = self.at(partition, *time_us);
            frontier.newest_us = frontier.newest_us.max(*time_us);
        }
        self.since_us = known.known_since(self.since_us);
    }

    /// Whether the source is still read from where the partition lies.
    pub(super) fn is_live(&self, partition: &str) -> bool {
        self.paths.iter().any(|path| covers(path, partition))
    }

    /// Everything until then has arrived. `None` before anything was seen. A transaction that may go on takes its events with it.
    pub(super) fn watermark(&self, lateness_us: i64, open_us: Option<i64>) -> Option<i64> {
        let live = self.by_partition.iter().filter(|(partition, _)| self.is_live(partition));
        let newest_us = live.map(|(_, frontier)| frontier.newest_us).min()?;
        Some(newest_us.min(open_us.unwrap_or(newest_us)) - self.tick_us - lateness_us)
    }

    /// What a batch in mid-job says: a job that goes on after a crash does not see the events again that are logged.
    pub(super) fn progress(&self) -> Progress {
        let frontiers = self.by_partition.iter().map(|(partition, frontier)| (partition.clone(), frontier.newest_us)).collect();
        Progress { frontiers, since_us: self.since_us, ..Progress::default() }
    }
}
