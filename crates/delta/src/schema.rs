//! Delta schemas as Arrow schemas and back (Delta protocol, "Schema Serialization Format").
//!
//! Delta names columns; it has no ids without column mapping. The seam's ids are made of the names then: a column keeps its id
//! as long as it keeps its name. Delta has no type for a time of day: such a column is a `long` of microseconds since midnight, and its metadata say what it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use waterline_core::error::{Error, Result};
use waterline_core::format::{AS_INTEGER, FIELD_ID, STORED_AS, STORED_NAME};
use waterline_core::partition::PartitionField;
use waterline_core::schema::{timestamp_local, timestamp_utc};
use xxhash_rust::xxh3::xxh3_64;

use crate::features::text;
use crate::rules::GENERATION;

/// Metadata of a column: which of its parts are times of day, by the path inside of it.
const TIMES: &str = "waterline.times";
/// Metadata of a partition column that is made of another: how.
const TRANSFORM: &str = "waterline.transform";
const MAPPED_ID: &str = "delta.columnMapping.id";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const TYPE_CHANGES: &str = "delta.typeChanges";
/// Ids above are reserved by other specifications.
const ID_BITS: u64 = (1 << 30) - 1;

/// How columns are found in data files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnMapping {
    /// By name.
    None,
    /// By id, or by a name that is not the table's.
    Mapped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "struct")]
pub(crate) struct DeltaSchema {
    pub(crate) fields: Vec<DeltaField>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeltaField {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) data_type: DeltaType,
    pub(crate) nullable: bool,
    #[serde(default)]
    pub(crate) metadata: Map<String, Json>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum DeltaType {
    Primitive(String),
    Nested(Box<Nested>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub(crate) enum Nested {
    Struct { fields: Vec<DeltaField> },
    Array { element_type: DeltaType, contains_null: bool },
    Map { key_type: DeltaType, value_type: DeltaType, value_contains_null: bool },
}

impl Nested {
    pub(crate) fn fields(&self) -> &[DeltaField] {
        match self {
            Self::Struct { fields } => fields,
            Self::Array { .. } | Self::Map { .. } => &[],
        }
    }

    /// The types directly inside.
    pub(crate) fn parts(&self) -> Vec<&DeltaType> {
        match self {
            Self::Struct { fields } => fields.iter().map(|field| &field.data_type).collect(),
            Self::Array { element_type, .. } => vec![element_type],
            Self::Map { key_type, value_type, .. } => vec![key_type, value_type],
        }
    }
}

impl DeltaSchema {
    pub(crate) fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| Error::corrupt("the schema of the table cannot be read").caused_by(e))
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a schema cannot be written").caused_by(e))
    }
}

impl DeltaField {
    /// The name in data files, statistics and partition values.
    pub(crate) fn physical_name(&self, mapping: ColumnMapping) -> &str {
        match mapping {
            ColumnMapping::None => &self.name,
            ColumnMapping::Mapped => text(&self.metadata, PHYSICAL_NAME).unwrap_or(&self.name),
        }
    }

    /// Of a partition column that is made of another: from which, and how.
    pub(crate) fn partition_of(&self) -> Option<PartitionField> {
        text(&self.metadata, TRANSFORM)?.parse().ok()
    }

    pub(crate) fn is_partition_of_ours(&self) -> bool {
        self.partition_of().is_some()
    }

    /// The column that holds the values of a partition field with a transform.
    pub(crate) fn of_partition(name: String, data_type: DeltaType, field: &PartitionField, expression: Option<String>) -> Self {
        let mut metadata = Map::from_iter([(TRANSFORM.to_owned(), Json::from(field.to_string()))]);
        metadata.extend(expression.map(|expression| (GENERATION.to_owned(), Json::from(expression))));
        Self { name, data_type, nullable: true, metadata }
    }
}

/// Makes Arrow fields of Delta's.
pub(crate) struct Reader {
    pub(crate) mapping: ColumnMapping,
    ids: HashSet<i32>,
}

impl Reader {
    pub(crate) fn new(mapping: ColumnMapping) -> Self {
        Self { mapping, ids: HashSet::new() }
    }

