//! Connect's schema out of the Avro schema that Confluent's converter made of it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::connect::ConnectSchema;

/// Named types seen so far, by full name. A schema refers to its own types after their definition.
type Names<'a> = HashMap<String, &'a Json>;

impl ConnectSchema {
    /// `None` for what no converter of Connect makes: types that contain themselves, or that are not defined before they are used.
    pub(super) fn of_avro(schema: &Json) -> Option<Self> {
        connect(schema, "", &mut Names::new())
    }
}

fn connect<'a>(schema: &'a Json, namespace: &str, names: &mut Names<'a>) -> Option<ConnectSchema> {
    match schema {
        Json::Array(branches) => connect(branches.iter().find(|branch| branch.as_str() != Some("null"))?, namespace, names),
        Json::String(name) => match primitive(name) {
            Some(kind) => Some(ConnectSchema { kind: kind.to_owned(), ..ConnectSchema::default() }),
            None => connect(names.get(&full_name(name, namespace)).copied()?, namespace, names),
        },
        Json::Object(_) => connect_object(schema, namespace, names),
        _ => None,
    }
}

fn connect_object<'a>(schema: &'a Json, namespace: &str, names: &mut Names<'a>) -> Option<ConnectSchema> {
    let text = |key: &str| schema.get(key).and_then(Json::as_str);
    let namespace = text("namespace").unwrap_or(namespace);
    let Some(kind) = text("type") else { return connect(schema.get("type")?, namespace, names) };
    // A type is not known inside itself.
    let known = text("name").and_then(|name| names.remove(&full_name(name, namespace)));
    let fields = schema.get("fields").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let fields = fields.iter().map(|field| connect_field(field, namespace, names)).collect::<Option<_>>()?;
    let items = match schema.get("items") {
        Some(items) => Some(Box::new(connect(items, namespace, names)?)),
        None => None,
    };
    if let Some(name) = text("name") {
        names.insert(full_name(name, namespace), known.unwrap_or(schema));
    }
    let kind = text("connect.type").or_else(|| primitive(kind)).unwrap_or(kind).to_owned();
    let name = text("connect.name").map(str::to_owned);
    Some(ConnectSchema { kind, name, parameters: parameters(schema), field: None, fields, items })
}

fn connect_field<'a>(field: &'a Json, namespace: &str, names: &mut Names<'a>) -> Option<ConnectSchema> {
    let schema = connect(field.get("type")?, namespace, names)?;
    Some(ConnectSchema { field: field.get("name").and_then(Json::as_str).map(str::to_owned), ..schema })
}

fn parameters(schema: &Json) -> BTreeMap<String, String> {
    let given = schema.get("connect.parameters").and_then(Json::as_object);
    given.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Connect's name of a type that Avro names otherwise; the others are the same.
fn primitive(avro: &str) -> Option<&str> {
    Some(match avro {
        "int" => "int32",
        "long" => "int64",
        "record" => "struct",
        "enum" => "string",
        "fixed" => "bytes",
        "boolean" | "float" | "double" | "bytes" | "string" | "array" | "map" => avro,
        _ => return None,
    })
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}
