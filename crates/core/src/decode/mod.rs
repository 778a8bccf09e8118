//! From the bytes of one record to what it says: a change of a row, the progress of its source, or a change of schema.
//!
//! A decoder reads the envelope and leaves the images of the row as JSON: [`crate::normalise`] reads them once the
//! table's columns are known. It holds nothing between records but caches, so records may be decoded in any order.
//! See <https://debezium.io/documentation/reference/stable/connectors/postgresql.html> for the envelope.

mod avro;
mod avro_schema;
mod change;
mod connect;
mod debezium;
pub(crate) mod flattened;
mod headers;
pub(crate) mod json;
mod outline;
mod plain;
mod position;
mod schema_change;
mod settings;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;

pub(crate) use change::Form;
pub use change::{Change, SnapshotMark};
pub(crate) use connect::MessageSchema;
pub(crate) use plain::in_zone;
pub use position::Position;
pub use schema_change::{SchemaChange, TableChange};
pub use settings::{BinaryMode, ChangeFormat, DecimalMode, DecodeSettings, OpWords, PlainFields, TimePrecision};

use crate::error::{Error, Result};
use crate::table::TableName;

/// A message's schema is repeated in every message of its table, so there are as many as tables and their versions.
const MAX_CACHED_SCHEMAS: usize = 1_024;

/// What a record says.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every message is a change")]
pub enum Message<'a> {
    Change(Change<'a>),
    /// The connector was alive at this time of its own clock, which says nothing of how far it had read the source.
    Heartbeat {
        time_us: i64,
    },
    /// The end of a transaction, at the source's time.
    TransactionEnd {
        id: Cow<'a, str>,
        time_us: i64,
    },
    /// DDL that the source ran.
    Schema(SchemaChange),
    /// A tombstone, a logical message, the begin of a transaction, an empty line.
    Ignored,
}

impl Message<'_> {
    /// The message with its own copy of everything but the record's bytes.
    fn into_owned<'l>(self, line: &'l [u8]) -> Message<'l> {
        match self {
            Self::Change(change) => Message::Change(change.into_owned(line)),
            Self::Heartbeat { time_us } => Message::Heartbeat { time_us },
            Self::TransactionEnd { id, time_us } => Message::TransactionEnd { id: Cow::Owned(id.into_owned()), time_us },
            Self::Schema(change) => Message::Schema(change),
            Self::Ignored => Message::Ignored,
        }
    }
}

/// Decodes the records of one source.
#[derive(Debug)]
pub struct Decoder {
    settings: DecodeSettings,
    avro: Option<avro::Registry>,
    plain: Arc<PlainFields>,
    schemas: HashMap<Box<str>, Arc<MessageSchema>>,
    last_table: Option<Arc<TableName>>,
    last_domain: Arc<str>,
}

impl Decoder {
    pub fn new(settings: DecodeSettings) -> Result<Self> {
        let avro = match (&settings.format, &settings.avro_schemas) {
            (ChangeFormat::DebeziumAvro, Some(lines)) => Some(avro::Registry::read(lines)?),
            (ChangeFormat::DebeziumAvro, None) => return Err(Error::usage("debezium-avro needs the schemas of its registry")),
            _ => None,
        };
        let plain = match &settings.format {
            ChangeFormat::Plain(fields) => Arc::new(fields.clone()),
            ChangeFormat::DebeziumJson | ChangeFormat::DebeziumAvro => Arc::default(),
        };
        let last_domain = settings.source_name.as_str().into();
        Ok(Self { settings, avro, plain, schemas: HashMap::new(), last_table: None, last_domain })
    }

    pub fn settings(&self) -> &DecodeSettings {
        &self.settings
    }

    /// Decodes one record. An error names the field and the JSON type seen; file and record are the caller's to add.
    pub fn decode<'a>(&mut self, line: &'a [u8]) -> Result<Message<'a>> {
        let json = std::str::from_utf8(line).map_err(|e| Error::bad_input("the record is not UTF-8").with("byte", e.valid_up_to() + 1))?;
        match &self.settings.format {
            ChangeFormat::DebeziumJson => debezium::decode(self, json, line),
            ChangeFormat::DebeziumAvro => avro::decode(self, json, line),
            ChangeFormat::Plain(_) => plain::decode(self, json, line),
        }
    }

    fn table(&mut self, namespace: Option<&str>, name: &str) -> Result<Option<Arc<TableName>>> {
        let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty() && !name.is_empty()) else { return Ok(None) };
        if let Some(last) = &self.last_table
            && last.namespace() == namespace
            && last.name() == name
        {
            return Ok(Some(last.clone()));
        }
        let table = TableName::new(namespace, name)
            .map_err(|_| Error::bad_input("the record names a table that cannot exist").with("field", "source.table"))?;
        let table = Arc::new(table);
        self.last_table = Some(table.clone());
        Ok(Some(table))
    }

    fn domain(&mut self, name: Option<&str>) -> Arc<str> {
        let name = name.unwrap_or(&self.settings.source_name);
        if *self.last_domain != *name {
            self.last_domain = name.into();
        }
        self.last_domain.clone()
    }

    fn message_schema(&mut self, json: &str) -> Result<Arc<MessageSchema>> {
        if let Some(known) = self.schemas.get(json) {
            return Ok(known.clone());
        }
        if self.schemas.len() == MAX_CACHED_SCHEMAS {
            self.schemas.clear();
        }
        let schema = Arc::new(MessageSchema::read(json)?);
        self.schemas.insert(json.into(), schema.clone());
        Ok(schema)
    }
}
