//! What `load`, `ingest`, `merge`, `run`, `query`, `changes`, `diff`, `export` and `compact` ask of the engine.

mod changes;
mod compact;
mod diff;
mod export;
mod moments;

use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use changes::ChangesRequest;
use chrono_tz::Tz;
pub(crate) use compact::CompactRequest;
pub(crate) use diff::{DiffRequest, DiffSide};
pub(crate) use export::{ExportFormat, ExportRequest};
use waterline_core::as_of::{Beyond, Cut};
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;

use self::moments::read_moments;
use crate::args::{self, CsvArgs, LimitArgs, LoadArgs, MemoryArgs, QueryArgs, RunArgs, SyncArgs};
use crate::settings::amount::Size;
use crate::settings::{
    ChangeFormat, DumpMoment, Limits, OnError, SchemaSettings, Settings, SourceSettings, TableFormatKind, TableSettings, absolute,
    parse_dump_moment, parse_moment, parse_zone,
};

/// A dump to load.
#[derive(Debug)]
pub struct DumpRequest {
    pub table: TableName,
    pub paths: Vec<String>,
    pub format: DumpFormat,
    pub at: DumpMoment,
    /// What moments without an offset mean in the dump.
    pub timezone: Option<Tz>,
    pub schema: SchemaSettings,
    pub settings: TableSettings,
    pub disagreement: Disagreement,
    pub limits: Limits,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    Csv(CsvSettings),
    JsonLines,
    Parquet,
}

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvSettings {
    /// Unquoted text that stands for NULL.
    pub null: String,
    pub delimiter: u8,
    pub quote: u8,
    pub header: CsvHeader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvHeader {
    Present,
    /// Columns come in the order of the schema.
    Absent,
}

/// What happens when a dump differs from what the changelog says of its moment (DESIGN.md rule 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    Refuse,
    Supersede,
}

impl DumpRequest {
    pub(crate) fn resolve(args: &LoadArgs, settings: &Settings, cwd: &Path, now_us: i64) -> Result<Self> {
        let table: TableName = args.table.parse()?;
        let timezone = parse_zone(args.timezone.as_deref())?;
        let at = parse_dump_moment(&args.at, timezone).map_err(|e| e.with("option", "--at"))?;
        if at.until_us.unwrap_or(at.at_us) > now_us {
            return Err(Error::usage("a dump cannot have been taken in the future").with("option", "--at").with("moment", &args.at));
        }
        let source = settings.sources.values().find(|source| source.feeds(&table));
        let mut of_table = settings.table(&table);
        of_table.keys = args.schema.keys.clone().or(of_table.keys).or_else(|| source.and_then(|source| source.keys.clone()));
        let table_format = match (args.table_format, of_table.table_format) {
            (Some(format), _) => format.into(),
            (None, Some(format)) => format,
            (None, None) => source.map_or(settings.table_format, |source| source.table_format),
        };
        of_table.table_format = Some(table_format);
        Ok(Self {
            paths: args.paths.iter().map(|path| absolute(path, cwd)).collect::<Result<_>>()?,
            format: dump_format(args.format, &args.csv, args.paths.first().map_or("", String::as_str))?,
            at,
            timezone: timezone.or_else(|| source.and_then(|source| source.timezone)),
            schema: schema(source, &of_table).overlaid(&args.schema, cwd)?,
            settings: of_table,
            disagreement: if args.supersede { Disagreement::Supersede } else { Disagreement::Refuse },
            limits: with_memory(source.map_or(settings.limits, |source| source.limits), args.memory.memory_limit.as_deref())?,
            table,
        })
    }
}

/// A table's own columns before those of its source.
fn schema(source: Option<&SourceSettings>, table: &TableSettings) -> SchemaSettings {
    let mut schema = source.map(|source| source.schema.clone()).unwrap_or_default();
    if !table.columns.is_empty() {
        schema.columns.clone_from(&table.columns);
    }
    schema
}

/// The format that is named, or that the name of the dump's first file shows.
fn dump_format(format: Option<args::DumpFormat>, csv: &CsvArgs, file: &str) -> Result<DumpFormat> {
    let format = match format {
        Some(format) => format,
        None => format_by_name(file)
            .ok_or_else(|| Error::usage("the format of the dump cannot be told by the file's name; say --format").with("file", file))?,
    };
    if format != args::DumpFormat::Csv && has_options(csv) {
        return Err(Error::usage("--null, --delimiter, --quote and --no-header are for CSV only"));
    }
    Ok(match format {
        args::DumpFormat::Parquet => DumpFormat::Parquet,
        args::DumpFormat::Jsonl => DumpFormat::JsonLines,
        args::DumpFormat::Csv => DumpFormat::Csv(CsvSettings {
            null: csv.null.clone().unwrap_or_default(),
            delimiter: single_byte(csv.delimiter.as_deref().unwrap_or(","), "--delimiter")?,
            quote: single_byte(csv.quote.as_deref().unwrap_or("\""), "--quote")?,
            header: if csv.no_header { CsvHeader::Absent } else { CsvHeader::Present },
        }),
    })
}

