//! Metadata of a new table.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{FormatVersion, SortOrder, TableMetadata, TableMetadataBuilder};
use waterline_core::error::{Error, Result};
use waterline_core::format::{TableDefinition, TableState};
use waterline_env::Env;

use crate::location::MetadataCodec;
use crate::metadata::Metadata;
use crate::{location, metadata, partition, schema, state};

/// Chooses the format version; not kept as a property, since the metadata itself says it.
const FORMAT_VERSION: &str = "format-version";

pub(crate) fn new_table(definition: &TableDefinition, location: &str, env: &Env) -> Result<TableMetadata> {
    let schema = schema::from_arrow(&definition.schema, &definition.keys)?;
    let spec = partition::new_spec(&definition.partition_by, &schema)?;
    let properties: HashMap<String, String> =
        definition.properties.iter().filter(|(key, _)| *key != FORMAT_VERSION).map(|(key, value)| (key.clone(), value.clone())).collect();
    let invalid = |e| Error::usage("the table cannot be created so").caused_by(e);
    let builder =
        TableMetadataBuilder::new(schema, spec, SortOrder::unsorted_order(), location.into(), format_version(definition)?, properties);
    let built = builder.map_err(invalid)?.assign_uuid(env.ids.uuid()).build().map_err(invalid)?;
    metadata::with_last_updated(built.metadata, env.clock.now_ms())
}

/// The state of a table that nobody has made yet.
pub(crate) fn preview(definition: &TableDefinition, location: &str, env: &Env) -> Result<TableState> {
    let table = new_table(definition, location, env)?;
    let bytes = metadata::serialise(&table, MetadataCodec::Plain)?;
    state::head(Arc::new(Metadata::parse(&location::numbered_metadata(location, 1, MetadataCodec::Plain), &bytes)?))
}

fn format_version(definition: &TableDefinition) -> Result<FormatVersion> {
    match definition.properties.get(FORMAT_VERSION).map(String::as_str) {
        None | Some("2") => Ok(FormatVersion::V2),
        Some("3") => Ok(FormatVersion::V3),
        Some(other) => Err(Error::usage("tables are created in format version 2 or 3").with(FORMAT_VERSION, other)),
    }
}
