//! Finds the ends of records in a stream of bytes that may be cut anywhere.

use memchr::{memchr, memchr2};

/// What decides where fields and records end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) escape: u8,
}

/// Scans a record, and remembers where in the grammar the last byte left it.
#[derive(Debug)]
pub(super) struct Splitter {
    marks: Marks,
    state: State,
    /// The byte before the one to scan next, `None` at the start of a record.
    last: Option<u8>,
    quoting: Quoting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Outside,
    Quoted,
    /// After an escape inside of quotes.
    Escaped,
}

/// Whether a record has any quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    None,
    Some,
}

impl Splitter {
    pub(super) fn new(marks: Marks) -> Self {
        Self { marks, state: State::Outside, last: None, quoting: Quoting::None }
    }

    /// The length up to and with the end of the line that ends the record; `None` when the record goes on after `bytes`.
    /// Fails at a quote in the midst of a field, which would swallow the rest of the file.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<(usize, Quoting)>, &'static str> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.state {
                State::Outside => {
                    let Some(found) = memchr2(b'\n', self.marks.quote, rest) else { break };
                    let before = found.checked_sub(1).and_then(|before| rest.get(before).copied()).or(self.last);
                    at += found + 1;
                    if rest.get(found) == Some(&b'\n') {
                        let quoting = self.quoting;
                        *self = Self::new(self.marks);
                        return Ok(Some((at, quoting)));
                    }
                    let opens = before.is_none_or(|before| before == self.marks.delimiter || before == self.marks.quote);
                    if !opens {
                        return Err("a quote in a field that is not in quotes");
                    }
                    (self.state, self.quoting, self.last) = (State::Quoted, Quoting::Some, Some(self.marks.quote));
                }
                State::Quoted => {
                    let Some(found) = self.closes_or_escapes(rest) else { break };
                    let is_escape = self.marks.escape != self.marks.quote && rest.get(found) == Some(&self.marks.escape);
                    self.state = if is_escape { State::Escaped } else { State::Outside };
                    self.last = rest.get(found).copied();
                    at += found + 1;
                }
                State::Escaped => {
                    self.state = State::Quoted;
                    // An escape before any other character stands for itself.
                    at += usize::from(rest.first().is_some_and(|&next| next == self.marks.quote || next == self.marks.escape));
                }
            }
        }
        self.last = bytes.last().copied().or(self.last);
        Ok(None)
    }

    /// Ends the input: whether the record that is left is whole.
    pub(super) fn finish(&self) -> Result<Quoting, &'static str> {
        match self.state {
            State::Outside => Ok(self.quoting),
            State::Quoted | State::Escaped => Err("the file ends inside of quotes"),
        }
    }

    fn closes_or_escapes(&self, rest: &[u8]) -> Option<usize> {
        let Marks { quote, escape, .. } = self.marks;
        if escape == quote { memchr(quote, rest) } else { memchr2(quote, escape, rest) }
    }
}
