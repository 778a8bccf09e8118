//! CSV as a stream. Whether a field is in quotes matters, since only one without them can be null; hence our own reader.

mod fields;
mod splitter;
#[cfg(test)]
mod tests;

use arrow::array::RecordBatch;
use memchr::memchr_iter;

use fields::{Fields, RawField, Style};
use splitter::{Marks, Quoting, Splitter};

use super::batcher::{Batcher, Target};
use super::cell::CellResult;
use super::{CsvOptions, DumpDecoder, Header, MAX_RECORD_BYTES};
use crate::error::{Error, Result};
use crate::schema::TableSchema;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Decodes one file after another; a file ends with [`DumpDecoder::finish`].
pub struct CsvDecoder {
    marks: Marks,
    null: Vec<u8>,
    header: Header,
    splitter: Splitter,
    /// The start of a record that is not whole yet.
    pending: Vec<u8>,
    scratch: Vec<u8>,
    /// Where each field goes; empty until the header is read.
    targets: Vec<Target>,
    batcher: Batcher,
    position: Position,
}

/// Where the record at hand is. Both count from 1; the header is no record.
#[derive(Clone, Copy, Debug)]
struct Position {
    record: u64,
    line: u64,
}

impl CsvDecoder {
    pub fn new(table: &TableSchema, options: &CsvOptions) -> Result<Self> {
        let marks = checked_marks(options)?;
        let mut decoder = Self {
            marks,
            null: options.null.clone().into_bytes(),
            header: options.header,
            splitter: Splitter::new(marks),
            pending: Vec::new(),
            scratch: Vec::new(),
            targets: Vec::new(),
            batcher: Batcher::new(table, &options.general)?,
            position: Position { record: 0, line: 1 },
        };
        decoder.start_file();
        Ok(decoder)
    }

    fn start_file(&mut self) {
        self.splitter = Splitter::new(self.marks);
        self.pending.clear();
        self.targets.clear();
        if self.header == Header::Absent {
            self.targets.extend((0..self.batcher.width()).map(Target::Column));
        }
        self.position = Position { record: u64::from(self.header == Header::Absent), line: 1 };
    }

    /// Takes a whole record with the end of its line.
    fn take_record(&mut self, record: &[u8], quoting: Quoting) -> Result<()> {
        let body = record.strip_suffix(b"\n").unwrap_or(record);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        if self.targets.is_empty() {
            self.take_header(body)?;
        } else {
            self.take_row(body, record.len())?;
        }
        self.position.record += 1;
        self.position.line += match quoting {
            Quoting::None => 1,
            Quoting::Some => memchr_iter(b'\n', record).count() as u64,
        };
        Ok(())
    }

    fn take_header(&mut self, body: &[u8]) -> Result<()> {
        let mut fields = Fields::new(body, self.marks);
        while let Some(field) = fields.next(&mut self.scratch).map_err(|problem| at_line(self.position.line, problem))? {
            let name = str::from_utf8(field.bytes).map_err(|_| at_line(self.position.line, "the header is not UTF-8"))?;
            let name = if self.targets.is_empty() { name.trim_start_matches(BYTE_ORDER_MARK) } else { name };
            let target = self.batcher.target(name).ok_or_else(|| unknown_column(name).with("line", self.position.line))?;
            if target != Target::LeftOut && self.targets.contains(&target) {
                return Err(at_line(self.position.line, "the header names a column twice").with("field", name));
            }
            self.targets.push(target);
        }
        Ok(())
    }

    fn take_row(&mut self, body: &[u8], input_bytes: usize) -> Result<()> {
        let mut fields = Fields::new(body, self.marks);
        let mut targets = self.targets.iter();
        let mut scratch = std::mem::take(&mut self.scratch);
        loop {
            let field = fields.next(&mut scratch).map_err(|problem| self.at_field(targets.as_slice().first(), problem))?;
            let (field, target) = match (field, targets.next()) {
                (Some(field), Some(target)) => (field, *target),
                (None, None) => break,
                (None, Some(target)) => return Err(self.at_field(Some(target), "the record lacks fields")),
                (Some(_), None) => return Err(self.at_field(None, "the record has more fields than there are columns")),
            };
            if field.style == Style::Plain && field.bytes == self.null {
                continue;
            }
            append(&mut self.batcher, target, &field).map_err(|problem| self.at_field(Some(&target), problem))?;
        }
        self.scratch = scratch;
        self.batcher.end_row(input_bytes).map_err(|key| self.at_record("a column of the key is null or absent").with("field", key))
    }

