//! Locate finds each row of a key, whatever it leaves out on the way: row groups, pages, and what Bloom filters rule out.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use waterline_core::format::{Catalog, Commit, CommitOutcome, Operation, TableDefinition, TableFormat, TableState};
use waterline_core::key::{KeyEncoder, KeyIndex};
use waterline_core::locate::KeySet;
use waterline_core::table::TableName;
use waterline_engine::lake::Lake;
use waterline_engine::locate::{Located, locate};
use waterline_engine::write::DataWriter;
use waterline_iceberg::FilesystemCatalog;
use waterline_testkit::faults::{Fault, Operation as Asked, Rule};
use waterline_testkit::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filters {
    With,
    Without,
}

/// A table whose columns are all of its key.
struct Keyed {
    world: World,
    lake: Lake,
    format: Arc<dyn TableFormat>,
    state: TableState,
    fields: Fields,
}

impl Keyed {
    async fn new(fields: Fields, filters: Filters) -> Self {
        let world = World::in_memory(3);
        let catalog = Arc::new(FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap());
        let enabled = if filters == Filters::With { "true" } else { "false" };
        let property = |field: &Arc<Field>| (format!("write.parquet.bloom-filter-enabled.column.{}", field.name()), enabled.to_owned());
        let definition = TableDefinition {
            schema: Arc::new(Schema::new(fields.clone())),
            keys: Vec::new(),
            partition_by: Vec::new(),
            properties: fields.iter().map(property).collect(),
        };
        let format = catalog.create(&TableName::new("shop", "orders").unwrap(), &definition).await.unwrap();
        let state = format.head().await.unwrap();
        Self { lake: Lake::new(catalog, world.env.clone()), world, format, state, fields }
    }

    /// Adds a file with these rows.
    async fn add(&mut self, columns: &[ArrayRef]) {
        let rows = RecordBatch::try_new(Arc::new(Schema::new(self.fields.clone())), columns.to_vec()).unwrap();
        let mut writer = DataWriter::new(&self.world.env, &self.state).unwrap();
        writer.write(&rows).await.unwrap();
        let commit = Commit {
            add: writer.finish().await.unwrap(),
            ..Commit::new(self.world.env.ids.uuid().to_string(), Operation::Append, self.world.env.clock.now_ms())
        };
        let CommitOutcome::Committed(state) = self.format.commit(&self.state, &commit).await.unwrap() else { panic!("not committed") };
        self.state = state;
    }

    async fn locate(&self, wanted: &[ArrayRef]) -> (Arc<KeyIndex>, waterline_core::error::Result<Located>) {
        let encoder = Arc::new(KeyEncoder::new(&self.fields).unwrap());
        let mut index = KeyIndex::default();
        for row in &encoder.encode(wanted).unwrap() {
            index.insert(row);
        }
        let index = Arc::new(index);
        let (keys, pruner) = KeySet::new(&index, &encoder, self.fields.clone(), |_| true).unwrap();
        let located = locate(&self.lake, &self.format, &self.state, keys, &pruner).await;
        (index, located)
    }

    /// Positions that are found in a table of one file.
    async fn positions(&self, wanted: &[ArrayRef]) -> BTreeSet<u64> {
        let (_, located) = self.locate(wanted).await;
        located.unwrap().files.iter().flat_map(|file| file.rows.iter()).collect()
    }
}

fn fields(columns: &[(&str, DataType)]) -> Fields {
    columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect()
}

/// Keys as columns of a shape that the name says.
fn columns(shape: &str, keys: &[i64]) -> Vec<ArrayRef> {
    // A null for some, so that every shape has them.
    let known = |key: i64| (key % 997 != 0).then_some(key);
    let ints = || Arc::new(keys.iter().map(|key| known(*key)).collect::<Int64Array>()) as ArrayRef;
    let texts = || Arc::new(keys.iter().map(|key| known(*key).map(|key| format!("order-{:08x}", key * 7_919))).collect::<StringArray>());
    let low = || Arc::new(keys.iter().map(|key| Some((key % 10) as i32)).collect::<Int32Array>());
    match shape {
        "int" => vec![ints()],
        "text" => vec![texts()],
        _ => vec![low(), texts()],
    }
}

fn shape_fields(shape: &str) -> Fields {
    match shape {
        "int" => fields(&[("id", DataType::Int64)]),
        "text" => fields(&[("code", DataType::Utf8)]),
        _ => fields(&[("store", DataType::Int32), ("code", DataType::Utf8)]),
    }
}

