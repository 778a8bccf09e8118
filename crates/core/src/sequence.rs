//! The order of events inside a domain, as text that sorts as bytes the way events follow each other.
//!
//! A number is sixteen lower-case hexadecimal digits, parts are joined by `.`, which sorts below every digit. So any
//! engine orders a changelog by `ORDER BY _domain, _sequence`. The last part is the ordinal of the event inside the
//! source's own event; of a snapshot read it is 0, followed by the key, since all reads of a snapshot have one position.

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