    fn at_record(&self, problem: &str) -> Error {
        Error::bad_input(problem).with("record", self.position.record).with("line", self.position.line)
    }

    fn at_field(&self, target: Option<&Target>, problem: &str) -> Error {
        match target {
            Some(&target @ Target::Column(_)) => {
                self.at_record(problem).with("field", self.batcher.name(target)).with("type", self.batcher.type_name(target))
            }
            _ => self.at_record(problem),
        }
    }

    /// The header has a line but is no record.
    fn at_record_or_header(&self, problem: &str) -> Error {
        if self.targets.is_empty() { at_line(self.position.line, problem) } else { self.at_record(problem) }
    }
}

impl DumpDecoder for CsvDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut rest = bytes;
        while let Some((length, quoting)) = self.splitter.scan(rest).map_err(|problem| self.at_record_or_header(problem))? {
            let (record, after) = rest.split_at(length);
            if self.pending.is_empty() {
                self.take_record(record, quoting)?;
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(record);
                self.take_record(&whole, quoting)?;
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
            return Err(self.at_record("the record is longer than 256 MiB; is a quote not closed?"));
        }
        Ok(batches)
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let quoting = self.splitter.finish().map_err(|problem| self.at_record_or_header(problem))?;
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.take_record(&last, quoting)?;
        }
        if self.targets.is_empty() {
            return Err(Error::bad_input("the file has no header"));
        }
        let batch = self.batcher.flush()?;
        self.start_file();
        Ok(batch)
    }
}

fn append(batcher: &mut Batcher, target: Target, field: &RawField) -> CellResult<()> {
    let text = str::from_utf8(field.bytes).map_err(|_| "not UTF-8")?;
    batcher.fill(target, |column| column.append_text(text))
}

fn at_line(line: u64, problem: &str) -> Error {
    Error::bad_input(problem).with("line", line)
}

pub(super) fn unknown_column(name: &str) -> Error {
    Error::bad_input("the dump has a column that the table lacks; declare it, or leave it out with except_columns").with("field", name)
}

/// The columns that the header names. Fails when there is no whole header in `sample`.
pub(super) fn header_names(sample: &[u8], options: &CsvOptions) -> Result<Vec<String>> {
    let marks = checked_marks(options)?;
    let mut splitter = Splitter::new(marks);
    let length = match splitter.scan(sample).map_err(|problem| at_line(1, problem))? {
        Some((length, _)) => length,
        None => splitter.finish().map(|_| sample.len()).map_err(|problem| at_line(1, problem))?,
    };
    let record = sample.get(..length).unwrap_or_default().trim_ascii_end();
    let mut fields = Fields::new(record, marks);
    let (mut names, mut scratch) = (Vec::new(), Vec::new());
    while let Some(field) = fields.next(&mut scratch).map_err(|problem| at_line(1, problem))? {
        let name = str::from_utf8(field.bytes).map_err(|_| at_line(1, "the header is not UTF-8"))?;
        names.push(if names.is_empty() { name.trim_start_matches(BYTE_ORDER_MARK).to_owned() } else { name.to_owned() });
    }
    Ok(names)
}

fn checked_marks(options: &CsvOptions) -> Result<Marks> {
    let marks = Marks { delimiter: options.delimiter, quote: options.quote, escape: options.escape };
    let is_mark = |byte: u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0);
    let each = [marks.delimiter, marks.quote, marks.escape];
    if !each.into_iter().all(is_mark) || marks.delimiter == marks.quote || marks.delimiter == marks.escape {
        return Err(Error::usage("delimiter, quote and escape of CSV must be ASCII, no line end, and the delimiter unlike the others"));
    }
    Ok(marks)
}
