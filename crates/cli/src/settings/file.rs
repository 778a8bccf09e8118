//! waterline.toml as it is written: sections and keys, checked for their types only. Unknown keys are errors.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use waterline_core::decode::{BinaryMode, DecimalMode, PlainFields, TimePrecision};
use waterline_core::error::{Error, Result};
use waterline_core::partition::PartitionField;
use waterline_core::table::TableName;

use crate::settings::amount::{Size, Span};
use crate::settings::expand::{Variables, expand, parse_document};
use crate::settings::place::Place;
use crate::settings::retention::RetentionSection;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) catalog: Option<CatalogSection>,
    /// Of tables that are made, where their source or section says nothing.
    pub(crate) table_format: Option<TableFormatName>,
    #[serde(default)]
    pub(crate) limits: LimitsSection,
    #[serde(default)]
    pub(crate) sources: BTreeMap<String, SourceSection>,
    #[serde(default)]
    pub(crate) tables: BTreeMap<TableName, TableSection>,
    /// Of all tables.
    pub(crate) retention: Option<RetentionSection>,
}

impl File {
    pub(crate) fn parse(text: &str, path: &Path, variables: Variables) -> Result<Self> {
        let document = parse_document(text, path)?;
        let text = expand(text, path, &document, variables)?;
        toml::from_str(&text).map_err(|error| located(&error, &text, path))
    }
}

fn located(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let usage = Error::usage("the configuration is wrong");
    let usage = match (error.span(), parse_document(text, path)) {
        (Some(span), Ok(document)) => Place::of(&document, text, span.start).describe(usage, path),
        _ => usage.with("file", path.display()),
    };
    usage.with("reason", without_values(error.message()))
}

/// A message of the parser without the value that it quotes, since that may be a secret.
fn without_values(message: &str) -> String {
    let quotes_value = message.starts_with("invalid type") || message.starts_with("invalid value");
    match message.rfind("expected ") {
        Some(at) if quotes_value => message[at..].to_owned(),
        _ => message.to_owned(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogSection {
    #[serde(rename = "type")]
    pub(crate) kind: CatalogKind,
    pub(crate) name: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) warehouse: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CatalogKind {
    Sql,
    Filesystem,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsSection {
    pub(crate) batch_rows: Option<std::num::NonZeroUsize>,
    pub(crate) batch_size: Option<Parsed<Size>>,
    pub(crate) memory_limit: Option<Parsed<Size>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSection {
    pub(crate) path: OneOrMany<String>,
    pub(crate) format: ChangeFormatName,
    pub(crate) tables: Option<Vec<String>>,
    pub(crate) schema: Option<SchemaSection>,
    pub(crate) keys: Option<Vec<String>>,
    pub(crate) sequence_by: Option<OneOrMany<String>>,
    pub(crate) fields: Option<PlainFields>,
    pub(crate) lateness: Option<Parsed<Span>>,
    pub(crate) timezone: Option<Parsed<Tz>>,
    pub(crate) on_error: Option<OnErrorName>,
    pub(crate) table_format: Option<TableFormatName>,
    pub(crate) enabled: Option<bool>,
    /// How the connector's converter was set, where the values alone do not show it.
    #[serde(default)]
    pub(crate) modes: ConverterModes,
    pub(crate) avro_schemas: Option<PathBuf>,
    #[serde(default)]
    pub(crate) limits: LimitsSection,
}

/// Debezium's words for how values are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConverterModes {
    pub decimal: DecimalMode,
    pub time: TimePrecision,
    pub binary: BinaryMode,
    /// Placeholder of columns that were not sent.
    pub unavailable_value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChangeFormatName {
    DebeziumJson,
    DebeziumAvro,
    PlainJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnErrorName {
    Stop,
    Quarantine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TableFormatName {
    Iceberg,
    Delta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaSection {
    pub(crate) ddl: OneOrMany<String>,
    pub(crate) dialect: Option<DialectName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DialectName {
    #[serde(alias = "postgresql")]
    Postgres,
    #[serde(alias = "mariadb")]
    Mysql,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSection {
    pub(crate) keys: Option<Vec<String>>,
    pub(crate) sequence_by: Option<OneOrMany<String>>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) partition_by: Option<Vec<Parsed<PartitionField>>>,
    pub(crate) enabled: Option<bool>,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, Scalar>,
    pub(crate) table_format: Option<TableFormatName>,
    pub(crate) location: Option<String>,
    pub(crate) retention: Option<RetentionSection>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
    }
}

/// Table properties are text; numbers and booleans may be written bare.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string, a number or a boolean")]
pub(crate) enum Scalar {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

impl Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}

/// A value that is written as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed<T>(pub(crate) T);

impl<'a, T: FromStr<Err: Display>> Deserialize<'a> for Parsed<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}
