//! Names for files without field ids (Iceberg spec, "Name Mapping Serialization").

use serde::Deserialize;
use waterline_core::error::{Error, Result};

/// Table property that holds the mapping as JSON.
pub(super) const PROPERTY: &str = "schema.name-mapping.default";

/// The ids that the names at one level of a schema stand for.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct NameMapping(Vec<MappedField>);

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MappedField {
    field_id: Option<i32>,
    names: Vec<String>,
    #[serde(default)]
    fields: Vec<MappedField>,
}

impl NameMapping {
    pub(super) fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|e| Error::corrupt("the table's name mapping cannot be read").with("property", PROPERTY).caused_by(e))
    }

    pub(super) fn id(&self, name: &str) -> Option<i32> {
        self.field(name).and_then(|field| field.field_id)
    }

    /// The mapping of the fields inside of `name`; empty when there is none.
    pub(super) fn inside(&self, name: &str) -> Self {
        Self(self.field(name).map(|field| field.fields.clone()).unwrap_or_default())
    }

    fn field(&self, name: &str) -> Option<&MappedField> {
        self.0.iter().find(|field| field.names.iter().any(|known| known == name))
    }
}
