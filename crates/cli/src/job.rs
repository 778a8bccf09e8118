//! From settings to what the engine is asked for.

use std::collections::BTreeMap;
use std::path::Path;

use waterline_core::ddl::{Ddl, SqlDialect, declared_field, parse_ddl};
use waterline_core::decode::{ChangeFormat as Format, DecodeSettings};
use waterline_core::dump::{CsvOptions, DumpFormat as EngineDumpFormat, DumpOptions, Header};
use waterline_core::error::{Error, Result};
use waterline_core::format::TABLE_FORMAT;
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;
use waterline_engine::ingest::{SchemaSource, Source, TableSelection};
use waterline_engine::lake;
use waterline_engine::tables::TableSettings as EngineTableSettings;

use crate::lake::DELTA;
use crate::settings::request::{CsvHeader, DumpFormat, SourceSelection};
use crate::settings::{ChangeFormat, Dialect, Limits, SchemaSettings, SourceSettings, TableFormatKind, TableSettings};

/// A source with its declared schemas read.
pub(crate) fn source(selection: &SourceSelection, tables: &BTreeMap<TableName, TableSettings>) -> Result<Source> {
    let settings = &selection.source;
    let selected = match &selection.table {
        Some(table) => TableSelection::One(table.clone()),
        None => TableSelection::Matching {
            patterns: settings.tables.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            disabled: tables.iter().filter(|(_, table)| !table.enabled).map(|(name, _)| name.clone()).collect(),
        },
    };
    Ok(Source {
        name: settings.name.clone(),
        paths: selection.table.as_ref().map_or_else(|| settings.paths.clone(), |table| settings.paths_of(table)),
        decode: decode(settings, selection.table.as_ref().and_then(|table| tables.get(table)))?,
        schema: schema(&settings.schema, tables)?,
        lateness_us: i64::try_from(settings.lateness.as_micros()).unwrap_or(i64::MAX),
        tables: selected,
        table_settings: tables
            .iter()
            .map(|(name, table)| (name.clone(), table_settings(table, settings.keys.as_ref(), settings.table_format)))
            .collect(),
        default_settings: table_settings(&TableSettings::default(), settings.keys.as_ref(), settings.table_format),
    })
}

fn decode(settings: &SourceSettings, table: Option<&TableSettings>) -> Result<DecodeSettings> {
    let format = match settings.format {
        ChangeFormat::DebeziumJson => Format::DebeziumJson,
        ChangeFormat::DebeziumAvro => Format::DebeziumAvro,
        ChangeFormat::PlainJson => Format::Plain(settings.fields.clone()),
    };
    let mut decode = DecodeSettings::new(format);
    decode.source_name.clone_from(&settings.name);
    decode.sequence_by =
        table.map(|table| table.sequence_by.clone()).filter(|columns| !columns.is_empty()).unwrap_or_else(|| settings.sequence_by.clone());
    decode.timezone = settings.timezone.unwrap_or(decode.timezone);
    decode.decimal_mode = settings.modes.decimal;
    decode.time_precision = settings.modes.time;
    decode.binary_mode = settings.modes.binary;
    if let Some(placeholder) = &settings.modes.unavailable_value {
        decode.unavailable_value.clone_from(placeholder);
    }
    decode.avro_schemas = settings.avro_schemas.as_deref().map(read_plain_or_gzip).transpose()?;
    Ok(decode)
}

pub(crate) fn dump_format(format: &DumpFormat, general: DumpOptions) -> EngineDumpFormat {
    match format {
        DumpFormat::Parquet => EngineDumpFormat::Parquet,
        DumpFormat::JsonLines => EngineDumpFormat::JsonLines(general),
        DumpFormat::Csv(csv) => EngineDumpFormat::Csv(CsvOptions {
            delimiter: csv.delimiter,
            quote: csv.quote,
            escape: csv.quote,
            null: csv.null.clone(),
            header: match csv.header {
                CsvHeader::Present => Header::Present,
                CsvHeader::Absent => Header::Absent,
            },
            general,
        }),
    }
}

/// The schemas that are declared in SQL files, and by hand for single tables.
pub(crate) fn schema(settings: &SchemaSettings, tables: &BTreeMap<TableName, TableSettings>) -> Result<SchemaSource> {
    let dialect = sql_dialect(settings.dialect);
    let mut columns = BTreeMap::new();
    for (name, table) in tables.iter().filter(|(_, table)| !table.columns.is_empty()) {
        columns.insert(name.clone(), declared_columns(&table.columns, dialect).map_err(|e| e.with("table", name))?);
    }
    Ok(SchemaSource { ddl: ddl(settings)?, columns })
}

pub(crate) fn ddl(settings: &SchemaSettings) -> Result<Option<Ddl>> {
    if settings.ddl.is_empty() {
        return Ok(None);
    }
    let mut sql = String::new();
    for path in &settings.ddl {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::usage("the DDL cannot be read").with("file", path.display()).caused_by(e))?;
        sql.push_str(&text);
        sql.push('\n');
    }
    let names: Vec<String> = settings.ddl.iter().map(|path| path.display().to_string()).collect();
    parse_ddl(&sql, sql_dialect(settings.dialect)).map(Some).map_err(|e| e.with("file", names.join(", ")))
}

/// `name type` definitions.
fn declared_columns(definitions: &[String], dialect: SqlDialect) -> Result<TableSchema> {
    let fields = definitions.iter().map(|definition| {
        let (name, data_type) = definition
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| Error::usage("a column is declared as `name type`").with("column", definition))?;
        declared_field(name, data_type.trim(), dialect)
    });
    TableSchema::new(fields.collect::<Result<_>>()?, Vec::new())
}

fn sql_dialect(dialect: Dialect) -> SqlDialect {
    match dialect {
        Dialect::Postgres => SqlDialect::Postgres,
        Dialect::Mysql => SqlDialect::MySql,
    }
}

/// `table_format` is that of the source or lake; the table's own goes before it.
pub(crate) fn table_settings(table: &TableSettings, keys: Option<&Vec<String>>, table_format: TableFormatKind) -> EngineTableSettings {
    let mut properties = table.properties.clone();
    if table.table_format.unwrap_or(table_format) == TableFormatKind::Delta {
        properties.insert(TABLE_FORMAT.into(), DELTA.into());
    }
    EngineTableSettings { keys: table.keys.clone().or_else(|| keys.cloned()), partition_by: table.partition_by.clone(), properties }
}

pub(crate) fn limits(limits: &Limits) -> lake::Limits {
    // Decoded columns, their Parquet pages and the key index of a batch take a few times its bytes.
    lake::Limits { batch_rows: limits.batch_rows, batch_bytes: limits.batch_bytes.min(limits.memory_bytes / 8) }
}

fn read_plain_or_gzip(path: &Path) -> Result<String> {
    use std::io::Read;
    let failed = |e| Error::usage("the file cannot be read").with("file", path.display()).caused_by(e);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text)
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text)
    };
    read.map_err(failed)?;
    Ok(text)
}
