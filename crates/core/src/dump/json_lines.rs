//! JSON Lines as a stream: an object a line, its members the columns.
//!
//! A string is the text of its column's value. Text columns take any other value as it is written, so that nested JSON
//! keeps its spelling. A column whose member is missing is null.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use arrow::array::RecordBatch;
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::batcher::{Batcher, Target};
use super::csv::unknown_column;
use super::{DumpDecoder, DumpOptions, MAX_RECORD_BYTES};
use crate::error::{Error, Result};
use crate::schema::TableSchema;

/// Decodes one file after another; a file ends with [`DumpDecoder::finish`].
pub struct JsonLinesDecoder {
    batcher: Batcher,
    /// The members of the last object in their order, since most writers keep it.
    members: Vec<(String, Target)>,
    /// The start of a line that is not whole yet.
    pending: Vec<u8>,
    /// Counts from 1; blank lines are no records.
    line: u64,
    record: u64,
}

impl JsonLinesDecoder {
    pub fn new(table: &TableSchema, options: &DumpOptions) -> Result<Self> {
        Ok(Self { batcher: Batcher::new(table, options)?, members: Vec::new(), pending: Vec::new(), line: 1, record: 1 })
    }

    fn take_line(&mut self, line: &[u8]) -> Result<()> {
        if !line.trim_ascii().is_empty() {
            self.take_object(line)?;
            self.record += 1;
        }
        self.line += 1;
        Ok(())
    }

    fn take_object(&mut self, line: &[u8]) -> Result<()> {
        let text = str::from_utf8(line).map_err(|_| self.at_record("the record is not UTF-8"))?;
        let problem = Cell::new(None);
        let object = Object { batcher: &mut self.batcher, members: &mut self.members, problem: &problem };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = object.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if let Some(problem) = problem.take() {
            return Err(self.placed(problem));
        }
        // The library's own words may quote the value; its place is enough.
        read.map_err(|e| self.at_record("the record is not one JSON object").with("column", e.column()))?;
        self.batcher.end_row(line.len()).map_err(|key| self.at_record("a column of the key is null or absent").with("field", key))
    }

    fn at_record(&self, problem: &str) -> Error {
        Error::bad_input(problem).with("record", self.record).with("line", self.line)
    }

    fn placed(&self, problem: Problem) -> Error {
        match problem {
            Problem::Unknown(name) => unknown_column(&name).with("record", self.record).with("line", self.line),
            Problem::Value(target, reason) => {
                self.at_record(reason).with("field", self.batcher.name(target)).with("type", self.batcher.type_name(target))
            }
        }
    }
}

impl DumpDecoder for JsonLinesDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end + 1);
            if self.pending.is_empty() {
                self.take_line(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(line);
                self.take_line(&whole)?;
                whole.clear();
                self.pending = whole;
            }
            rest = after;
            if self.batcher.is_full() {
                batches.extend(self.batcher.flush()?);
            }
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() > MAX_RECORD_BYTES {
            return Err(self.at_record("the line is longer than 256 MiB"));
        }
        Ok(batches)
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let last = std::mem::take(&mut self.pending);
        self.take_line(&last)?;
        (self.line, self.record) = (1, 1);
        self.batcher.flush()
    }
}

/// What is wrong with a member, where serde can only say that something is.
enum Problem {
    Unknown(String),
    Value(Target, &'static str),
}

/// Reads an object into the columns.
struct Object<'a> {
    batcher: &'a mut Batcher,
    members: &'a mut Vec<(String, Target)>,
    problem: &'a Cell<Option<Problem>>,
}

impl Object<'_> {
    /// Where a member goes, by its place in the last object or else by its name.
    fn target(&mut self, at: usize, name: &str) -> Option<Target> {
        if let Some((_, target)) = self.members.get(at).filter(|(known, _)| known == name) {
            return Some(*target);
        }
        let target = self.batcher.target(name)?;
        self.members.truncate(at);
        self.members.push((name.to_owned(), target));
        Some(target)
    }

    fn fail<E: serde::de::Error>(&self, problem: Problem) -> E {
        self.problem.set(Some(problem));
        E::custom("a member does not fit")
    }
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(Name(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let Some(target) = self.target(at, &name) else { return Err(self.fail(Problem::Unknown(name.into_owned()))) };
            if value.get() != "null" {
                let filled = self.batcher.fill(target, |column| column.append_json(value));
                filled.map_err(|reason| self.fail::<A::Error>(Problem::Value(target, reason)))?;
            }
            at += 1;
        }
        Ok(())
    }
}

/// A member's name, borrowed from the line unless it holds escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
