//! Splits a whole record into its fields.

use memchr::{memchr, memchr2};

use super::splitter::Marks;

/// A field without its quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawField<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) style: Style,
}

/// Whether the field was in quotes: then it is no null, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
}

/// The rest of a record; `None` after its last field.
pub(super) struct Fields<'a> {
    rest: Option<&'a [u8]>,
    marks: Marks,
}

impl<'a> Fields<'a> {
    pub(super) fn new(record: &'a [u8], marks: Marks) -> Self {
        Self { rest: Some(record), marks }
    }

    /// Takes the next field. One whose quotes hold escapes is put together in `scratch`.
    pub(super) fn next<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Result<Option<RawField<'b>>, &'static str>
    where
        'a: 'b,
    {
        let Some(rest) = self.rest else { return Ok(None) };
        match rest.split_first() {
            Some((&first, inside)) if first == self.marks.quote => self.quoted(inside, scratch).map(Some),
            _ => {
                let (bytes, rest) = match memchr(self.marks.delimiter, rest) {
                    Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
                    None => (rest, None),
                };
                self.rest = rest;
                Ok(Some(RawField { bytes, style: Style::Plain }))
            }
        }
    }

    fn quoted<'b>(&mut self, inside: &'a [u8], scratch: &'b mut Vec<u8>) -> Result<RawField<'b>, &'static str>
    where
        'a: 'b,
    {
        let Marks { quote, escape, delimiter } = self.marks;
        scratch.clear();
        let mut start = 0;
        let mut at = 0;
        loop {
            let rest = inside.get(at..).unwrap_or_default();
            at += memchr2(quote, escape, rest).ok_or("a field whose quotes are not closed")?;
            let (mark, next) = (inside.get(at).copied(), inside.get(at + 1).copied());
            if mark == Some(escape) && next.is_some_and(|next| next == quote || next == escape) {
                scratch.extend_from_slice(inside.get(start..at).unwrap_or_default());
                start = at + 1;
                at += 2;
            } else if mark == Some(quote) {
                break;
            } else {
                at += 1;
            }
        }
        self.rest = match inside.get(at + 1..).unwrap_or_default().split_first() {
            None => None,
            Some((&after, rest)) if after == delimiter => Some(rest),
            Some(_) => return Err("a field that goes on after its closing quote"),
        };
        let tail = inside.get(start..at).unwrap_or_default();
        if scratch.is_empty() && start == 0 {
            return Ok(RawField { bytes: tail, style: Style::Quoted });
        }
        scratch.extend_from_slice(tail);
        Ok(RawField { bytes: scratch, style: Style::Quoted })
    }
}
