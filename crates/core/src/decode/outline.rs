//! The first pass over a JSON object: the fields that tell which kind of record it is, and nothing inside them.

use std::borrow::Cow;

use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::json::{Nested, TakeField, is_null, take_fields};
use crate::error::Result;

/// The fields, as far as they are given. Images and the source block are read at once, the others are JSON.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub(super) op: Option<&'a str>,
    pub(super) before: Nested<'a>,
    pub(super) after: Nested<'a>,
    pub(super) source: Nested<'a>,
    pub(super) transaction: Option<&'a str>,
    pub(super) time_ms: Option<&'a str>,
    pub(super) topic: Option<&'a str>,
    pub(super) headers: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) value: Option<&'a str>,
    pub(super) schema: Option<&'a str>,
    pub(super) payload: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) ddl: Option<&'a str>,
    pub(super) table_changes: Option<&'a str>,
    /// Fields besides these.
    others: usize,
    fields: usize,
    transport_fields: usize,
    time_fields: usize,
}

impl<'a> Outline<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self> {
        let mut outline = Self::default();
        take_fields(json, &mut outline)?;
        Ok(outline)
    }

    fn set(&mut self, name: &str, value: &'a str) {
        let slot = match name {
            "op" => &mut self.op,
            "transaction" => &mut self.transaction,
            "ts_ms" => {
                self.time_fields += 1;
                &mut self.time_ms
            }
            "ts_us" | "ts_ns" => {
                self.time_fields += 1;
                return;
            }
            "topic" => &mut self.topic,
            "headers" => &mut self.headers,
            "key" => &mut self.key,
            "value" => &mut self.value,
            "schema" => &mut self.schema,
            "payload" => &mut self.payload,
            "status" => &mut self.status,
            "id" => &mut self.id,
            "ddl" => &mut self.ddl,
            "tableChanges" => &mut self.table_changes,
            "event_count" | "data_collections" => return,
            "partition" | "offset" | "timestamp" | "timestampType" => {
                self.transport_fields += 1;
                return;
            }
            _ => {
                self.others += 1;
                return;
            }
        };
        *slot = Some(value);
    }

    fn nested(&mut self, name: &str) -> Option<&mut Nested<'a>> {
        match name {
            "before" => Some(&mut self.before),
            "after" => Some(&mut self.after),
            "source" => Some(&mut self.source),
            _ => None,
        }
    }

    /// A Kafka record: a value with a key or topic, and nothing that is no part of a Kafka record.
    pub(super) fn is_transport(&self) -> bool {
        let known = [self.topic, self.headers, self.key, self.value].iter().flatten().count() + self.transport_fields;
        self.value.is_some() && (self.key.is_some() || self.topic.is_some()) && known == self.fields
    }

    /// `{schema, payload}`: both, and nothing else.
    pub(super) fn is_schema_and_payload(&self) -> bool {
        self.schema.is_some() && self.payload.is_some() && self.fields == 2
    }

    pub(super) fn is_envelope(&self) -> bool {
        self.op.is_some() && [&self.source, &self.before, &self.after].iter().any(|field| matches!(field, Nested::Object(_)))
    }

    pub(super) fn is_heartbeat(&self) -> bool {
        self.time_ms.is_some() && self.time_fields == self.fields
    }

    pub(super) fn is_transaction_mark(&self) -> bool {
        self.others == 0 && self.id.is_some() && self.time_ms.is_some() && matches!(self.status, Some("\"BEGIN\"" | "\"END\""))
    }

    pub(super) fn is_schema_change(&self) -> bool {
        self.ddl.is_some() && self.table_changes.is_some() && self.op.is_none()
    }
}

impl<'a> TakeField<'a> for Outline<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        self.fields += 1;
        match self.nested(&name) {
            Some(slot) => *slot = map.next_value()?,
            None => self.set(&name, map.next_value::<&'a RawValue>()?.get()),
        }
        Ok(())
    }
}

/// A key or header without the schema that may be around it; `None` for null.
pub(super) fn payload(json: &str) -> Result<Option<&str>> {
    let outline = if json.starts_with('{') { Outline::read(json)? } else { Outline::default() };
    let bare = if outline.is_schema_and_payload() { outline.payload.unwrap_or("null") } else { json };
    Ok((!is_null(bare)).then_some(bare))
}