fn has_options(csv: &CsvArgs) -> bool {
    csv.null.is_some() || csv.delimiter.is_some() || csv.quote.is_some() || csv.no_header
}

fn format_by_name(name: &str) -> Option<args::DumpFormat> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "csv" => args::DumpFormat::Csv,
        "jsonl" | "ndjson" | "json" => args::DumpFormat::Jsonl,
        "parquet" => args::DumpFormat::Parquet,
        _ => return None,
    })
}

fn single_byte(text: &str, option: &'static str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err(Error::usage("not a single ASCII character").with("option", option)),
    }
}

/// How far events are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Into the changelog.
    Log,
    /// Into the changelog, and merged into the table.
    Merge,
}

/// Events to take from sources.
#[derive(Debug)]
pub struct SyncRequest {
    pub stage: Stage,
    pub sources: Vec<SourceSelection>,
    /// Where tables differ.
    pub tables: BTreeMap<TableName, TableSettings>,
    /// Event time, in microseconds since the epoch, up to which everything has arrived.
    pub complete_until_us: Option<i64>,
}

/// A source, or one table of it.
#[derive(Debug)]
pub struct SourceSelection {
    pub source: SourceSettings,
    pub table: Option<TableName>,
}

impl SyncRequest {
    /// Every enabled source.
    pub(crate) fn run(args: &RunArgs, settings: Settings) -> Result<Self> {
        Self::all(Stage::Merge, &args.limits, None, settings)
    }

    pub(crate) fn resolve(stage: Stage, args: &SyncArgs, settings: Settings, cwd: &Path) -> Result<Self> {
        let zone = parse_zone(args.timezone.as_deref())?;
        let Some(table) = &args.table else { return Self::all(stage, &args.limits, zone, settings) };
        let table: TableName = table.parse()?;
        let mut source = source_of(&table, args, &settings)?;
        if !args.paths.is_empty() {
            source.paths = args.paths.iter().map(|path| absolute(path, cwd)).collect::<Result<_>>()?;
        }
        let mut of_table = settings.table(&table);
        source.schema = schema(Some(&source), &of_table).overlaid(&args.schema, cwd)?;
        source.timezone = zone.or(source.timezone);
        of_table.keys = args.schema.keys.clone().or(of_table.keys);
        of_table.table_format = args.table_format.map(TableFormatKind::from).or(of_table.table_format);
        overlay(&mut source, &args.limits)?;
        Ok(Self {
            stage,
            complete_until_us: complete_until(&args.limits, source.timezone)?,
            sources: vec![SourceSelection { source, table: Some(table.clone()) }],
            tables: BTreeMap::from([(table, of_table)]),
        })
    }

    /// One table's records that were put aside, from a file that holds them again.
    pub(crate) fn retry(table: &TableName, file: String, settings: &Settings) -> Result<Self> {
        let feeding = settings.sources.values().find(|source| source.feeds(table));
        let mut source =
            feeding.cloned().unwrap_or_else(|| SourceSettings::ad_hoc(ChangeFormat::DebeziumJson, settings.limits, settings.table_format));
        let of_table = settings.table(table);
        source.schema = schema(Some(&source), &of_table);
        source.paths = vec![file];
        source.on_error = OnError::QuarantineAgain;
        Ok(Self {
            stage: Stage::Merge,
            complete_until_us: None,
            sources: vec![SourceSelection { source, table: Some(table.clone()) }],
            tables: BTreeMap::from([(table.clone(), of_table)]),
        })
    }

    fn all(stage: Stage, limits: &LimitArgs, zone: Option<Tz>, settings: Settings) -> Result<Self> {
        if settings.sources.is_empty() {
            return Err(Error::usage("no source is configured; `waterline add PATH` finds one"));
        }
        let mut sources: Vec<_> = settings.sources.into_values().filter(|source| source.enabled).collect();
        for source in &mut sources {
            source.timezone = zone.or(source.timezone);
            overlay(source, limits)?;
        }
        Ok(Self {
            stage,
            complete_until_us: complete_until(limits, zone)?,
            sources: sources.into_iter().map(|source| SourceSelection { source, table: None }).collect(),
            tables: settings.tables,
        })
    }
}

