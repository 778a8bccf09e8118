//! The order of events inside a domain, as text that sorts as bytes the way events follow each other.
//!
//! A number is sixteen lower-case hexadecimal digits, parts are joined by `.`, which sorts below every digit. So any
//! engine orders a changelog by `ORDER BY _domain, _sequence`. The last part tells apart the events that one event of
//! the source gave (a `COPY`, a change of key, the reads of a snapshot): with a key it is made of the key and whether
//! the row goes, so that it is the same however the source's event was cut into files and batches; without a key it is
//! the place in the transaction, or else in the run of such events, and the row. What comes before it is the position.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Position of an event in the order of its domain. Compare only inside one [`Domain`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(String);

impl Sequence {
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sequence without its last part: the place of the source's own event.
pub fn position_of(sequence: &str) -> &str {
    sequence.rsplit_once('.').map_or(sequence, |(position, _)| position)
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of the part of a source inside which sequences compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Domain(pub String);

impl std::borrow::Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The highest sequence of each domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SequenceMax(BTreeMap<Domain, Sequence>);

impl SequenceMax {
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|domain| domain.0.as_str())
    }

    /// Whether the domain's order is past this point already (DESIGN.md rule 3). Events of one position are of different
    /// keys, so none of them is late because another came before.
    pub fn is_late(&self, domain: &str, sequence: &str) -> bool {
        self.0.get(domain).is_some_and(|max| position_of(sequence) < position_of(max.as_str()))
    }

    /// Whether an event of this identity may be among those that were counted in.
    pub fn may_hold(&self, domain: &str, sequence: &str) -> bool {
        self.0.get(domain).is_some_and(|max| position_of(sequence) <= position_of(max.as_str()))
    }

    /// Counts events in, given as domain and sequence.
    pub fn raise<'a>(&mut self, events: impl Iterator<Item = (&'a str, &'a str)>) {
        for (domain, sequence) in events {
            match self.0.get_mut(domain) {
                Some(max) if max.as_str() >= sequence => {}
                Some(max) => *max = Sequence::from_text(sequence),
                None => {
                    self.0.insert(Domain(domain.into()), Sequence::from_text(sequence));
                }
            }
        }
    }
}

/// Writes the parts of a sequence into a reused buffer.
#[derive(Debug, Default)]
pub struct SequenceWriter(String);

impl SequenceWriter {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Starts over after parts that were written before.
    pub fn restart_from(&mut self, parts: &str) {
        self.0.clear();
        self.0.push_str(parts);
    }

    pub fn push_number(&mut self, number: u64) {
        self.separate();
        let digits: [u8; 16] = std::array::from_fn(|at| b"0123456789abcdef"[((number >> (60 - at * 4)) & 0xf) as usize]);
        self.0.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    }

    /// A signed number, moved so that the negative ones sort first.
    pub fn push_signed(&mut self, number: i64) {
        self.push_number((number as u64) ^ (1 << 63));
    }

    /// Text as the hexadecimal digits of its bytes, so that no character of it sorts below the separator.
    pub fn push_text(&mut self, text: &str) {
        self.separate();
        for byte in text.bytes() {
            for digit in [byte >> 4, byte & 0xf] {
                self.0.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.0.push('.');
        }
    }
}
