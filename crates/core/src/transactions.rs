//! Event times of transactions where a source stamps their statements: all events of a transaction take the latest
//! (DESIGN.md rule 16).
//!
//! A job reads its input once for these times before the first such event is logged, since the tables of a transaction lie in
//! different files. What it cannot see is a transaction of which another job has logged a part already.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::decode::{Change, Message};
use crate::record::NewestTransaction;
use crate::sequence::{Domain, SequenceWriter};

/// What an entry of the table of transactions takes in memory.
const ENTRY_BYTES: usize = 64;

/// Times of the transactions of a job.
#[derive(Debug, Default)]
pub struct TransactionTimes {
    /// By hash of the transaction's name.
    seen: HashMap<u128, Seen>,
    capacity: usize,
    newest: BTreeMap<Domain, NewestTransaction>,
    /// The newest ones of earlier jobs.
    logged: BTreeMap<Domain, NewestTransaction>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    latest_us: i64,
    has_ended: bool,
}

/// Whether all events of a transaction are known to have one event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    Whole,
    Torn,
}

impl TransactionTimes {
    /// Keeps as many transactions as fit into the memory given; further ones keep the times of their statements.
    pub fn new(memory_bytes: usize) -> Self {
        Self { capacity: memory_bytes / ENTRY_BYTES, ..Self::default() }
    }

    /// Takes over the newest transactions that an earlier job logged.
    pub fn resume(&mut self, logged: &BTreeMap<Domain, NewestTransaction>) {
        for (domain, transaction) in logged {
            raise_newest(&mut self.logged, domain, transaction);
        }
    }

    /// Takes note of a message that will be logged in this job.
    pub fn learn(&mut self, message: &Message) {
        match message {
            Message::Change(change) if change.is_statement_stamped() => {
                let Some(id) = change.transaction() else { return };
                self.see(id, Seen { latest_us: change.event_time_us(), has_ended: false });
                let transaction = NewestTransaction {
                    id: id.to_owned(),
                    position: position(change),
                    event_time_us: change.event_time_us(),
                    has_ended: false,
                };
                raise_newest(&mut self.newest, &Domain(change.domain().to_owned()), &transaction);
            }
            Message::TransactionEnd { id, time_us } => self.see(id, Seen { latest_us: *time_us, has_ended: true }),
            _ => {}
        }
    }

    /// Takes note that a transaction is over of which earlier jobs logged events.
    pub fn end(&mut self, id: &str) {
        for transaction in self.logged.values_mut().filter(|transaction| transaction.id == id) {
            transaction.has_ended = true;
        }
    }

    fn see(&mut self, id: &str, seen: Seen) {
        let has_room = self.seen.len() < self.capacity;
        let key = xxh3_128(id.as_bytes());
        match self.seen.get_mut(&key) {
            Some(known) => {
                known.latest_us = known.latest_us.max(seen.latest_us);
                known.has_ended |= seen.has_ended;
            }
            None if has_room => drop(self.seen.insert(key, seen)),
            None => {}
        }
    }

    /// Gives a change of a statement-stamped source the time of its transaction.
    pub fn settle(&self, change: &mut Change) -> Atomicity {
        if !change.is_statement_stamped() {
            return Atomicity::Whole;
        }
        let logged = self.logged.get(change.domain());
        let Some(id) = change.transaction() else { return Atomicity::Torn };
        let Some(seen) = self.seen.get(&xxh3_128(id.as_bytes())) else { return Atomicity::Torn };
        let atomicity = match logged {
            Some(logged) if logged.id == id && seen.latest_us > logged.event_time_us => Atomicity::Torn,
            Some(logged) if logged.id == id => Atomicity::Whole,
            // Its other events may have been logged with what that job knew.
            Some(logged) if position(change) <= logged.position => Atomicity::Torn,
            _ => Atomicity::Whole,
        };
        let of_logged = logged.filter(|logged| logged.id == id).map(|logged| logged.event_time_us);
        change.set_event_time(of_logged.map_or(seen.latest_us, |logged_us| logged_us.max(seen.latest_us)));
        atomicity
    }

    /// Time of the earliest newest transaction that may go on. Domains of earlier jobs that send no more have none.
    pub fn open_us(&self) -> Option<i64> {
        let is_live = |domain: &Domain| self.newest.is_empty() || self.newest.contains_key(domain);
        let newest = self.newest();
        newest.iter().filter(|(domain, newest)| is_live(domain) && !newest.has_ended).map(|(_, newest)| newest.event_time_us).min()
    }

    /// The newest transaction of each domain, of this job and of those before.
    pub fn newest(&self) -> BTreeMap<Domain, NewestTransaction> {
        let mut newest = self.logged.clone();
        for (domain, transaction) in &self.newest {
            let mut transaction = transaction.clone();
            if let Some(seen) = self.seen.get(&xxh3_128(transaction.id.as_bytes())) {
                transaction.event_time_us = seen.latest_us;
                transaction.has_ended = seen.has_ended;
            }
            raise_newest(&mut newest, domain, &transaction);
        }
        newest
    }
}

/// Keeps the transaction that goes further in its domain.
pub fn raise_newest(newest: &mut BTreeMap<Domain, NewestTransaction>, domain: &Domain, transaction: &NewestTransaction) {
    match newest.get_mut(domain) {
        Some(known) if known.id == transaction.id => {
            known.event_time_us = known.event_time_us.max(transaction.event_time_us);
            known.has_ended |= transaction.has_ended;
            if known.position < transaction.position {
                known.position.clone_from(&transaction.position);
            }
        }
        Some(known) if known.position >= transaction.position => {}
        Some(known) => *known = transaction.clone(),
        None => drop(newest.insert(domain.clone(), transaction.clone())),
    }
}

fn position(change: &Change) -> String {
    let mut position = SequenceWriter::default();
    change.position().write(&mut position);
    position.as_str().to_owned()
}
