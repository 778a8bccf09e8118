//! Debezium with Confluent's Avro converter: `{"$base64": ...}` of a zero byte, the schema's id and the datum.
//!
//! A datum becomes the JSON that Debezium's JSON converter would have written, and its schema, whose `connect.*` properties
//! keep Connect's types, a [`ConnectSchema`]. From there on the path is the same.
//! <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>

use std::collections::HashMap;
use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;

use apache_avro::types::Value;
use apache_avro::util::max_allocation_bytes;
use apache_avro::{Schema, from_avro_datum};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::connect::{ConnectSchema, MessageSchema};
use super::debezium::{Around, Schema as AroundSchema, classify, transported};
use super::json::{each_field, is_null, string};
use super::outline::Outline;
use super::{Decoder, Message};
use crate::error::{Error, Result};

/// No string or bytes of a datum may claim to be longer.
const MAX_VALUE_BYTES: usize = 256 << 20;
/// Magic byte and id.
const HEADER_BYTES: usize = 5;

/// The schemas of a registry, by id.
#[derive(Debug)]
pub(super) struct Registry(HashMap<u32, Registered>);

#[derive(Debug)]
struct Registered {
    schema: Schema,
    /// Of a record; keys and values alike.
    message: Option<Arc<MessageSchema>>,
}

impl Registry {
    /// Reads lines of `{"id": 7, "schema": {...}}`; the schema may also be in a string, as the registry's API has it.
    pub(super) fn read(lines: &str) -> Result<Self> {
        max_allocation_bytes(MAX_VALUE_BYTES);
        let mut registry = HashMap::new();
        for (at, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (id, schema) = entry(line).map_err(|e| e.with("schema line", at + 1))?;
            registry.insert(id, schema);
        }
        Ok(Self(registry))
    }

    /// The JSON of a value, and its schema.
    fn decode(&self, bytes: &[u8]) -> Result<(String, Option<Arc<MessageSchema>>)> {
        let (header, datum) = bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| Error::bad_input("the Avro message is too short"))?;
        let [0, id @ ..] = header else { return Err(Error::bad_input("the Avro message does not begin with Confluent's magic byte")) };
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let registered =
            self.0.get(&id).ok_or_else(|| Error::bad_input("the schema of the message is not among those given").with("schema id", id))?;
        let fault = || Error::bad_input("the Avro message does not follow its schema").with("schema id", id);
        let mut datum = Datum { rest: datum, is_short: false };
        let value = from_avro_datum(&registered.schema, &mut datum, None).map_err(|_| fault())?;
        if datum.is_short {
            return Err(fault());
        }
        if !datum.rest.is_empty() {
            return Err(Error::bad_input("bytes follow the Avro message").with("schema id", id));
        }
        let mut json = String::new();
        write_json(&value, &mut json);
        Ok((json, registered.message.clone()))
    }
}

/// The bytes of a datum. The Avro crate makes nulls of what is missing at its end, so this remembers that something was.
struct Datum<'d> {
    rest: &'d [u8],
    is_short: bool,
}

impl Read for Datum<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.is_short |= self.rest.len() < buffer.len();
        self.rest.read(buffer)
    }
}

fn entry(line: &str) -> Result<(u32, Registered)> {
    let fault = || Error::usage("not a schema of Avro");
    let entry: Json = serde_json::from_str(line).map_err(|_| fault())?;
    let id = entry.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok()).ok_or_else(fault)?;
    let schema = match entry.get("schema") {
        Some(Json::String(text)) => serde_json::from_str(text).map_err(|_| fault())?,
        Some(schema) => schema.clone(),
        None => return Err(fault()),
    };
    let parsed = Schema::parse(&schema).map_err(|e| fault().caused_by(e))?;
    let connect = ConnectSchema::of_avro(&schema).ok_or_else(fault)?;
    let message = (connect.kind == "struct").then(|| MessageSchema::of(&connect).map(Arc::new)).transpose()?;
    Ok((id, Registered { schema: parsed, message }))
}

