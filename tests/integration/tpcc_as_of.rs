//! TPC-C at any moment: however its events came, each table is what the database held then, and the tables fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::collect;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use waterline_core::as_of::Cut;
use waterline_core::change::Op;
use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::ChangeFormat;
use waterline_core::dump::{CsvOptions, DumpFormat};
use waterline_core::format::Catalog;
use waterline_core::moments::{DumpMoment, parse_moment};
use waterline_core::sequence::Domain;
use waterline_core::table::TableName;
use waterline_core::text::parse_timestamp_us;
use waterline_engine::ingest::{IngestOptions, Mode, SchemaSource, Source, TableSelection, ingest};
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::load::{Existing, LoadRequest, load};
use waterline_engine::progress::Silent;
use waterline_engine::read::{ReadAt, SessionOptions, query, session};
use waterline_engine::tables::TableSettings;
use waterline_iceberg::FilesystemCatalog;
use waterline_testkit::batch::{assert_same_rows, sorted_rows};
use waterline_testkit::cell::{Cell, Key, Row};
use waterline_testkit::columns::to_batch;
use waterline_testkit::oracle::{Baseline, Event, Mark, Order, as_of};
use waterline_testkit::world::World;

use crate::shell::{TextRow, dumped, fixture, read_fixture};

const TABLES: [&str; 9] = ["customer", "district", "history", "item", "new_order", "order_line", "orders", "stock", "warehouse"];

fn moment_us(moment: usize) -> i64 {
    let moments: Value = serde_json::from_str(&read_fixture("tpcc/moments.json")).unwrap();
    parse_moment(moments[moment]["at"].as_str().unwrap(), None).unwrap()
}

/// A lake in memory that reads the tables' events from files in memory.
struct Tpcc {
    world: World,
    lake: Lake,
}

impl Tpcc {
    fn new() -> Self {
        let world = World::in_memory(5);
        world.clock.set_us(moment_us(5) + 3_600_000_000);
        world.clock.tick_us(1_000);
        let catalog: Arc<dyn Catalog> = Arc::new(FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap());
        Self { lake: Lake::new(catalog, world.env.clone()), world }
    }

    async fn land(&self, table: &str, file: &str, lines: &[String]) {
        let (store, path) = self.world.stores.resolve(&format!("memory://landing/pg.tpcc.{table}/{file}.jsonl")).unwrap();
        store.put_opts(&path, (lines.join("\n") + "\n").into(), Default::default()).await.unwrap();
    }

    async fn job(&self, mode: Mode, batch_rows: usize) {
        let source = Source {
            schema: schema_source(),
            tables: TableSelection::Matching { patterns: vec!["tpcc.*".into()], disabled: Vec::new() },
            ..Source::new("tpcc", ChangeFormat::DebeziumJson, vec!["memory://landing/pg.{table}/".into()])
        };
        let limits = Limits { batch_rows, ..Limits::default() };
        let options = IngestOptions { limits, complete_until_us: Some(moment_us(5)), ..IngestOptions::new(mode) };
        for table in ingest(&self.lake, &source, &options, &Silent).await.unwrap().tables {
            table.result.unwrap();
        }
    }

    /// Loads the dump of a moment.
    async fn load(&self, table: &str, moment: usize) {
        let url = format!("memory://dumps/{moment}/{table}.csv");
        let (store, path) = self.world.stores.resolve(&url).unwrap();
        store.put_opts(&path, read_fixture(&format!("tpcc/moment-0{moment}/{table}.csv.gz")).into(), Default::default()).await.unwrap();
        let request = LoadRequest {
            table: name(table),
            paths: vec![url],
            format: DumpFormat::Csv(CsvOptions { null: "\\N".into(), ..CsvOptions::default() }),
            at: DumpMoment { at_us: moment_us(moment), until_us: None },
            schema: schema_source(),
            settings: TableSettings::default(),
            existing: Existing::Refuse,
            limits: Limits::default(),
        };
        load(&self.lake, &request, &Silent).await.unwrap();
    }

    fn session(&self, at_us: i64) -> SessionContext {
        let options = SessionOptions { partitions: NonZeroUsize::new(1), ..SessionOptions::default() };
        session(self.lake.catalog.clone(), &self.lake.env, ReadAt::AsOf(Cut::at(at_us)), &options).unwrap()
    }
}

fn schema_source() -> SchemaSource {
    let ddl = std::fs::read_to_string(fixture("tpcc/ddl.sql")).unwrap();
    SchemaSource { ddl: Some(parse_ddl(&ddl, SqlDialect::Postgres).unwrap()), ..SchemaSource::default() }
}