#[tokio::test]
async fn every_row_of_a_wanted_key_is_found() {
    let mut rng = StdRng::seed_from_u64(11);
    for shape in ["int", "text", "both"] {
        for filters in [Filters::With, Filters::Without] {
            let mut table = Keyed::new(shape_fields(shape), filters).await;
            let mut keys: Vec<i64> = (1..60_000).map(|key| key * 3).collect();
            if rng.random_bool(0.5) {
                keys.shuffle(&mut rng);
            }
            table.add(&columns(shape, &keys)).await;
            for count in [1, 2, 5, 40, 3_000] {
                let wanted: Vec<i64> = (0..count).map(|_| rng.random_range(1..180_000)).collect();
                // One row for each key is kept; those of null are one key with many rows.
                let is_wanted: BTreeSet<i64> = wanted.iter().copied().collect();
                let nulls = is_wanted.iter().any(|key| key % 997 == 0);
                let expected: BTreeSet<u64> =
                    (0..).zip(&keys).filter(|(_, key)| is_wanted.contains(key) && (*key % 997 != 0 || !nulls)).map(|(at, _)| at).collect();
                let found: BTreeSet<u64> =
                    table.positions(&columns(shape, &wanted)).await.into_iter().filter(|at| keys[*at as usize] % 997 != 0).collect();
                assert_eq!(found, expected, "{shape} {filters:?} {count}");
            }
        }
    }
}

#[tokio::test]
async fn rows_keep_their_positions_when_row_groups_and_pages_are_left_out() {
    let mut table = Keyed::new(shape_fields("int"), Filters::Without).await;
    // Two row groups of many pages, in order.
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..300_000).map(|id| id * 2)));
    table.add(&[ids]).await;
    for wanted in [vec![0], vec![599_998], vec![100_000, 540_000], vec![1, 3], vec![262_144 * 2], vec![262_143 * 2, 7]] {
        let expected: BTreeSet<u64> = wanted.iter().filter(|id| *id % 2 == 0).map(|id| id / 2).collect();
        let wanted: ArrayRef = Arc::new(Int64Array::from_iter_values(wanted.iter().map(|id| *id as i64)));
        assert_eq!(table.positions(&[wanted]).await, expected);
    }
}

/// Reads of data files that are allowed before one fails.
fn allow_reads(table: &Keyed, reads: u64) {
    table.world.faults.heal();
    table.world.faults.add(Rule::new(Asked::Get, Fault::Before).on_path("/data/").after(reads));
}

#[tokio::test]
async fn a_file_whose_filter_rules_out_the_key_is_not_read_further() {
    for shape in ["int", "text", "both"] {
        let keys: Vec<i64> = (1..30_000).map(|key| key * 3).collect();
        let absent = columns(shape, &[30_001]);
        let present = columns(shape, &[30_003]);
        for (filters, is_enough) in [(Filters::With, true), (Filters::Without, false)] {
            let mut table = Keyed::new(shape_fields(shape), filters).await;
            table.add(&columns(shape, &keys)).await;
            let filters_of_key = table.fields.len() as u64;
            // The footer, and the filter of each column.
            allow_reads(&table, 1 + if is_enough { filters_of_key } else { 0 });
            assert_eq!(table.locate(&absent).await.1.is_ok(), is_enough, "{shape}");
            assert!(table.locate(&present).await.1.is_err(), "{shape}: the column of the key is read");
        }
    }
}

#[tokio::test]
async fn keys_that_were_written_as_narrower_integers_are_found() {
    let mut table = Keyed::new(fields(&[("id", DataType::Int32)]), Filters::With).await;
    let ids: Vec<i32> = (0..50_000).map(|id| id * 5 - 1_000).collect();
    table.add(&[Arc::new(Int32Array::from(ids.clone()))]).await;
    let wide = Arc::new(Schema::new(fields(&[("id", DataType::Int64)])));
    let CommitOutcome::Committed(state) = table.format.evolve(&table.state, &wide).await.unwrap() else { panic!("not committed") };
    table.state = state;
    table.fields = wide.fields().clone();
    let wanted: ArrayRef = Arc::new(Int64Array::from(vec![-1_000, 4, 5, 200_000, i64::from(i32::MAX) + 1]));
    let expected = [0, 201, 40_200];
    assert_eq!(table.positions(&[wanted]).await, expected.into_iter().collect());
}