    pub(crate) fn field(&mut self, field: &DeltaField, within: &str) -> Result<Field> {
        let path = format!("{within}{}", field.name);
        let mapped = field.metadata.get(MAPPED_ID).filter(|_| self.mapping == ColumnMapping::Mapped);
        let id = match mapped.and_then(Json::as_i64).and_then(|id| i32::try_from(id).ok()) {
            Some(id) => id,
            None => self.id_of(&path),
        };
        let times = Times { all: field.metadata.get(TIMES), at: String::new() };
        let data_type = self.data_type(&field.data_type, &path, &times).map_err(|e| e.with("column", &path))?;
        let mut arrow = new_arrow_field(&field.name, data_type, field.nullable, id);
        let physical = field.physical_name(self.mapping);
        if physical != field.name {
            arrow.metadata_mut().insert(STORED_NAME.to_owned(), physical.to_owned());
        }
        Ok(arrow)
    }

    fn data_type(&mut self, data_type: &DeltaType, path: &str, times: &Times<'_>) -> Result<DataType> {
        match data_type {
            DeltaType::Primitive(name) if name == "long" && times.is_time() => Ok(DataType::Time64(TimeUnit::Microsecond)),
            DeltaType::Primitive(name) => primitive(name),
            DeltaType::Nested(nested) => match nested.as_ref() {
                Nested::Struct { fields } => {
                    let within = format!("{path}.");
                    Ok(DataType::Struct(fields.iter().map(|field| self.field(field, &within)).collect::<Result<Fields>>()?))
                }
                Nested::Array { element_type, contains_null } => {
                    Ok(DataType::List(Arc::new(self.part("element", element_type, *contains_null, path, times)?)))
                }
                Nested::Map { key_type, value_type, value_contains_null } => {
                    let key = self.part("key", key_type, false, path, times)?;
                    let value = self.part("value", value_type, *value_contains_null, path, times)?;
                    Ok(DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(vec![key, value].into()), false)), false))
                }
            },
        }
    }

    /// A part of a list or map. Its path is none that a column can have.
    fn part(&mut self, name: &str, data_type: &DeltaType, nullable: bool, within: &str, times: &Times<'_>) -> Result<Field> {
        let path = format!("{within}.<{name}>");
        let id = self.id_of(&path);
        Ok(new_arrow_field(name, self.data_type(data_type, &path, &times.inside(name))?, nullable, id))
    }

    fn id_of(&mut self, path: &str) -> i32 {
        let mut id = (xxh3_64(path.as_bytes()) & ID_BITS) as i32;
        while id == 0 || !self.ids.insert(id) {
            id = (id + 1) & ID_BITS as i32;
        }
        id
    }
}

fn new_arrow_field(name: &str, data_type: DataType, nullable: bool, id: i32) -> Field {
    let mut metadata = HashMap::from([(FIELD_ID.to_owned(), id.to_string())]);
    if matches!(data_type, DataType::Time64(_)) {
        metadata.insert(STORED_AS.to_owned(), AS_INTEGER.to_owned());
    }
    Field::new(name, data_type, nullable).with_metadata(metadata)
}

/// Which parts of a column are times of day.
struct Times<'a> {
    all: Option<&'a Json>,
    at: String,
}

impl Times<'_> {
    fn is_time(&self) -> bool {
        self.all.and_then(Json::as_array).is_some_and(|paths| paths.iter().any(|path| path.as_str() == Some(&self.at)))
    }

    fn inside(&self, name: &str) -> Self {
        Self { all: self.all, at: format!("{}/{name}", self.at) }
    }
}

fn primitive(name: &str) -> Result<DataType> {
    Ok(match name {
        "string" => DataType::Utf8,
        "long" => DataType::Int64,
        "integer" | "short" | "byte" => DataType::Int32,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => timestamp_utc(),
        "timestamp_ntz" => timestamp_local(),
        other => decimal(other).ok_or_else(|| Error::unsupported("a column type of Delta that is not supported").with("type", other))?,
    })
}

fn decimal(name: &str) -> Option<DataType> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    (1..=38).contains(&precision).then_some(DataType::Decimal128(precision, scale))
}

/// A new column of a Delta table.
pub(crate) fn new_field(field: &Field) -> Result<DeltaField> {
    let mut times = Vec::new();
    let data_type = new_type(field.data_type(), "", &mut times).map_err(|e| e.with("column", field.name()))?;
    let mut metadata = Map::new();
    if !times.is_empty() {
        metadata.insert(TIMES.to_owned(), times.into());
    }
    Ok(DeltaField { name: field.name().clone(), data_type, nullable: field.is_nullable(), metadata })
}