fn name(table: &str) -> TableName {
    TableName::new("tpcc", table).unwrap()
}

/// What a table held at any moment, by its events.
struct Truth {
    table: &'static str,
    schema: SchemaRef,
    events: Vec<Event>,
    converter: RowConverter,
    /// The row after each event, encoded.
    images: Rows,
    /// By key, in the order of the source: event time, and the number of the event unless it is a delete.
    by_key: BTreeMap<Key, Vec<(i64, Option<usize>)>>,
}

impl Truth {
    fn of(table: &'static str) -> Self {
        let declared = schema_source().declared(&name(table), &TableSettings::default()).unwrap().unwrap();
        let plain = |field: &FieldRef| field.as_ref().clone().with_metadata(Default::default());
        let schema = Arc::new(Schema::new(declared.fields().iter().map(plain).collect::<Vec<_>>()));
        let lines = lines_of(table);
        let events: Vec<Event> = lines.iter().enumerate().map(|(number, line)| event(line, number, &schema, declared.keys())).collect();
        let images: Vec<Row> = events.iter().map(|event| event.image.clone()).collect();
        let converter = RowConverter::new(schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect()).unwrap();
        let images = converter.convert_columns(to_batch(&schema, &images).columns()).unwrap();
        let mut numbers: Vec<usize> = (0..events.len()).collect();
        numbers.sort_by_key(|number| events[*number].sequence);
        let mut by_key: BTreeMap<Key, Vec<(i64, Option<usize>)>> = BTreeMap::new();
        for number in numbers {
            let event = &events[number];
            let image = (event.op != Op::Delete).then_some(number);
            by_key.entry(event.key.clone().unwrap()).or_default().push((event.event_time_us, image));
        }
        Self { table, schema, events, converter, images, by_key }
    }

    /// The fold of the events up to a moment. All of them send whole rows, so that a key's newest event says what its row is.
    fn at(&self, at_us: i64) -> Vec<usize> {
        let newest =
            |events: &Vec<(i64, Option<usize>)>| events.iter().rev().find(|(time, _)| *time <= at_us).and_then(|(_, image)| *image);
        self.by_key.values().filter_map(newest).collect()
    }

    fn assert_holds(&self, at_us: i64, found: &[RecordBatch]) {
        let found_rows: Vec<Rows> = found.iter().map(|batch| self.converter.convert_columns(batch.columns()).unwrap()).collect();
        let mut found_rows: Vec<_> = found_rows.iter().flat_map(Rows::iter).collect();
        let expected = self.at(at_us);
        let mut expected_rows: Vec<_> = expected.iter().map(|number| self.images.row(*number)).collect();
        found_rows.sort_unstable();
        expected_rows.sort_unstable();
        if found_rows != expected_rows {
            println!("{} at {at_us}", self.table);
            assert_same_rows(&self.rows_at(at_us), &sorted_rows(found));
        }
    }

    fn rows_at(&self, at_us: i64) -> Vec<Row> {
        let mut rows: Vec<Row> = self.at(at_us).into_iter().map(|number| self.events[number].image.clone()).collect();
        rows.sort();
        rows
    }

    fn assert_is_fold(&self, at_us: i64) {
        let folded = as_of(&[Baseline::empty()], std::slice::from_ref(&self.events), at_us, 1).unwrap();
        assert_same_rows(&folded.contents(), &self.rows_at(at_us));
    }

    fn assert_is_dump(&self, moment: usize) {
        let dump = dumped(&format!("tpcc/moment-0{moment}/{}.csv.gz", self.table));
        let mut dump: Vec<Row> = dump.iter().map(|row| self.row(row)).collect();
        dump.sort();
        assert_same_rows(&dump, &self.rows_at(moment_us(moment)));
    }

    fn row(&self, text: &TextRow) -> Row {
        self.schema
            .fields()
            .iter()
            .filter_map(|field| Some((field.name().clone(), cell(field.data_type(), text.get(field.name())?))))
            .collect()
    }
}

fn lines_of(table: &str) -> Vec<String> {
    read_fixture(&format!("tpcc/events/pg.tpcc.{table}/00000.jsonl.gz")).lines().map(str::to_owned).collect()
}

