//! What one JSON record shows of its source: Debezium's envelope, bare or in a message, with or without a schema,
//! flattened, or the plain form.

use serde_json::{Map, Value};
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;

use crate::settings::file::ChangeFormatName;

/// A change, as far as it can be told without a schema of its table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) format: ChangeFormatName,
    /// Name of the connector.
    pub(super) source: Option<String>,
    pub(super) table: Option<TableName>,
    pub(super) keys: Vec<String>,
    /// Names in the image.
    pub(super) columns: Vec<String>,
}

type Object = Map<String, Value>;

/// `None` for what is no change: a tombstone, a heartbeat, the mark of a transaction, an empty line.
pub(super) fn observe(line: &[u8]) -> Result<Option<Observed>> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let record: Value = serde_json::from_slice(line)
        .map_err(|e| Error::bad_input("the file does not hold JSON lines; dumps in other formats are for `waterline load`").caused_by(e))?;
    let Value::Object(record) = record else { return Ok(None) };
    let (key, value) = message(&record);
    let Some(value) = value else { return Ok(None) };
    let keys = key.map(key_columns).unwrap_or_default();
    let (body, _) = payload(value);
    let observed = envelope(body).or_else(|| flattened(body)).or_else(|| plain(body));
    Ok(observed.map(|observed| Observed { table: observed.table.or_else(|| table_of_topic(&record)), keys, ..observed }))
}

/// Key and value of a message; a record that is none is the value itself.
fn message(record: &Object) -> (Option<&Object>, Option<&Object>) {
    if record.contains_key("value") && (record.contains_key("key") || record.contains_key("topic")) {
        return (record.get("key").and_then(Value::as_object), record.get("value").and_then(Value::as_object));
    }
    (None, Some(record))
}

/// `prefix.namespace.table` is how Debezium names topics.
fn table_of_topic(record: &Object) -> Option<TableName> {
    let mut parts = record.get("topic")?.as_str()?.rsplit('.');
    let (table, namespace) = (parts.next()?, parts.next()?);
    TableName::new(namespace, table).ok()
}

/// In the order of the key's schema, where it has one.
fn key_columns(key: &Object) -> Vec<String> {
    let (key, schema) = payload(key);
    let declared =
        schema.and_then(fields).map(|fields| fields.iter().filter_map(|field| Some(field.get("field")?.as_str()?.to_owned())).collect());
    declared.unwrap_or_else(|| key.keys().cloned().collect())
}

fn fields(schema: &Object) -> Option<&Vec<Value>> {
    schema.get("fields").and_then(Value::as_array)
}

/// The payload and its schema. A column may be named `payload`, so both must be there.
fn payload(value: &Object) -> (&Object, Option<&Object>) {
    match (value.get("schema"), value.get("payload")) {
        (Some(Value::Object(schema)), Some(Value::Object(payload))) if value.len() == 2 => (payload, Some(schema)),
        _ => (value, None),
    }
}

fn envelope(body: &Object) -> Option<Observed> {
    let source = body.get("source")?.as_object()?;
    body.get("op")?.as_str()?;
    let image = [body.get("after"), body.get("before")].into_iter().flatten().find_map(Value::as_object);
    let columns = image.map(names).unwrap_or_default();
    let text = |name: &str| source.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let table = text("table")?;
    let namespace = text("schema").or_else(|| text("db"))?;
    Some(Observed {
        format: ChangeFormatName::DebeziumJson,
        source: text("name").map(str::to_owned),
        table: TableName::new(namespace, table).ok(),
        keys: Vec::new(),
        columns,
    })
}

/// A row with metadata fields of ExtractNewRecordState, which begin with two underscores.
fn flattened(body: &Object) -> Option<Observed> {
    let is_flattened = ["__op", "__deleted", "__source_ts_ms", "__lsn"].iter().any(|name| body.contains_key(*name));
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let table =
        text("__table").zip(text("__schema").or_else(|| text("__db"))).and_then(|(table, namespace)| TableName::new(namespace, table).ok());
    let columns = names(body).into_iter().filter(|name| !name.starts_with("__")).collect();
    is_flattened.then(|| Observed {
        format: ChangeFormatName::DebeziumJson,
        source: text("__name").map(str::to_owned),
        table,
        keys: Vec::new(),
        columns,
    })
}

fn plain(body: &Object) -> Option<Observed> {
    body.get("op")?.as_str()?;
    let image = body.get("record")?.as_object()?;
    let table = body.get("table").and_then(Value::as_str).and_then(|name| name.parse().ok());
    Some(Observed { format: ChangeFormatName::PlainJson, source: None, table, keys: Vec::new(), columns: names(image) })
}

fn names(image: &Object) -> Vec<String> {
    image.keys().cloned().collect()
}
