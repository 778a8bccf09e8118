//! The records behind a batch's events, kept as long as one of them may still turn out to be bad.

use std::ops::Range;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use waterline_core::change::ChangeBatch;
use waterline_core::error::{Error, Result};

use super::lines::Cursor;
use crate::bytes_in::InputFile;
use crate::log::Misplaced;
use crate::quarantine::BadRecord;

#[derive(Default)]
pub(super) struct Records {
    records: Vec<Record>,
    bytes: usize,
}

struct Record {
    file: String,
    /// Counts from 1.
    number: u64,
    offset_bytes: u64,
    line: Vec<u8>,
    /// Rows of the batch.
    events: Range<usize>,
}

impl Records {
    pub(super) fn push(&mut self, file: &InputFile, before: &Cursor, line: &[u8], events: Range<usize>) {
        self.bytes += line.len() + file.url.len();
        let record = Record {
            file: file.url.clone(),
            number: before.records + 1,
            offset_bytes: before.next_line_bytes(),
            line: line.to_vec(),
            events,
        };
        self.records.push(record);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// The error of an event, with the place of its record.
    pub(super) fn place(&self, misplaced: Misplaced) -> Error {
        match self.record_of(misplaced.row) {
            Some(record) => misplaced.error.with("file", &record.file).with("record", record.number),
            None => misplaced.error,
        }
    }

    /// Takes the records of these events out of the batch.
    pub(super) fn take_out(&self, misplaced: &[Misplaced], events: &ChangeBatch) -> Result<(ChangeBatch, Vec<BadRecord>)> {
        let mut keep = vec![true; events.len()];
        let mut bad = Vec::new();
        for Misplaced { row, error } in misplaced {
            let Some(record) = self.record_of(*row).filter(|_| keep[*row]) else { continue };
            keep[record.events.clone()].fill(false);
            bad.push(BadRecord::new(&record.file, record.number, record.offset_bytes, &record.line, error));
        }
        Ok((ChangeBatch::try_new(filter_record_batch(events.batch(), &BooleanArray::from(keep))?)?, bad))
    }

    fn record_of(&self, row: usize) -> Option<&Record> {
        let after = self.records.partition_point(|record| record.events.start <= row);
        self.records[..after].last().filter(|record| record.events.contains(&row))
    }
}