fn new_type(data_type: &DataType, at: &str, times: &mut Vec<String>) -> Result<DeltaType> {
    let nested = |nested| Ok(DeltaType::Nested(Box::new(nested)));
    match data_type {
        DataType::Struct(fields) => nested(Nested::Struct { fields: fields.iter().map(|field| new_field(field)).collect::<Result<_>>()? }),
        DataType::List(element) => nested(Nested::Array {
            element_type: new_type(element.data_type(), &format!("{at}/element"), times)?,
            contains_null: element.is_nullable(),
        }),
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else { return Err(unsupported(data_type)) };
            let [key, value] = pair.as_ref() else { return Err(unsupported(data_type)) };
            nested(Nested::Map {
                key_type: new_type(key.data_type(), &format!("{at}/key"), times)?,
                value_type: new_type(value.data_type(), &format!("{at}/value"), times)?,
                value_contains_null: value.is_nullable(),
            })
        }
        DataType::Time64(_) => {
            times.push(at.to_owned());
            to_primitive(data_type)
        }
        primitive => to_primitive(primitive),
    }
}

/// The Delta type of a column that is not nested.
pub(crate) fn to_primitive(data_type: &DataType) -> Result<DeltaType> {
    let name = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "integer",
        DataType::Int64 | DataType::Time64(_) => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Decimal128(precision, scale) => return Ok(DeltaType::Primitive(format!("decimal({precision},{scale})"))),
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp_ntz",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        _ => return Err(unsupported(data_type)),
    };
    Ok(DeltaType::Primitive(name.into()))
}

fn unsupported(data_type: &DataType) -> Error {
    Error::unsupported("a Delta table has no such type").with("type", data_type)
}

pub(crate) fn has_type(data_type: &DeltaType, wanted: &str) -> bool {
    match data_type {
        DeltaType::Primitive(name) => name == wanted,
        DeltaType::Nested(nested) => nested.parts().into_iter().any(|part| has_type(part, wanted)),
    }
}

/// The column with the wider type that it has in `grown`. Says in its metadata what changed (Delta protocol, "Type Change Metadata").
pub(crate) fn widened(field: &DeltaField, grown: &FieldRef) -> Result<DeltaField> {
    let mut changes = Vec::new();
    let data_type = widened_type(&field.data_type, grown.data_type(), "", &mut changes)?;
    let mut wide = DeltaField { data_type, nullable: field.nullable || grown.is_nullable(), ..field.clone() };
    if !changes.is_empty() {
        let mut all = field.metadata.get(TYPE_CHANGES).and_then(Json::as_array).cloned().unwrap_or_default();
        all.extend(changes);
        wide.metadata.insert(TYPE_CHANGES.to_owned(), all.into());
    }
    Ok(wide)
}

fn widened_type(current: &DeltaType, grown: &DataType, at: &str, changes: &mut Vec<Json>) -> Result<DeltaType> {
    let inside = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match (current, grown) {
        (DeltaType::Nested(nested), grown) => Ok(DeltaType::Nested(Box::new(match (nested.as_ref(), grown) {
            (Nested::Struct { fields }, DataType::Struct(members)) => {
                Nested::Struct { fields: fields.iter().zip(members).map(|(field, member)| widened(field, member)).collect::<Result<_>>()? }
            }
            (Nested::Array { element_type, contains_null }, DataType::List(element)) => Nested::Array {
                element_type: widened_type(element_type, element.data_type(), &inside("element"), changes)?,
                contains_null: *contains_null,
            },
            (other, _) => other.clone(),
        }))),
        (DeltaType::Primitive(from), grown) => {
            let wide = to_primitive(grown)?;
            if let DeltaType::Primitive(to) = &wide
                && to != from
            {
                let mut change = json!({"fromType": from, "toType": to});
                if !at.is_empty() {
                    change["fieldPath"] = at.into();
                }
                changes.push(change);
            }
            Ok(wide)
        }
    }
}

/// Names in data files and the ids that they stand for (Iceberg spec, "Name Mapping Serialization"), for files without ids.
pub(crate) fn name_mapping(fields: &[DeltaField], arrow: &Fields) -> Json {
    let mapped = fields.iter().zip(arrow).map(|(field, arrow)| {
        let inner = match (&field.data_type, arrow.data_type()) {
            (DeltaType::Nested(nested), DataType::Struct(members)) => match nested.as_ref() {
                Nested::Struct { fields } => name_mapping(fields, members),
                _ => json!([]),
            },
            _ => json!([]),
        };
        let id = arrow.metadata().get(FIELD_ID).and_then(|id| id.parse::<i32>().ok());
        json!({"field-id": id, "names": [field.physical_name(ColumnMapping::Mapped)], "fields": inner})
    });
    mapped.collect()
}
