//! Decoding of Debezium JSON without schemas: the lines of a merge of twelve columns into change batches.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::{ChangeFormat, DecodeSettings, Decoder, Message};
use waterline_core::normalise::{ChangeBuilder, Pushed, RecordAt, RunState};
use waterline_core::schema::TableSchema;

const LINES: u64 = 20_000;
const DDL: &str = "CREATE TABLE bench.events (id bigint PRIMARY KEY, i1 integer, i2 integer, i3 integer, d1 double precision,
    d2 double precision, s1 text, s2 text, s3 text, ts1 timestamptz, ts2 timestamptz, b boolean);";

/// A generator that is the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1u64 << 53) as f64
    }

    fn word(&mut self) -> String {
        let length = 10 + self.below(21);
        (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    fn time(&mut self) -> String {
        let (day, second, us) = (1 + self.below(28), self.below(60), self.below(1_000_000));
        format!("2021-{:02}-{day:02}T{:02}:{:02}:{second:02}.{us:06}Z", 1 + self.below(12), self.below(24), self.below(60))
    }
}

fn lines() -> String {
    let mut numbers = Numbers(42);
    let mut text = String::new();
    for at in 0..LINES {
        let (lsn, us) = (20_000_000 + at * 56, 1_750_000_000_000_000 + at * 10);
        let id = numbers.below(5_000_000);
        let is_delete = numbers.below(10) == 0;
        let image = format!(
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
        );
        let key = format!(
            r#"{{"id":{id},"i1":null,"i2":null,"i3":null,"d1":null,"d2":null,"s1":null,"s2":null,"s3":null,"ts1":null,"ts2":null,"b":null}}"#
        );
        let (before, after, op) = if is_delete { (key.as_str(), "null", "d") } else { ("null", image.as_str(), "u") };
        let _ = writeln!(
            text,
            r#"{{"before":{before},"after":{after},"source":{{"version":"3.6.3.Final","connector":"postgresql","name":"pg","ts_ms":{ms},"snapshot":"false","db":"bench","sequence":"[\"{lsn}\",\"{lsn}\"]","ts_us":{us},"ts_ns":{us}000,"schema":"bench","table":"events","txId":{tx},"lsn":{lsn},"xmin":null}},"transaction":null,"op":"{op}","ts_ms":{ms}}}"#,
            ms = us / 1_000,
            tx = 700 + at / 10,
        );
    }
    text
}

fn decode(lines: &[&[u8]], table: &TableSchema, settings: &DecodeSettings) -> usize {
    let mut decoder = Decoder::new(settings.clone()).expect("settings are right");
    let mut builder = ChangeBuilder::new(table, settings).expect("the table has types that change events have");
    let mut run = RunState::default();
    for (record, line) in lines.iter().enumerate() {
        if let Message::Change(change) = decoder.decode(line).expect("the line is right") {
            let pushed =
                builder.push(&change, RecordAt { file: "changes.jsonl", record: record as u64 }, &mut run).expect("the change fits");
            assert_eq!(pushed, Pushed::Added);
        }
    }
    builder.finish().expect("the batch is whole").len()
}

fn benches(criterion: &mut Criterion) {
    let text = lines();
    let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
    let ddl = parse_ddl(DDL, SqlDialect::Postgres).expect("the DDL is right");
    let table = ddl.table(&"bench.events".parse().expect("a table's name")).expect("the DDL has the table");
    let settings = DecodeSettings::new(ChangeFormat::DebeziumJson);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(text.len() as u64)).measurement_time(Duration::from_secs(4)).sample_size(20);
    group.bench_function("debezium json, 12 columns", |bencher| bencher.iter(|| black_box(decode(&lines, table, &settings))));
    group.bench_function("envelopes only", |bencher| {
        bencher.iter(|| {
            let mut decoder = Decoder::new(settings.clone()).expect("settings are right");
            lines.iter().for_each(|line| drop(black_box(decoder.decode(line).expect("the line is right"))));
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
