//! A change event as a source means it.

use std::collections::BTreeSet;

use waterline_core::change::Op;
use waterline_core::sequence::{Domain, Sequence, SequenceWriter};

use crate::cell::{Key, Row};

/// One row-level change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub domain: Domain,
    pub sequence: Order,
    pub op: Op,
    /// `None` for a truncate, and in a table without a key.
    pub key: Option<Key>,
    /// On the create half of a key change.
    pub old_key: Option<Key>,
    pub event_time_us: i64,
    /// The row after a create, update or read, with its key columns; of a delete the key columns at least.
    pub image: Row,
    /// Columns that the source did not send.
    pub unset: BTreeSet<String>,
    pub mark: Mark,
}

/// The order of PostgreSQL's events: `source.sequence[0]` (null lowest), `source.sequence[1]`, then the ordinal inside
/// the source's own event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    pub commit: Option<u64>,
    pub position: u64,
    pub ordinal: u64,
}

impl Order {
    /// Text that sorts the same way.
    pub fn to_sequence(self) -> Sequence {
        let mut text = SequenceWriter::default();
        text.push_number(self.commit.unwrap_or(0));
        text.push_number(self.position);
        text.push_number(self.ordinal);
        Sequence::from_text(text.as_str())
    }

    /// Whether both have one position in the source's log, as the two halves of a key change do.
    pub(crate) fn is_same_position(self, other: Self) -> bool {
        (self.commit, self.position) == (other.commit, other.position)
    }
}

/// Where in a run of snapshot reads an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Not a read of a run: a change, or an incremental read.
    None,
    First,
    Middle,
    Last,
    /// The one read of a run.
    Only,
}