pub(super) fn decode<'a>(decoder: &mut Decoder, json: &'a str, line: &'a [u8]) -> Result<Message<'a>> {
    let json = json.trim();
    if json.is_empty() || is_null(json) {
        return Ok(Message::Ignored);
    }
    let outline = Outline::read(json)?;
    let mut around = Around::default();
    let value = if outline.is_transport() { transported(&outline, &mut around)? } else { json };
    if is_null(value) {
        return Ok(Message::Ignored);
    }
    let registry = decoder.avro.as_ref().ok_or_else(|| Error::internal("a decoder of Avro has no schemas"))?;
    let key = around.key.map(|key| registry.decode(&bytes(key)?)).transpose().map_err(|e| e.with("field", "key"))?;
    let (value, schema) = registry.decode(&bytes(value).map_err(|e| e.with("field", "value"))?).map_err(|e| e.with("field", "value"))?;
    let around = Around {
        key: key.as_ref().map(|(key, _)| key.as_str()).filter(|key| !is_null(key)),
        value_schema: schema.map_or(AroundSchema::None, AroundSchema::Known),
        ..around
    };
    let outline = Outline::read(&value)?;
    Ok(classify(decoder, &value, outline, around, line)?.into_owned(line))
}

/// `{"$base64": "..."}`.
fn bytes(json: &str) -> Result<Vec<u8>> {
    let mut encoded = None;
    each_field(json, |name, value| {
        if name == "$base64" {
            encoded = string(value);
        }
        Ok(())
    })?;
    let decoded = encoded.and_then(|text| STANDARD.decode(text.as_bytes()).ok());
    decoded.ok_or_else(|| Error::bad_input("an Avro message is expected as {\"$base64\": ...}"))
}

/// As Debezium's JSON converter writes it: bytes in base64, floating-point numbers without digits as strings.
fn write_json(value: &Value, json: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Null => write!(json, "null"),
        Value::Boolean(value) => write!(json, "{value}"),
        Value::Int(value) | Value::Date(value) | Value::TimeMillis(value) => write!(json, "{value}"),
        Value::Long(value)
        | Value::TimeMicros(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
        | Value::LocalTimestampMillis(value)
        | Value::LocalTimestampMicros(value)
        | Value::LocalTimestampNanos(value) => write!(json, "{value}"),
        Value::Float(value) if value.is_finite() => write!(json, "{value:?}"),
        Value::Double(value) if value.is_finite() => write!(json, "{value:?}"),
        Value::Float(value) => write!(json, "\"{}\"", infinite(f64::from(*value))),
        Value::Double(value) => write!(json, "\"{}\"", infinite(*value)),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => write!(json, "\"{}\"", STANDARD.encode(bytes)),
        Value::Decimal(decimal) => write!(json, "\"{}\"", STANDARD.encode(Vec::<u8>::try_from(decimal).unwrap_or_default())),
        Value::String(text) | Value::Enum(_, text) => write!(json, "{}", Json::from(text.as_str())),
        Value::Uuid(uuid) => write!(json, "\"{uuid}\""),
        Value::Union(_, value) => {
            write_json(value, json);
            Ok(())
        }
        Value::Array(elements) => {
            write_list(json, ['[', ']'], elements.iter(), write_json);
            Ok(())
        }
        Value::Map(fields) => {
            write_list(json, ['{', '}'], fields.iter(), |(name, value), json| write_field(name, value, json));
            Ok(())
        }
        Value::Record(fields) => {
            write_list(json, ['{', '}'], fields.iter(), |(name, value), json| write_field(name, value, json));
            Ok(())
        }
        // No converter of Connect writes these.
        Value::BigDecimal(_) | Value::Duration(_) => write!(json, "null"),
    };
}

fn infinite(value: f64) -> &'static str {
    match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

fn write_list<T>(json: &mut String, [open, close]: [char; 2], items: impl Iterator<Item = T>, write: impl Fn(T, &mut String)) {
    json.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            json.push(',');
        }
        write(item, json);
    }
    json.push(close);
}

fn write_field(name: &str, value: &Value, json: &mut String) {
    let _ = write!(json, "{}:", Json::from(name));
    write_json(value, json);
}
