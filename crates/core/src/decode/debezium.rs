//! Debezium's records: which kind one is, and a change event of it.

use std::borrow::Cow;
use std::sync::Arc;

use super::change::{Change, Form};
use super::connect::MessageSchema;
use super::flattened::Metadata;
use super::headers::Headers;
use super::json::{Nested, Object, each_field, is_null, string};
use super::outline::{Outline, payload};
use super::schema_change::SchemaChange;
use super::source::{Source, number, text};
use super::{Decoder, Message};
use crate::change::Op;
use crate::error::{Error, Result};

/// A value with what its line says around it.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    pub(super) topic: Option<Cow<'a, str>>,
    pub(super) key: Option<&'a str>,
    pub(super) headers: Headers<'a>,
    pub(super) value_schema: Schema<'a>,
}

/// The schema that came with a value.
#[derive(Debug, Default)]
pub(super) enum Schema<'a> {
    #[default]
    None,
    Json(&'a str),
    Known(Arc<MessageSchema>),
}

impl Schema<'_> {
    fn resolve(self, decoder: &mut Decoder) -> Result<Option<Arc<MessageSchema>>> {
        match self {
            Self::None => Ok(None),
            Self::Json(json) => decoder.message_schema(json).map(Some),
            Self::Known(schema) => Ok(Some(schema)),
        }
    }
}

/// Decodes a line; `line` are its bytes as they were read.
pub(super) fn decode<'a>(decoder: &mut Decoder, json: &'a str, line: &'a [u8]) -> Result<Message<'a>> {
    let json = json.trim();
    if json.is_empty() || is_null(json) {
        return Ok(Message::Ignored);
    }
    let outline = Outline::read(json)?;
    let mut around = Around::default();
    let value = if outline.is_transport() { transported(&outline, &mut around)? } else { json };
    match unwrapped(value, json, outline, &mut around)? {
        Some((row, outline)) => classify(decoder, row, outline, around, line),
        None => Ok(Message::Ignored),
    }
}

/// Takes topic, headers and key from a transport record; its value is returned.
pub(super) fn transported<'a>(outline: &Outline<'a>, around: &mut Around<'a>) -> Result<&'a str> {
    if let Some(topic) = outline.topic.filter(|topic| !is_null(topic)) {
        around.topic = Some(text("topic", topic)?);
    }
    if let Some(headers) = outline.headers.filter(|headers| !is_null(headers)) {
        around.headers = Headers::read(headers).map_err(|e| e.with("field", "headers"))?;
    }
    if let Some(key) = outline.key {
        around.key = payload(key).map_err(|e| e.with("field", "key"))?;
    }
    Ok(outline.value.unwrap_or("null"))
}

/// The value without its schema, and its outline; `None` for a tombstone.
fn unwrapped<'a>(value: &'a str, json: &'a str, outline: Outline<'a>, around: &mut Around<'a>) -> Result<Option<(&'a str, Outline<'a>)>> {
    let mut outline = if std::ptr::eq(value, json) {
        outline
    } else if is_null(value) {
        return Ok(None);
    } else {
        Outline::read(value).map_err(|e| e.with("field", "value"))?
    };
    let mut payload = value;
    if outline.is_schema_and_payload() {
        around.value_schema = outline.schema.filter(|schema| !is_null(schema)).map_or(Schema::None, Schema::Json);
        payload = outline.payload.unwrap_or("null");
        if is_null(payload) {
            return Ok(None);
        }
        outline = Outline::read(payload).map_err(|e| e.with("field", "payload"))?;
    }
    Ok(Some((payload, outline)))
}

pub(super) fn classify<'a>(
    decoder: &mut Decoder,
    payload: &'a str,
    outline: Outline<'a>,
    around: Around<'a>,
    line: &'a [u8],
) -> Result<Message<'a>> {
    if outline.is_envelope() {
        return envelope(decoder, outline, around, line);
    }
    if outline.is_heartbeat() {
        return Ok(Message::Heartbeat { time_us: time_us(&outline)? });
    }
    if outline.is_transaction_mark() {
        let time_us = time_us(&outline)?;
        let is_end = outline.status == Some("\"END\"");
        let id = text("id", outline.id.unwrap_or("null"))?;
        return Ok(if is_end { Message::TransactionEnd { id, time_us } } else { Message::Ignored });
    }
    if outline.is_schema_change() {
        return SchemaChange::read(&outline).map(Message::Schema);
    }
    flattened(decoder, payload, around, line)
}

