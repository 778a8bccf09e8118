//! A table of a history whose events lie as files in a landing area in memory: the jobs that read them, and what must
//! hold after the last one.

use std::num::NonZeroUsize;
use std::sync::Arc;

use waterline_core::change::Op;
use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::{ChangeFormat, DecodeSettings};
use waterline_core::dump::{CsvOptions, DumpFormat};
use waterline_core::error::{ErrorKind, Result};
use waterline_core::format::Catalog;
use waterline_core::moments::DumpMoment;
use waterline_core::record::{LOG, LogHeader, log_header};
use waterline_core::table::TableName;
use waterline_delta::DeltaCatalog;
use waterline_engine::ingest::{IngestOptions, Mode, OnError, RunReport, SchemaSource, Source, TableSelection, ingest};
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::load::{Existing, LoadReport, LoadRequest, load};
use waterline_engine::log::read_positions;
use waterline_engine::maintain::compact;
use waterline_engine::progress::Silent;
use waterline_engine::tables::TableSettings;
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;
use waterline_testkit::arrivals::Arrival;
use waterline_testkit::batch::assert_same_rows;
use waterline_testkit::cell::{Cell, Row};
use waterline_testkit::debezium;
use waterline_testkit::files::read_rows;
use waterline_testkit::histories::{History, table_schema};
use waterline_testkit::memory::MemoryCatalog;
use waterline_testkit::oracle::{Event, fold};
use waterline_testkit::world::{SeededIds, World};

const WAREHOUSE: &str = "memory://lake/warehouse";
const LANDING: &str = "memory://landing/orders/";
const DUMP: &str = "memory://landing/dump.csv";
const FILES: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    InMemory,
    /// Format version 2 in a folder, so that every step is one of the store.
    Iceberg,
    /// In a folder, too.
    Delta,
}

pub struct Shop {
    pub world: World,
    format: Format,
    /// Tables in memory, which outlive the process that made them.
    tables: MemoryCatalog,
    history: History,
    /// Sizes of the landed files.
    landed: Vec<(String, u64)>,
}

impl Shop {
    /// Lands the dump, where the history starts from one, and all events.
    pub async fn new(format: Format, history: &History, arrival: &Arrival) -> Self {
        let world = World::in_memory(7);
        world.clock.tick_us(1_000);
        let tables = MemoryCatalog::new(WAREHOUSE, world.faults.clone());
        let mut shop = Self { world, format, tables, history: history.clone(), landed: Vec::new() };
        let events: Vec<Event> = arrival.batches_by_position(&history.events).concat();
        let runs = runs(&events);
        for (number, part) in runs.chunks(runs.len().div_ceil(FILES).max(1)).enumerate() {
            let lines = debezium::lines(&table(), &table_schema(), &part.concat());
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let url = format!("{LANDING}{number}.jsonl");
            // A position stands behind the last record, before its line feed.
            shop.landed.push((url.clone(), text.trim_end_matches('\n').len() as u64));
            shop.put(&url, text).await;
        }
        shop.put(DUMP, debezium::dump_csv(&table_schema(), &history.baseline.state)).await;
        shop
    }

    pub async fn put(&self, url: &str, text: String) {
        let (store, path) = self.world.stores.resolve(url).unwrap();
        store.put_opts(&path, text.into(), Default::default()).await.unwrap();
    }

    /// The lake as a process that just started sees it.
    pub fn lake(&self, process: u64) -> Lake {
        let env = Env { ids: Arc::new(SeededIds::new(process)), ..self.world.env.clone() };
        let catalog: Arc<dyn Catalog> = match self.format {
            Format::InMemory => Arc::new(self.tables.clone()),
            Format::Iceberg => Arc::new(FilesystemCatalog::new(WAREHOUSE, env.clone()).unwrap()),
            Format::Delta => Arc::new(DeltaCatalog::new(WAREHOUSE, env.clone()).unwrap()),
        };
        Lake::new(catalog, env)
    }

    /// Reads the landing area; the table's failure is the job's.
    pub async fn ingest(&self, lake: &Lake, mode: Mode) -> Result<RunReport> {
        let source = Source {
            name: "shop".into(),
            paths: vec![LANDING.into()],
            decode: DecodeSettings::new(ChangeFormat::DebeziumJson),
            schema: schema(),
            lateness_us: 0,
            tables: TableSelection::One(table()),
            table_settings: Default::default(),
            default_settings: TableSettings::default(),
        };
        let options =
            IngestOptions { mode, on_error: OnError::Stop, limits: Limits { batch_rows: 5, ..Limits::default() }, complete_until_us: None };
        let mut report = ingest(lake, &source, &options, &Silent).await?;
        match report.tables.iter().position(|table| table.result.is_err()) {
            Some(failed) => Err(report.tables.remove(failed).result.unwrap_err()),
            None => Ok(report),
        }
    }

    /// Loads the dump that the history starts from.
    pub async fn load(&self, lake: &Lake) -> Result<LoadReport> {
        let baseline = &self.history.baseline;
        let request = LoadRequest {
            table: table(),
            paths: vec![DUMP.into()],
            format: DumpFormat::Csv(CsvOptions { null: "\\N".into(), ..CsvOptions::default() }),
            at: DumpMoment { at_us: baseline.at_us.unwrap(), until_us: baseline.until_us },
            schema: schema(),
            settings: TableSettings::default(),
            existing: Existing::Supersede,
            limits: Limits::default(),
        };
        load(lake, &request, &Silent).await
    }

