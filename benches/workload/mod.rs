//! The workload of the benches: a table of twelve columns and changes of it as Debezium JSON without schemas. Of the
//! changes, 80 % update random keys, 10 % delete and 10 % insert; no key changes twice.
//!
//! `WATERLINE_BENCH_ROWS` and `WATERLINE_BENCH_CHANGES` set the size; the full one is 5000000 and 50000.

mod numbers;

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::parquet::arrow::ArrowWriter;

pub use self::numbers::Numbers;

pub const TABLE: &str = "bench.events";
pub const DDL: &str = "CREATE TABLE bench.events (id bigint PRIMARY KEY, i1 integer, i2 integer, i3 integer, d1 double precision,
    d2 double precision, s1 text, s2 text, s3 text, ts1 timestamptz, ts2 timestamptz, b boolean);";
const BASE_FILES: usize = 10;

/// How large the table and the batch of changes are.
#[derive(Clone, Copy)]
pub struct Size {
    pub rows: usize,
    pub changes: usize,
}

impl Size {
    pub fn of_environment() -> Self {
        Self { rows: number("WATERLINE_BENCH_ROWS", 500_000), changes: number("WATERLINE_BENCH_CHANGES", 20_000) }
    }

    pub fn updated(self) -> usize {
        self.changes * 8 / 10
    }

    pub fn deleted(self) -> usize {
        self.changes / 10
    }

    pub fn inserted(self) -> usize {
        self.changes - self.updated() - self.deleted()
    }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("the size is a number"))
}

/// Writes the table as Parquet files whose keys are spread at random, so that every file may hold any key.
pub fn write_base(folder: &Path, size: Size) -> Vec<PathBuf> {
    let mut numbers = Numbers::seeded(42);
    let ids = numbers.shuffled(0..size.rows as u64);
    let write = |(at, ids): (usize, &[u64])| {
        let path = folder.join(format!("{at:02}.parquet"));
        let rows = rows(ids, &mut numbers);
        let file = File::create(&path).expect("the folder can be written to");
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("the columns are of Parquet's types");
        writer.write(&rows).expect("the rows can be written");
        writer.close().expect("the file can be closed");
        path
    };
    ids.chunks(size.rows.div_ceil(BASE_FILES)).enumerate().map(write).collect()
}

fn rows(ids: &[u64], numbers: &mut Numbers) -> RecordBatch {
    let mut column = |name: &'static str| -> (&'static str, ArrayRef) {
        let each = ids.iter();
        let array: ArrayRef = match name {
            "id" => Arc::new(Int64Array::from_iter_values(each.map(|id| *id as i64))),
            "i1" => Arc::new(Int32Array::from_iter_values(each.map(|_| numbers.below(100) as i32))),
            "i2" => Arc::new(Int32Array::from_iter_values(each.map(|_| numbers.below(1_000_000) as i32))),
            "i3" => Arc::new(Int32Array::from_iter_values(each.map(|_| numbers.below(1 << 31) as i32))),
            "d1" | "d2" => Arc::new(Float64Array::from_iter_values(each.map(|_| numbers.unit()))),
            "ts1" | "ts2" => Arc::new(TimestampMicrosecondArray::from_iter_values(each.map(|_| numbers.time_us())).with_timezone("UTC")),
            "b" => Arc::new(each.map(|_| Some(numbers.below(2) == 0)).collect::<BooleanArray>()),
            _ => Arc::new(StringArray::from_iter_values(each.map(|_| numbers.word()))),
        };
        (name, array)
    };
    let names = ["id", "i1", "i2", "i3", "d1", "d2", "s1", "s2", "s3", "ts1", "ts2", "b"];
    RecordBatch::try_from_iter(names.map(&mut column)).expect("the columns are of one length")
}

/// The lines of the changes, in the order of their positions.
pub fn changes(size: Size) -> String {
    let mut numbers = Numbers::seeded(43);
    let (rows, inserted) = (size.rows as u64, size.inserted() as u64);
    let known = numbers.shuffled(0..rows);
    let mut changes: Vec<(&str, u64)> = Vec::with_capacity(size.changes);
    changes.extend(known.iter().take(size.updated()).map(|id| ("u", *id)));
    changes.extend(known.iter().skip(size.updated()).take(size.deleted()).map(|id| ("d", *id)));
    changes.extend((rows..rows + inserted).map(|id| ("c", id)));
    let mut text = String::new();
    for (at, (op, id)) in (0..).zip(numbers.shuffled(changes)) {
        let images = match op {
            "d" => format!(r#""before":{},"after":null"#, key_image(id)),
            _ => format!(r#""before":null,"after":{}"#, image(id, &mut numbers)),
        };
        write_event(&mut text, at, op, &images);
    }
    text
}

fn image(id: u64, numbers: &mut Numbers) -> String {
    format!(
        r#"{{"id":{id},"i1":{},"i2":{},"i3":{},"d1":{},"d2":{},"s1":"{}","s2":"{}","s3":"{}","ts1":"{}","ts2":"{}","b":{}}}"#,
        numbers.below(100),
        numbers.below(1_000_000),
        numbers.below(1 << 31),
        numbers.unit(),
        numbers.unit() - 0.5,
        numbers.word(),
        numbers.word(),
        numbers.word(),
        numbers.time(),
        numbers.time(),
        numbers.below(2) == 0
    )
}

/// What PostgreSQL tells of a deleted row by default.
fn key_image(id: u64) -> String {
    format!(
        r#"{{"id":{id},"i1":null,"i2":null,"i3":null,"d1":null,"d2":null,"s1":null,"s2":null,"s3":null,"ts1":null,"ts2":null,"b":null}}"#
    )
}

fn write_event(text: &mut String, at: u64, op: &str, images: &str) {
    let (lsn, us) = (20_000_000 + at * 56, 1_750_000_000_000_000 + at * 10);
    writeln!(
        text,
        r#"{{{images},"source":{{"version":"3.6.3.Final","connector":"postgresql","name":"pg","ts_ms":{ms},"snapshot":"false","db":"bench","sequence":"[\"{lsn}\",\"{lsn}\"]","ts_us":{us},"ts_ns":{us}000,"schema":"bench","table":"events","txId":{tx},"lsn":{lsn},"xmin":null}},"transaction":null,"op":"{op}","ts_ms":{ms}}}"#,
        ms = us / 1_000,
        tx = 700 + at / 10,
    )
    .expect("text can be written to a string");
}