fn event(line: &str, number: usize, schema: &SchemaRef, keys: &[String]) -> Event {
    let value: Value = serde_json::from_str(line).unwrap();
    let op = Op::parse(value["op"].as_str().unwrap()).unwrap();
    let side = &value[if op == Op::Delete { "before" } else { "after" }];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let column = |name: &str| side.get(name).filter(|value| !value.is_null()).map(text);
    let image: Row =
        schema.fields().iter().filter_map(|field| Some((field.name().clone(), cell(field.data_type(), &column(field.name())?)))).collect();
    let sequence: Vec<Option<String>> = serde_json::from_str(value["source"]["sequence"].as_str().unwrap()).unwrap();
    let part = |at: usize| sequence[at].as_ref().map(|text| text.parse::<u64>().unwrap());
    // The reads of a snapshot share one position.
    let ordinal = if op == Op::Read { number as u64 } else { 0 };
    Event {
        domain: Domain("pg".into()),
        sequence: Order { commit: part(0), position: part(1).unwrap(), ordinal },
        key: Some(keys.iter().map(|key| image[key].clone()).collect()),
        old_key: None,
        event_time_us: value["source"]["ts_us"].as_i64().unwrap(),
        image,
        unset: BTreeSet::new(),
        mark: Mark::None,
        op,
    }
}

/// A value as text, of JSON or of a dump.
fn cell(data_type: &DataType, text: &str) -> Cell {
    match data_type {
        DataType::Int32 | DataType::Int64 => Cell::Int(text.parse().unwrap()),
        DataType::Boolean => Cell::Bool(text.starts_with('t')),
        DataType::Timestamp(..) => Cell::Int(parse_timestamp_us(text).unwrap().0),
        DataType::Utf8 => Cell::Text(text.to_owned()),
        DataType::Decimal128(_, scale) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            Cell::Decimal(format!("{whole}{fraction:0<width$}", width = usize::try_from(*scale).unwrap()).parse().unwrap())
        }
        other => panic!("{other}"),
    }
}

/// Each row is a violation of a consistency condition of TPC-C.
const CONDITIONS: &str = "
    select 'w_ytd is not 300000 and the payments' from tpcc.warehouse
        left join (select h_w_id, sum(h_amount) as paid from tpcc.history group by h_w_id) on h_w_id = w_id
        where w_ytd <> 300000 + coalesce(paid, 0)
    union all select 'w_ytd is not the sum of d_ytd' from tpcc.warehouse
        join (select d_w_id, sum(d_ytd) as ytd from tpcc.district group by d_w_id) on d_w_id = w_id where w_ytd <> ytd
    union all select 'd_next_o_id does not follow upon the orders' from tpcc.district
        left join (select o_w_id, o_d_id, max(o_id) as newest, count(*) as n from tpcc.orders group by o_w_id, o_d_id)
            on o_w_id = d_w_id and o_d_id = d_id
        where d_next_o_id - 1 <> coalesce(newest, 0) or d_next_o_id - 1 <> coalesce(n, 0)
    union all select 'the lines are not those of the orders'
        from (select sum(o_ol_cnt) as counted from tpcc.orders), (select count(*) as n from tpcc.order_line) where coalesce(counted, 0) <> n
    union all select 'an order without carrier is not new, or one with a carrier is' from tpcc.orders
        full join tpcc.new_order on no_w_id = o_w_id and no_d_id = o_d_id and no_o_id = o_id
        where (o_carrier_id is null) <> (no_o_id is not null) or o_id is null";

/// The events' own moments, one microsecond before them, and any between the first moment and the last.
fn moments(rng: &mut StdRng, count: usize) -> Vec<i64> {
    let (first, last) = (moment_us(0), moment_us(5));
    let times: BTreeSet<i64> = TRUTHS.iter().flat_map(|truth| &truth.events).map(|event| event.event_time_us).collect();
    let times: Vec<i64> = times.into_iter().filter(|time| *time > first).collect();
    let mut some = |number: usize| {
        let event = times[rng.random_range(0..times.len())];
        match number % 3 {
            0 => rng.random_range(first..=last),
            1 => event,
            _ => event - 1,
        }
    };
    (0..count).map(&mut some).collect()
}

static TRUTHS: LazyLock<Vec<Truth>> = LazyLock::new(|| TABLES.map(Truth::of).into());

impl Tpcc {
    /// All tables at one cut: each holds its truth, and they fit each other.
    async fn check(&self, at_us: i64) {
        let session = self.session(at_us);
        for truth in TRUTHS.iter() {
            let table = session.table_provider(format!("tpcc.{}", truth.table)).await.unwrap();
            let plan = table.scan(&session.state(), None, &[], None).await.unwrap();
            truth.assert_holds(at_us, &collect(plan, session.task_ctx()).await.unwrap());
        }
        let violations = query(&session, CONDITIONS).await.unwrap().collect().await.unwrap();
        assert_eq!(sorted_rows(&violations), [], "{at_us}");
    }