    /// Compacts the table and its changelog as far as anything can be taken.
    pub async fn compact(&self, lake: &Lake) -> Result<Vec<compact::Report>> {
        let request = compact::Request {
            min_input_files: 2,
            delete_ratio_threshold: 0.0,
            commit_bytes: 1,
            lanes: NonZeroUsize::new(1),
            ..Default::default()
        };
        let mut reports = Vec::new();
        for planned in compact::plan(lake, &table(), &request).await? {
            reports.push(compact::execute(lake, planned, &request).await?);
        }
        Ok(reports)
    }

    /// Starts processes until one ends well; each of the others may only have been told to try again later.
    pub async fn merge_at_last(&self, first: u64) {
        for process in first..first + 100 {
            match self.ingest(&self.lake(process), Mode::Merge).await {
                Ok(_) => return,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            }
        }
        panic!("no process ended well");
    }

    pub async fn header(&self, lake: &Lake) -> LogHeader {
        log_header(&lake.table(&table().changelog()).await.unwrap().head().await.unwrap()).unwrap()
    }

    /// What must hold once a job has read everything, however it came to that.
    pub async fn check(&self, lake: &Lake) {
        self.check_changelog(lake).await;
        self.check_positions(lake).await;
        self.check_mirror(lake).await;
    }

    pub async fn check_mirror(&self, lake: &Lake) {
        let mirror = lake.table(&table()).await.unwrap();
        let expected = fold(&self.history.baseline, &self.history.events, None).unwrap();
        assert_same_rows(&expected.contents(), &read_rows(&lake.env, mirror.as_ref(), &mirror.head().await.unwrap()).await.unwrap());
    }

    /// Every event once, in batches that are numbered without a gap.
    async fn check_changelog(&self, lake: &Lake) {
        let changelog = lake.table(&table().changelog()).await.unwrap();
        let head = changelog.head().await.unwrap();
        let mut expected: Vec<Row> = self.history.events.iter().map(logged).collect();
        expected.sort();
        let mut found = read_rows(&lake.env, changelog.as_ref(), &head).await.unwrap();
        found
            .iter_mut()
            .for_each(|row| row.retain(|column, _| !column.starts_with('_') || ["_op", "_event_time"].contains(&column.as_str())));
        found.sort();
        assert_same_rows(&expected, &found);

        let header = |text: &String| serde_json::from_str::<LogHeader>(text).unwrap();
        let mut ordinals: Vec<i64> = head.lineage().map(|version| header(&version.summary[LOG]).batch.0).collect();
        // A compaction says what its parent says.
        ordinals.dedup();
        assert_eq!(ordinals, (1..=ordinals.len() as i64).rev().collect::<Vec<_>>());
        assert_eq!(log_header(&head).unwrap().counts.events, expected.len() as u64);
    }

    async fn check_positions(&self, lake: &Lake) {
        let positions = read_positions(lake, &self.header(lake).await).await.unwrap();
        let read = positions.files.iter().map(|(url, position)| (url.clone(), position.offset_bytes));
        assert_eq!(read.collect::<Vec<_>>(), self.landed);
    }

    /// A job after the last one finds nothing to do.
    pub async fn check_quiet(&self, lake: &Lake) {
        let before = self.versions(lake).await;
        let report = self.ingest(lake, Mode::Merge).await.unwrap();
        assert_eq!(self.versions(lake).await, before);
        assert!(report.tables.iter().all(|table| table.report.events_logged == 0 && table.report.merge.commits == 0));
    }

    async fn versions(&self, lake: &Lake) -> Vec<usize> {
        let mut versions = Vec::new();
        for name in [table(), table().changelog()] {
            versions.push(lake.table(&name).await.unwrap().head().await.unwrap().history.len());
        }
        versions
    }
}

pub fn table() -> TableName {
    "shop.orders".parse().unwrap()
}

fn schema() -> SchemaSource {
    let ddl = parse_ddl(&debezium::ddl(&table(), &table_schema()), SqlDialect::Postgres).unwrap();
    SchemaSource { ddl: Some(ddl), columns: Default::default() }
}

/// Events of one position, which are told apart by standing side by side: each run stays in one file, and is not
/// repeated right behind itself.
fn runs(events: &[Event]) -> Vec<Vec<Event>> {
    let position = |event: &Event| (event.sequence.commit, event.sequence.position);
    let whole = |run: &[Event]| {
        let last = run.iter().map(|event| event.sequence).max();
        let end = run.iter().position(|event| Some(event.sequence) == last).map_or(0, |at| at + 1);
        run[..end].to_vec()
    };
    events.chunk_by(|event, next| position(event) == position(next)).map(whole).collect()
}

/// What the changelog holds of an event, beside where and when it was logged.
fn logged(event: &Event) -> Row {
    let mut row = event.image.clone();
    if event.op == Op::Delete {
        row.retain(|column, _| table_schema().keys().contains(column));
    }
    row.insert("_op".into(), event.op.as_str().into());
    row.insert("_event_time".into(), Cell::Int(event.event_time_us));
    row
}
