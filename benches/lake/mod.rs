//! A lake of Iceberg tables in a temporary folder, with the table of the workload loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use waterline_core::ddl::{Ddl, SqlDialect, parse_ddl};
use waterline_core::decode::ChangeFormat;
use waterline_core::dump::DumpFormat;
use waterline_core::moments::DumpMoment;
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;
use waterline_engine::ingest::{IngestOptions, Mode, SchemaSource, Source, TableReport, TableSelection, ingest};
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::load::{Existing, LoadRequest, load};
use waterline_engine::progress::Silent;
use waterline_engine::tables::TableSettings;
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

use crate::workload::{DDL, Size, TABLE, changes, write_base};

/// Before all changes.
const DUMPED_AT_US: i64 = 1_740_000_000_000_000;

/// What the merges of a bench start from, as files.
pub struct Inputs {
    folder: TempDir,
    base: Vec<PathBuf>,
}

impl Inputs {
    pub fn new(size: Size) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let base = write_base(folder.path(), size);
        std::fs::write(folder.path().join("changes.jsonl"), changes(size)).expect("the folder can be written to");
        Self { folder, base }
    }

    fn changes(&self) -> String {
        text(&self.folder.path().join("changes.jsonl"))
    }
}

pub struct LoadedLake {
    pub lake: Lake,
    changes: String,
    /// Deleted with the lake.
    _folder: TempDir,
}

impl LoadedLake {
    /// Loads the base into a lake of its own. `mode` is the table's `write.merge.mode`.
    pub fn new(runtime: &Runtime, inputs: &Inputs, mode: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let env = Env::system();
        let catalog = FilesystemCatalog::new(&text(folder.path()), env.clone()).expect("the folder is a warehouse");
        let lake = Lake::new(Arc::new(catalog), env);
        let request = LoadRequest {
            table: table(),
            paths: inputs.base.iter().map(|path| text(path)).collect(),
            format: DumpFormat::Parquet,
            at: DumpMoment { at_us: DUMPED_AT_US, until_us: None },
            schema: schemas(),
            settings: TableSettings { properties: [("write.merge.mode".to_owned(), mode.to_owned())].into(), ..TableSettings::default() },
            existing: Existing::Refuse,
            limits: Limits::default(),
        };
        runtime.block_on(load(&lake, &request, &Silent)).expect("the base loads");
        Self { lake, changes: inputs.changes(), _folder: folder }
    }

    /// Decodes, logs and merges the changes.
    pub fn merge(&self, runtime: &Runtime) -> TableReport {
        let mut source = Source::new("pg", ChangeFormat::DebeziumJson, vec![self.changes.clone()]);
        source.tables = TableSelection::One(table());
        source.schema = schemas();
        let options = IngestOptions::new(Mode::Merge);
        let report = runtime.block_on(ingest(&self.lake, &source, &options, &Silent)).expect("the changes can be read");
        let outcome = report.tables.into_iter().next().expect("the table had changes");
        outcome.result.expect("the merge succeeds");
        outcome.report
    }
}

pub fn table() -> TableName {
    TABLE.parse().expect("a table's name")
}

pub fn schema() -> TableSchema {
    ddl().table(&table()).expect("the DDL has the table").clone()
}

fn ddl() -> Ddl {
    parse_ddl(DDL, SqlDialect::Postgres).expect("the DDL is right")
}

fn schemas() -> SchemaSource {
    SchemaSource { ddl: Some(ddl()), ..SchemaSource::default() }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