    /// At the six moments, and at some that follow from the seed.
    async fn check_at(&self, count: usize, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        for at_us in (0..6).map(moment_us).chain(moments(&mut rng, count)) {
            self.check(at_us).await;
        }
    }
}

#[test]
fn the_truth_is_the_oracles_and_the_databases() {
    for truth in TRUTHS.iter() {
        (0..6).for_each(|moment| truth.assert_is_dump(moment));
        [1, 3, 5].map(moment_us).into_iter().chain(moments(&mut StdRng::seed_from_u64(1), 3)).for_each(|at_us| truth.assert_is_fold(at_us));
    }
}

#[tokio::test]
async fn rule_16_transactions_are_visible_wholly_or_not_at_all_at_200_moments() {
    let tpcc = Tpcc::new();
    for table in TABLES {
        tpcc.land(table, "00000", &lines_of(table)).await;
    }
    tpcc.job(Mode::Merge, 2_500).await;
    tpcc.check_at(200, 200).await;
}

#[tokio::test]
async fn as_of_after_merges_of_random_batches() {
    let mut rng = StdRng::seed_from_u64(31);
    let tpcc = Tpcc::new();
    let mut rest: Vec<(&str, Vec<String>)> = TABLES.map(|table| (table, lines_of(table))).into();
    for number in 0.. {
        for (table, lines) in &mut rest {
            let count = if number < 4 { rng.random_range(0..=lines.len() / 2) } else { lines.len() };
            tpcc.land(table, &format!("{number}"), &lines.drain(..count).collect::<Vec<_>>()).await;
        }
        let mode = if rng.random_bool(0.3) { Mode::Log } else { Mode::Merge };
        tpcc.job(mode, rng.random_range(400..4_000)).await;
        if rest.iter().all(|(_, lines)| lines.is_empty()) {
            break;
        }
    }
    tpcc.check_at(25, 32).await;
}

/// Some events come when events that are seconds or the whole history newer are folded already, and files in any order.
#[tokio::test]
async fn as_of_after_shuffled_arrival_with_late_events() {
    let mut rng = StdRng::seed_from_u64(41);
    let tpcc = Tpcc::new();
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for table in TABLES {
        let mut arriving: Vec<(usize, String)> = Vec::new();
        for (at, line) in lines_of(table).into_iter().enumerate() {
            let delay = if rng.random_bool(0.03) { rng.random_range(0..20_000) } else { 0 };
            arriving.push((at + delay, line));
        }
        arriving.sort_by_key(|(at, _)| *at);
        let lines: Vec<String> = arriving.into_iter().map(|(_, line)| line).collect();
        files.extend(lines.chunks(lines.len().div_ceil(4)).map(|lines| (table, lines.to_vec())));
    }
    files.shuffle(&mut rng);
    for (number, (table, lines)) in files.iter().enumerate() {
        tpcc.land(table, &format!("{number:02}"), lines).await;
        if number % 9 == 8 {
            tpcc.job(Mode::Merge, 2_500).await;
        }
    }
    tpcc.job(Mode::Merge, 2_500).await;
    tpcc.check_at(25, 42).await;
}

#[tokio::test]
async fn as_of_after_duplicates() {
    let mut rng = StdRng::seed_from_u64(51);
    let tpcc = Tpcc::new();
    for part in 0..2 {
        for table in TABLES {
            let lines = lines_of(table);
            let lines = &lines[part * lines.len() / 2..(part + 1) * lines.len() / 2];
            let twice = rng.random_range(0..lines.len());
            tpcc.land(table, &format!("{part}"), lines).await;
            tpcc.land(table, &format!("{part}-again"), &lines[twice..]).await;
        }
        tpcc.job(Mode::Merge, 3_000).await;
    }
    tpcc.check_at(15, 52).await;
}

#[tokio::test]
async fn as_of_without_any_merge() {
    let tpcc = Tpcc::new();
    for table in TABLES {
        tpcc.land(table, "00000", &lines_of(table)).await;
    }
    tpcc.job(Mode::Log, 5_000).await;
    tpcc.check_at(25, 61).await;
}

#[tokio::test]
async fn as_of_onto_dumps_and_one_that_is_loaded_late() {
    let tpcc = Tpcc::new();
    for table in TABLES {
        tpcc.load(table, 0).await;
    }
    for table in TABLES {
        tpcc.land(table, "00000", &lines_of(table)).await;
    }
    tpcc.job(Mode::Merge, 4_000).await;
    tpcc.check_at(15, 71).await;
    for table in TABLES {
        tpcc.load(table, 2).await;
    }
    tpcc.check_at(15, 72).await;
}
