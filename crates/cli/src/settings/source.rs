//! Sources, resolved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use waterline_core::decode::PlainFields;
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;

use crate::args;
use crate::settings::file::{ChangeFormatName, ConverterModes, DialectName, OnErrorName, OneOrMany, SchemaSection, SourceSection};
use crate::settings::{Limits, TableFormatKind, TablePattern, absolute};

/// Where the name of a table stands in a source's path.
const TABLE_PLACEHOLDER: &str = "{table}";

/// One connector or landing area.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub name: String,
    /// Absolute paths or URLs; `{table}` in one stands for NAMESPACE.TABLE, and without it the events name their table.
    pub paths: Vec<String>,
    pub format: ChangeFormat,
    /// Names of fields, for [`ChangeFormat::PlainJson`].
    pub fields: PlainFields,
    /// Which tables are taken up.
    pub tables: Vec<TablePattern>,
    pub schema: SchemaSettings,
    pub keys: Option<Vec<String>>,
    /// Columns that order events, for sources without an order of their own.
    pub sequence_by: Vec<String>,
    pub modes: ConverterModes,
    /// File of a schema registry's schemas, for [`ChangeFormat::DebeziumAvro`].
    pub avro_schemas: Option<PathBuf>,
    pub lateness: Duration,
    pub timezone: Option<Tz>,
    pub on_error: OnError,
    pub table_format: TableFormatKind,
    pub enabled: bool,
    pub limits: Limits,
}

impl SourceSettings {
    pub(crate) fn from_section(
        name: &str,
        section: SourceSection,
        limits: Limits,
        of_lake: TableFormatKind,
        folder: &Path,
    ) -> Result<Self> {
        let paths = section.path.into_vec().iter().map(|path| absolute(path, folder)).collect::<Result<Vec<_>>>()?;
        if paths.is_empty() {
            return Err(Error::usage("a source needs a path"));
        }
        let format = ChangeFormat::from(section.format);
        if section.fields.is_some() && format != ChangeFormat::PlainJson {
            return Err(Error::usage("`fields` names the fields of the plain-json format only"));
        }
        Ok(Self {
            name: name.to_owned(),
            paths,
            format,
            fields: section.fields.unwrap_or_default(),
            tables: section.tables.unwrap_or_else(|| vec!["*".into()]).into_iter().map(TablePattern::new).collect(),
            schema: SchemaSettings::from_section(section.schema, folder),
            keys: section.keys,
            sequence_by: section.sequence_by.map(OneOrMany::into_vec).unwrap_or_default(),
            modes: section.modes,
            avro_schemas: section.avro_schemas.map(|path| folder.join(path)),
            lateness: section.lateness.map_or(Duration::ZERO, |span| span.0.0),
            timezone: section.timezone.map(|zone| zone.0),
            on_error: section.on_error.map_or(OnError::Stop, OnError::from),
            table_format: section.table_format.map_or(of_lake, TableFormatKind::from),
            enabled: section.enabled.unwrap_or(true),
            limits: limits.overlaid(&section.limits),
        })
    }

    /// A source of its own for paths that are given on the command line.
    pub(crate) fn ad_hoc(format: ChangeFormat, limits: Limits, table_format: TableFormatKind) -> Self {
        Self {
            name: "default".into(),
            paths: Vec::new(),
            format,
            fields: PlainFields::default(),
            tables: vec![TablePattern::new("*")],
            schema: SchemaSettings::default(),
            keys: None,
            sequence_by: Vec::new(),
            modes: ConverterModes::default(),
            avro_schemas: None,
            lateness: Duration::ZERO,
            timezone: None,
            on_error: OnError::Stop,
            table_format,
            enabled: true,
            limits,
        }
    }

    pub fn feeds(&self, table: &TableName) -> bool {
        self.tables.iter().any(|pattern| pattern.matches(table))
    }

    /// The source's paths for one table. Whether they hold other tables too, the events say.
    pub fn paths_of(&self, table: &TableName) -> Vec<String> {
        self.paths.iter().map(|path| path.replace(TABLE_PLACEHOLDER, &table.to_string())).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeFormat {
    DebeziumJson,
    DebeziumAvro,
    PlainJson,
}

impl From<ChangeFormatName> for ChangeFormat {
    fn from(name: ChangeFormatName) -> Self {
        match name {
            ChangeFormatName::DebeziumJson => Self::DebeziumJson,
            ChangeFormatName::DebeziumAvro => Self::DebeziumAvro,
            ChangeFormatName::PlainJson => Self::PlainJson,
        }
    }
}

impl From<args::ChangeFormat> for ChangeFormat {
    fn from(arg: args::ChangeFormat) -> Self {
        match arg {
            args::ChangeFormat::DebeziumJson => Self::DebeziumJson,
            args::ChangeFormat::DebeziumAvro => Self::DebeziumAvro,
            args::ChangeFormat::PlainJson => Self::PlainJson,
        }
    }
}

/// What a record that cannot be read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    Stop,
    Quarantine,
    /// For records that come from the quarantine.
    QuarantineAgain,
}

impl From<OnErrorName> for OnError {
    fn from(name: OnErrorName) -> Self {
        match name {
            OnErrorName::Stop => Self::Stop,
            OnErrorName::Quarantine => Self::Quarantine,
        }
    }
}

impl From<args::OnError> for OnError {
    fn from(arg: args::OnError) -> Self {
        match arg {
            args::OnError::Stop => Self::Stop,
            args::OnError::Quarantine => Self::Quarantine,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    Postgres,
    Mysql,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Postgres => Self::Postgres,
            DialectName::Mysql => Self::Mysql,
        }
    }
}

impl From<args::DialectArg> for Dialect {
    fn from(arg: args::DialectArg) -> Self {
        match arg {
            args::DialectArg::Postgres => Self::Postgres,
            args::DialectArg::Mysql => Self::Mysql,
        }
    }
}

/// Where columns and keys are declared. With neither files nor columns, the data's own schema counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaSettings {
    /// SQL files with CREATE TABLE statements.
    pub ddl: Vec<PathBuf>,
    pub dialect: Dialect,
    /// Definitions of one table's columns, such as `id bigint`, in the dialect.
    pub columns: Vec<String>,
}

impl SchemaSettings {
    fn from_section(section: Option<SchemaSection>, folder: &Path) -> Self {
        let section = section.unwrap_or_default();
        let ddl = section.ddl.into_vec().iter().map(|path| folder.join(path)).collect();
        Self { ddl, dialect: section.dialect.map(Dialect::from).unwrap_or_default(), columns: Vec::new() }
    }

    /// What the command line says, where it says something.
    pub(crate) fn overlaid(mut self, args: &args::SchemaArgs, cwd: &Path) -> Result<Self> {
        if !args.ddl.is_empty() {
            self.ddl = existing_files(&args.ddl, cwd)?;
        }
        self.dialect = args.dialect.map_or(self.dialect, Dialect::from);
        Ok(self)
    }
}

pub(crate) fn existing_files(paths: &[PathBuf], cwd: &Path) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| cwd.join(path)).collect();
    match paths.iter().find(|path| !path.is_file()) {
        Some(missing) => Err(Error::usage("a file does not exist").with("file", missing.display())),
        None => Ok(paths),
    }
}
