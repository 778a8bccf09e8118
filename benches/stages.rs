//! Each stage of a merge, and the whole: `cargo bench -- decode`, `collapse`, `locate`, `write` or `merge`.
//!
//! Names within a group leave out the names of other groups, so that a filter picks one stage.

mod lake;
mod workload;

use std::cell::LazyCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use waterline_core::change::{ChangeBatch, key_fields};
use waterline_core::collapse::{BeforeRows, Collapsed};
use waterline_core::decode::{ChangeFormat, DecodeSettings, Decoder, Message};
use waterline_core::format::TableState;
use waterline_core::locate::{KeyPruner, KeySet};
use waterline_core::normalise::{ChangeBuilder, Pushed, RecordAt, RunState};
use waterline_engine::locate::{Located, locate};
use waterline_engine::write::DataWriter;

use crate::lake::{Inputs, LoadedLake, schema, table};
use crate::workload::{Size, changes};

const MERGE_ON_READ: &str = "merge-on-read";
const COPY_ON_WRITE: &str = "copy-on-write";

fn decode(criterion: &mut Criterion) {
    let text = changes(Size::of_environment());
    let settings = DecodeSettings::new(ChangeFormat::DebeziumJson);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(text.len() as u64)).measurement_time(Duration::from_secs(4)).sample_size(20);
    group.bench_function("debezium json, 12 columns", |bencher| bencher.iter(|| black_box(decoded(&text))));
    group.bench_function("envelopes only", |bencher| {
        bencher.iter(|| {
            let mut decoder = Decoder::new(settings.clone()).expect("settings are right");
            text.lines().for_each(|line| drop(black_box(decoder.decode(line.as_bytes()).expect("the line is right"))));
        });
    });
    group.finish();
}

fn collapse(criterion: &mut Criterion) {
    let size = Size::of_environment();
    let events = LazyCell::new(|| decoded(&changes(size)));
    let mut group = criterion.benchmark_group("collapse");
    group.throughput(Throughput::Elements(size.changes as u64));
    group.bench_function("newest image per key", |bencher| {
        let events = &*events;
        bencher.iter(|| black_box(upserts(events, &collapsed(events))));
    });
    group.finish();
}

/// Elements are the rows of the table, whose key columns are all read.
fn locating(criterion: &mut Criterion) {
    let size = Size::of_environment();
    let subject = LazyCell::new(|| Subject::new(size));
    let mut group = criterion.benchmark_group("locate");
    group.throughput(Throughput::Elements(size.rows as u64)).sample_size(20);
    group.bench_function("keys all over ten files", |bencher| {
        let subject = &*subject;
        assert_eq!(subject.locate(subject.keys()).rows.len(), size.updated() + size.deleted());
        bencher.iter_batched(|| subject.keys(), |keys| black_box(subject.locate(keys)), BatchSize::SmallInput);
    });
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let size = Size::of_environment();
    let subject = LazyCell::new(|| Subject::new(size));
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements((size.updated() + size.inserted()) as u64)).sample_size(20);
    group.bench_function("one data file", |bencher| {
        let subject = &*subject;
        let rows = upserts(&subject.events, &subject.collapsed);
        bencher.iter(|| {
            subject.runtime.block_on(async {
                let mut writer = DataWriter::new(&subject.loaded.lake.env, &subject.state).expect("the table can be written to");
                writer.write(&rows).await.expect("the rows fit");
                black_box(writer.finish().await.expect("the file can be closed"))
            })
        });
    });
    group.finish();
}

/// From the file of changes to the commit, each time on a table that was loaded anew.
fn merge(criterion: &mut Criterion) {
    let size = Size::of_environment();
    let inputs = LazyCell::new(|| Inputs::new(size));
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(size.changes as u64)).sample_size(10).warm_up_time(Duration::from_millis(1));
    group.bench_function("rows deleted by position", |bencher| merges(bencher, size, &inputs, MERGE_ON_READ));
    group.bench_function("files replaced", |bencher| merges(bencher, size, &inputs, COPY_ON_WRITE));
    group.finish();
}

fn merges(bencher: &mut Bencher<'_>, size: Size, inputs: &Inputs, mode: &str) {
    let runtime = runtime();
    bencher.iter_batched(
        || LoadedLake::new(&runtime, inputs, mode),
        |loaded| {
            let counts = loaded.merge(&runtime).merge;
            let expected = (size.inserted() as u64, size.updated() as u64, size.deleted() as u64);
            assert_eq!((counts.inserted, counts.updated, counts.deleted), expected);
            loaded
        },
        BatchSize::PerIteration,
    );
}

/// A loaded table and the changes that are about to be merged into it.
struct Subject {
    runtime: Runtime,
    loaded: LoadedLake,
    state: TableState,
    events: ChangeBatch,
    collapsed: Collapsed,
}

impl Subject {
    fn new(size: Size) -> Self {
        let runtime = runtime();
        let loaded = LoadedLake::new(&runtime, &Inputs::new(size), MERGE_ON_READ);
        let state = runtime.block_on(async { loaded.lake.table(&table()).await?.head().await }).expect("the table is there");
        let events = decoded(&changes(size));
        let collapsed = collapsed(&events);
        Self { runtime, loaded, state, events, collapsed }
    }

    fn keys(&self) -> (KeySet, KeyPruner) {
        let (keys, encoder) = (self.collapsed.keys(), self.collapsed.encoder());
        KeySet::new(keys, encoder, key_fields(&schema()), |_| true).expect("the keys are the table's")
    }

    fn locate(&self, (keys, pruner): (KeySet, KeyPruner)) -> Located {
        let lake = &self.loaded.lake;
        let located = self.runtime.block_on(async { locate(lake, &lake.table(&table()).await?, &self.state, keys, &pruner).await });
        located.expect("the files can be read")
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn decoded(text: &str) -> ChangeBatch {
    let settings = DecodeSettings::new(ChangeFormat::DebeziumJson);
    let mut decoder = Decoder::new(settings.clone()).expect("settings are right");
    let mut builder = ChangeBuilder::new(&schema(), &settings).expect("the table has types that change events have");
    let mut run = RunState::default();
    for (record, line) in (0..).zip(text.lines()) {
        if let Message::Change(change) = decoder.decode(line.as_bytes()).expect("the line is right") {
            let pushed = builder.push(&change, RecordAt { file: "changes.jsonl", record }, &mut run).expect("the change fits");
            assert_eq!(pushed, Pushed::Added);
        }
    }
    builder.finish().expect("the batch is whole")
}

fn collapsed(events: &ChangeBatch) -> Collapsed {
    waterline_core::collapse::collapse(events, &schema()).expect("the events are the table's")
}

/// The rows that the collapsed changes write.
fn upserts(events: &ChangeBatch, collapsed: &Collapsed) -> arrow::array::RecordBatch {
    collapsed.assemble(events, &schema(), &BeforeRows::default(), |_| true).expect("the images are whole").upserts
}

criterion_group!(all, decode, collapse, locating, write, merge);
criterion_main!(all);
