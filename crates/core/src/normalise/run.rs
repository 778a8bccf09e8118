//! Events that share their place in the source's log, and how they are told apart.
//!
//! A `COPY` or a change of key gives several events of one position. Each has an ordinal: its index among the
//! consecutive events of its table with that position. A record with the bytes of its predecessor is a repeated delivery and has
//! its ordinal again.

use serde::{Deserialize, Serialize};

use super::modes::Modes;
use crate::change::Op;

/// What must be known of the records of a file and table before the next one. Kept with the source position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// The position of the last record, as the parts of a sequence before the ordinal.
    position: String,
    /// Of the last record's first event.
    ordinal: u64,
    /// Events that the last record made.
    events: u64,
    /// Hash of the last record's bytes.
    line_hash: u64,
    /// Key of the last record, as JSON, if it was a delete.
    deleted_key: Option<Vec<String>>,
    /// The old key that the last record was given.
    old_key: Option<Vec<String>>,
    pub(super) modes: Modes,
}

/// Where a record stands in its run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ordinal: u64,
    pub(super) is_repeated: bool,
}

impl RunState {
    /// The state for the first record of another file of the same source: only what was shown of its modes is kept.
    #[must_use]
    pub fn for_next_file(&self) -> Self {
        Self { modes: self.modes, ..Self::default() }
    }

    /// The position of the last record, see [`crate::sequence`].
    pub fn position(&self) -> &str {
        &self.position
    }

    pub(super) fn place(&self, position: &str, line_hash: u64) -> Place {
        if self.events == 0 || self.position != position {
            return Place { ordinal: 0, is_repeated: false };
        }
        let is_repeated = self.line_hash == line_hash;
        Place { ordinal: if is_repeated { self.ordinal } else { self.ordinal + self.events }, is_repeated }
    }

    /// The key that a create at this place takes over: that of the delete just before it.
    pub(super) fn linked_key(&self, op: Op, place: &Place) -> Option<&[String]> {
        if op != Op::Create {
            return None;
        }
        if place.is_repeated {
            return self.old_key.as_deref();
        }
        self.deleted_key.as_deref().filter(|_| place.ordinal > 0)
    }

    pub(super) fn advance(
        &mut self,
        position: &str,
        place: &Place,
        line_hash: u64,
        events: u64,
        deleted_key: Option<Vec<String>>,
        old_key: Option<Vec<String>>,
    ) {
        if self.position != position {
            self.position.clear();
            self.position.push_str(position);
        }
        self.ordinal = place.ordinal;
        self.events = events;
        self.line_hash = line_hash;
        self.deleted_key = deleted_key;
        self.old_key = old_key;
    }
}
