//! Full dumps to record batches of a table: CSV and JSON Lines as streams of bytes, Parquet batches by an exact cast.
//!
//! The decoders take chunks of any size, cut anywhere, and give batches of at most [`MAX_BATCH_ROWS`] rows and about
//! [`MAX_BATCH_BYTES`] of input, so that a dump of any size needs bounded memory. A column that the dump lacks is null.
//! A column that the table lacks, and a value that its column cannot hold exactly, is an error with record, line and
//! field; it never shows the value.

use arrow::array::RecordBatch;
use chrono_tz::Tz;

mod array_text;
mod batcher;
mod cast;
mod cell;
mod column;
mod csv;
mod encode;
mod infer;
mod json_lines;
#[cfg(test)]
mod tests;

pub use cast::{cast_to_table, schema_from_arrow};
pub use csv::CsvDecoder;
pub use encode::{DumpEncoder, TextFormat, push_csv_line};
pub use infer::{INFERENCE_LINES, infer_csv_schema, infer_json_schema};
pub use json_lines::JsonLinesDecoder;

pub const MAX_BATCH_ROWS: usize = 65_536;
pub const MAX_BATCH_BYTES: usize = 32 << 20;
/// A longer record is taken for one whose quote was never closed.
const MAX_RECORD_BYTES: usize = 256 << 20;

/// How the files of a dump are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    Csv(CsvOptions),
    /// One JSON object a line.
    JsonLines(DumpOptions),
    /// The engine reads the batches, see [`cast_to_table`].
    Parquet,
}

/// What is the same for all text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpOptions {
    /// The zone of timestamps that are moments but come without an offset; without it such a value is an error.
    pub timezone: Option<Tz>,
    /// Columns of the dump that are left out, such as those that the source computes.
    pub except_columns: Vec<String>,
}

/// The dialect of a CSV file, in PostgreSQL's words. All marks are ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    pub delimiter: u8,
    pub quote: u8,
    /// Inside of quotes, makes a quote or itself stand for itself.
    pub escape: u8,
    /// What null is written as, without quotes; the same text in quotes is text.
    pub null: String,
    pub header: Header,
    pub general: DumpOptions,
}

/// Whether the first record names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Present,
    /// The columns are those of the table, in its order.
    Absent,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: b',', quote: b'"', escape: b'"', null: String::new(), header: Header::Present, general: DumpOptions::default() }
    }
}

/// Bytes to batches: a decoder of either text format. After an error it is of no use.
pub trait DumpDecoder: Send {
    /// Takes the next bytes; gives the batches that they complete.
    fn decode(&mut self, bytes: &[u8]) -> crate::error::Result<Vec<RecordBatch>>;

    /// Ends the file; gives the rest.
    fn finish(&mut self) -> crate::error::Result<Option<RecordBatch>>;
}
