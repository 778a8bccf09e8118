//! How records are written: the format, and the modes that a converter was set to.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::change::Op;
use crate::error::{Error, Result};

/// Form of the input's records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a source has one")]
pub enum ChangeFormat {
    /// Debezium's JSON converter, with or without schemas; bare values or `{key, value}` lines; flattened records too.
    DebeziumJson,
    /// Debezium with Confluent's Avro converter; see [`DecodeSettings::avro_schemas`].
    DebeziumAvro,
    /// `{"op":"c","updated_at":"2025-11-12 03:11:00","record":{"id":5}}`.
    Plain(PlainFields),
}

impl FromStr for ChangeFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "debezium-json" => Self::DebeziumJson,
            "debezium-avro" => Self::DebeziumAvro,
            "plain-json" => Self::Plain(PlainFields::default()),
            _ => {
                return Err(Error::usage("not a change format; there are debezium-json, debezium-avro and plain-json").with("format", text));
            }
        })
    }
}

impl fmt::Display for ChangeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DebeziumJson => "debezium-json",
            Self::DebeziumAvro => "debezium-avro",
            Self::Plain(_) => "plain-json",
        })
    }
}

/// Names of the fields of the plain form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlainFields {
    pub op: String,
    pub record: String,
    pub time: String,
    /// The row before the change, where records carry one.
    pub before: String,
    /// Names the table as `namespace.table`, where records of several tables are mixed.
    pub table: String,
    pub words: OpWords,
}

impl Default for PlainFields {
    fn default() -> Self {
        Self {
            op: "op".into(),
            record: "record".into(),
            time: "updated_at".into(),
            before: "before".into(),
            table: "table".into(),
            words: OpWords::default(),
        }
    }
}

/// Words of the plain form for each op, in any case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpWords {
    pub create: Vec<String>,
    pub update: Vec<String>,
    pub delete: Vec<String>,
    pub truncate: Vec<String>,
    pub read: Vec<String>,
}

impl Default for OpWords {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Self {
            create: words(&["c", "i", "create", "insert"]),
            update: words(&["u", "update"]),
            delete: words(&["d", "delete"]),
            truncate: words(&["t", "truncate"]),
            read: words(&["r", "read"]),
        }
    }
}

impl OpWords {
    pub(super) fn op(&self, word: &str) -> Option<Op> {
        let ops = [
            (&self.create, Op::Create),
            (&self.update, Op::Update),
            (&self.delete, Op::Delete),
            (&self.truncate, Op::Truncate),
            (&self.read, Op::Read),
        ];
        ops.into_iter().find(|(words, _)| words.iter().any(|known| known.eq_ignore_ascii_case(word))).map(|(_, op)| op)
    }
}

/// Debezium's `decimal.handling.mode`, for records without a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMode {
    /// Told by what the values show, see [`crate::normalise`].
    #[default]
    Auto,
    Precise,
    String,
    Double,
}

/// Debezium's `time.precision.mode`, for records without a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePrecision {
    /// Told by what the values show, see [`crate::normalise`]. Never `connect`, whose milliseconds show nothing.
    #[default]
    Auto,
    Adaptive,
    AdaptiveTimeMicroseconds,
    Connect,
    Isostring,
    Microseconds,
    Nanoseconds,
}

/// Debezium's `binary.handling.mode`. A message's schema calls bytes in hexadecimal or base64 text, so that only a table
/// declared as bytes makes bytes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryMode {
    /// Told by what the values show, see [`crate::normalise`].
    #[default]
    Auto,
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}

/// How the records of one source are read.
#[derive(Clone, Debug)]
pub struct DecodeSettings {
    pub format: ChangeFormat,
    /// Columns that order the events of a source without a log position, most significant first. In the plain form the
    /// name of the time field stands for the event time.
    pub sequence_by: Vec<String>,
    /// Domain of events that do not name their source.
    pub source_name: String,
    /// JSON lines `{"id": 7, "schema": {...}}` from a schema registry.
    pub avro_schemas: Option<String>,
    /// Debezium's `unavailable.value.placeholder`.
    pub unavailable_value: String,
    /// Of timestamps that say no offset.
    pub timezone: Tz,
    pub decimal_mode: DecimalMode,
    pub time_precision: TimePrecision,
    pub binary_mode: BinaryMode,
}

impl DecodeSettings {
    pub fn new(format: ChangeFormat) -> Self {
        Self {
            format,
            sequence_by: Vec::new(),
            source_name: "default".into(),
            avro_schemas: None,
            unavailable_value: "__debezium_unavailable_value".into(),
            timezone: Tz::UTC,
            decimal_mode: DecimalMode::Auto,
            time_precision: TimePrecision::Auto,
            binary_mode: BinaryMode::Auto,
        }
    }
}