/// The configured source that feeds the table. Paths with a format of their own need none.
fn source_of(table: &TableName, args: &SyncArgs, settings: &Settings) -> Result<SourceSettings> {
    let mut feeding = settings.sources.values().filter(|source| source.feeds(table));
    match (feeding.next(), feeding.next(), args.format) {
        (Some(source), None, None) => Ok(source.clone()),
        (Some(source), None, Some(format)) if source.format == format.into() => Ok(source.clone()),
        (_, _, Some(format)) => Ok(SourceSettings::ad_hoc(ChangeFormat::from(format), settings.limits, settings.table_format)),
        (Some(first), Some(second), None) => {
            Err(Error::usage("two sources feed the table").with("table", table).with("source", &first.name).with("source", &second.name))
        }
        (None, _, None) if args.paths.is_empty() => {
            Err(Error::usage("no source feeds the table; give PATHs and --format, or add one").with("table", table))
        }
        (None, _, None) => Ok(SourceSettings::ad_hoc(ChangeFormat::DebeziumJson, settings.limits, settings.table_format)),
    }
}

fn overlay(source: &mut SourceSettings, args: &LimitArgs) -> Result<()> {
    source.limits = with_memory(source.limits, args.memory.memory_limit.as_deref())?;
    if let Some(rows) = args.batch_rows {
        source.limits.batch_rows = usize::try_from(rows).unwrap_or(usize::MAX);
    }
    source.on_error = args.on_error.map_or(source.on_error, OnError::from);
    Ok(())
}

pub(crate) fn with_memory(mut limits: Limits, memory: Option<&str>) -> Result<Limits> {
    if let Some(text) = memory {
        limits.memory_bytes = text.parse::<Size>().map_err(|e| e.with("option", "--memory-limit"))?.0;
    }
    Ok(limits)
}

/// What a command may use that reads only.
pub(crate) fn memory_bytes(settings: &Settings, args: &MemoryArgs) -> Result<usize> {
    Ok(with_memory(settings.limits, args.memory_limit.as_deref())?.memory_bytes)
}

fn complete_until(args: &LimitArgs, zone: Option<Tz>) -> Result<Option<i64>> {
    args.complete_until.as_deref().map(|text| parse_moment(text, zone).map_err(|e| e.with("option", "--complete-until"))).transpose()
}

/// A query and the cut that it reads.
#[derive(Debug)]
pub struct QueryRequest {
    pub sql: String,
    pub cut: ReadCut,
    /// For tables that the query itself reads as of a moment.
    pub beyond: Beyond,
    pub timezone: Option<Tz>,
    pub limits: Limits,
}

/// Which state of each table is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadCut {
    Newest,
    /// An id, a tag or a branch.
    Snapshot(String),
    /// Microseconds since the epoch, in commit time.
    CommittedBy(i64),
    /// A moment of the source.
    AsOf(Cut),
    /// Moments of the source, in microseconds since the epoch; by what had been committed until a time in milliseconds.
    AsOfEach {
        moments_us: Vec<i64>,
        known_by_ms: Option<i64>,
    },
}

impl QueryRequest {
    pub(crate) fn resolve(args: &QueryArgs, sql: String, settings: &Settings, cwd: &Path) -> Result<Self> {
        let timezone = parse_zone(args.timezone.as_deref())?;
        let moment = |text: &Option<String>, option: &'static str| -> Result<Option<i64>> {
            text.as_deref().map(|text| parse_moment(text, timezone).map_err(|e| e.with("option", option))).transpose()
        };
        let beyond = if args.allow_incomplete { Beyond::AsLogged } else { Beyond::Refuse };
        let committed_by_us = moment(&args.committed_by, "--committed-by")?;
        let known_by_ms = committed_by_us.map(|at_us| at_us.div_euclid(1000));
        let cut = match (&args.snapshot, &args.as_of_each, moment(&args.as_of, "--as-of")?, committed_by_us) {
            (Some(name), ..) => ReadCut::Snapshot(name.clone()),
            (None, Some(file), ..) => ReadCut::AsOfEach { moments_us: read_moments(&cwd.join(file), timezone)?, known_by_ms },
            (None, None, Some(at_us), _) => ReadCut::AsOf(Cut { at_us, known_by_ms, beyond }),
            (None, None, None, Some(at_us)) => ReadCut::CommittedBy(at_us),
            (None, None, None, None) => ReadCut::Newest,
        };
        let limits = with_memory(settings.limits, args.memory_limit.as_deref())?;
        Ok(Self { sql, cut, beyond, timezone, limits })
    }
}

#[cfg(test)]
mod tests;