fn time_us(outline: &Outline) -> Result<i64> {
    let time_ms: i64 = number("ts_ms", outline.time_ms.unwrap_or("null"))?;
    time_ms.checked_mul(1_000).ok_or_else(|| Error::bad_input("a time is out of range").with("field", "ts_ms"))
}

fn envelope<'a>(decoder: &mut Decoder, outline: Outline<'a>, around: Around<'a>, line: &'a [u8]) -> Result<Message<'a>> {
    let word = text("op", outline.op.unwrap_or("null"))?;
    if word == "m" {
        return Ok(Message::Ignored);
    }
    let op = Op::parse(&word).ok_or_else(|| Error::bad_input("the op is none that Debezium has").with("field", "op"))?;
    let Nested::Object(block) = outline.source else {
        return Err(Error::bad_input("the record has no source block").with("field", "source"));
    };
    let source = Source::read(&block)?;
    let table = match &source.table {
        Some(table) => decoder.table(source.schema.as_deref().or(source.database.as_deref()), table)?,
        None => None,
    };
    let (named, order) = outline.transaction.filter(|json| !is_null(json)).map(transaction).transpose()?.unwrap_or_default();
    Ok(Message::Change(Change {
        line,
        op,
        table,
        event_time_us: source.event_time_us().ok_or_else(no_event_time)?,
        domain: decoder.domain(source.name.as_deref()),
        position: source.position()?,
        snapshot: source.snapshot,
        transaction: named.or_else(|| source.gtid.map(|gtid| Cow::Owned(gtid.into_owned()))),
        order,
        before: image(outline.before, "before")?,
        after: image(outline.after, "after")?,
        key: around.key.map(Cow::Borrowed),
        old_key: around.headers.old_key()?,
        schema: around.value_schema.resolve(decoder)?,
        form: Form::Envelope,
    }))
}

fn image<'a>(value: Nested<'a>, field: &'static str) -> Result<Option<Object<'a>>> {
    match value {
        Nested::Null => Ok(None),
        Nested::Object(image) => Ok(Some(image)),
        Nested::Other(kind) => Err(Error::bad_input("the image of a row is an object").with("field", field).with("json type", kind)),
    }
}

/// Its name, and the number of the event in it.
fn transaction(json: &str) -> Result<(Option<Cow<'_, str>>, Option<u64>)> {
    let (mut id, mut order) = (None, None);
    each_field(json, |name, value| {
        match name {
            "id" => id = string(value),
            "total_order" => order = value.parse().ok(),
            _ => {}
        }
        Ok(())
    })
    .map_err(|e| e.with("field", "transaction"))?;
    Ok((id, order))
}

fn flattened<'a>(decoder: &mut Decoder, payload: &'a str, around: Around<'a>, line: &'a [u8]) -> Result<Message<'a>> {
    let record = Object::read(payload)?;
    let metadata = Metadata::read(&record)?;
    let op = metadata.op(around.headers.op.as_deref())?;
    let source = &metadata.source;
    let topic: Vec<&str> = around.topic.as_deref().map(|topic| topic.splitn(3, '.').collect()).unwrap_or_default();
    let namespace = source.schema.as_deref().or(source.database.as_deref()).or(topic.get(1).copied());
    let table = match source.table.as_deref().or(topic.get(2).copied()) {
        Some(table) => decoder.table(namespace, table)?,
        None => None,
    };
    let event_time_us = source.event_time_us().ok_or_else(no_event_time)?;
    let domain = decoder.domain(source.name.as_deref().or(topic.first().copied()));
    let (position, snapshot) = (source.position()?, source.snapshot);
    let transaction = metadata.transaction.as_ref().or(source.gtid.as_ref()).map(|id| Cow::Owned(id.to_string()));
    let order = metadata.order;
    let (before, after) = if op == Op::Delete { (Some(record), None) } else { (None, Some(record)) };
    Ok(Message::Change(Change {
        line,
        op,
        table,
        event_time_us,
        domain,
        position,
        snapshot,
        transaction,
        order,
        before,
        after,
        key: around.key.map(Cow::Borrowed),
        old_key: around.headers.old_key()?,
        schema: around.value_schema.resolve(decoder)?,
        form: Form::Flattened,
    }))
}

fn no_event_time() -> Error {
    Error::bad_input("the record does not say when its transaction was committed").with("field", "source.ts_ms")
}
