//! A mirror and its changelog as a pair: found, made, and grown together.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use waterline_core::change::{EVENT_TIME, changelog_schema};
use waterline_core::error::Result;
use waterline_core::format::{TableDefinition, TableState, table_schema};
use waterline_core::partition::{PartitionField, Transform};
use waterline_core::schema::{SOURCE_TYPE, TIME_DIGITS, TableSchema};
use waterline_core::table::TableName;

use crate::commit::evolve;
use crate::lake::Lake;
use crate::merge::Pair;

/// What a table is made with, where it differs from the defaults.
#[derive(Clone, Debug, Default)]
pub struct TableSettings {
    pub keys: Option<Vec<String>>,
    pub partition_by: Vec<PartitionField>,
    pub properties: BTreeMap<String, String>,
}

/// Opens both tables, or `None` when there is no mirror. A mirror without a changelog gets one.
pub async fn open_pair(lake: &Lake, table: &TableName, settings: &TableSettings) -> Result<Option<Pair>> {
    let Some(mirror) = lake.catalog.open(table).await? else { return Ok(None) };
    let changelog = match lake.catalog.open(&table.changelog()).await? {
        Some(changelog) => changelog,
        None => {
            let schema = table_schema(&mirror.head().await?)?;
            lake.catalog.create(&table.changelog(), &changelog_definition(&schema, settings)).await?
        }
    };
    Ok(Some(Pair { mirror, changelog }))
}

/// Opens both tables, making what is not there.
pub async fn open_or_create_pair(lake: &Lake, table: &TableName, schema: &TableSchema, settings: &TableSettings) -> Result<Pair> {
    if let Some(pair) = open_pair(lake, table, settings).await? {
        return Ok(pair);
    }
    let mirror = lake.catalog.create(table, &mirror_definition(schema, settings)).await?;
    let changelog = lake.catalog.create(&table.changelog(), &changelog_definition(schema, settings)).await?;
    Ok(Pair { mirror, changelog })
}

/// The mirror that [`open_or_create_pair`] would make.
pub(crate) fn preview_mirror(lake: &Lake, table: &TableName, schema: &TableSchema, settings: &TableSettings) -> Result<TableState> {
    lake.catalog.preview(table, &mirror_definition(schema, settings))
}

fn mirror_definition(schema: &TableSchema, settings: &TableSettings) -> TableDefinition {
    TableDefinition {
        schema: mirror_schema(schema),
        keys: schema.keys().to_vec(),
        partition_by: settings.partition_by.clone(),
        properties: settings.properties.clone(),
    }
}

fn changelog_definition(schema: &TableSchema, settings: &TableSettings) -> TableDefinition {
    TableDefinition {
        schema: without_metadata(&changelog_schema(schema)),
        keys: Vec::new(),
        partition_by: vec![PartitionField { column: EVENT_TIME.into(), transform: Transform::Day }],
        properties: settings
            .properties
            .iter()
            .filter(|(key, _)| key.as_str() != "write.merge.mode")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    }
}

/// The source's columns; those of the key are required, as identifier fields must be.
fn mirror_schema(schema: &TableSchema) -> SchemaRef {
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(!schema.keys().contains(field.name()))).collect();
    without_metadata(&Arc::new(Schema::new(fields)))
}

fn without_metadata(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(Default::default())).collect::<Vec<_>>()))
}

/// Grows both tables until they hold `wanted`, the changelog first, so that no mirror is ahead of its log.
pub async fn grow_pair(pair: &Pair, wanted: &TableSchema) -> Result<TableState> {
    evolve(&pair.changelog, |log| {
        let source: Vec<_> = log.schema.fields().iter().filter(|field| !waterline_core::change::is_system(field.name())).cloned().collect();
        let Some(grown) = TableSchema::new(source, Vec::new())?.evolve(&wanted.clone().with_keys(Vec::new())?)? else { return Ok(None) };
        let grown = grown.with_keys(wanted.keys().to_vec())?;
        Ok(Some(without_metadata(&changelog_schema(&grown))))
    })
    .await?;
    evolve(&pair.mirror, |mirror| Ok(table_schema(mirror)?.evolve(wanted)?.map(|grown| mirror_schema(&grown)))).await
}

/// The schema of a mirror, with what the source declares of its types.
pub fn with_declarations(state: &TableState, declared: Option<&TableSchema>) -> Result<TableSchema> {
    let fields = state.schema.fields().iter().map(|field| {
        let metadata = declared.and_then(|declared| declared.fields().iter().find(|known| known.name() == field.name())).map(|known| {
            known
                .metadata()
                .iter()
                .filter(|(key, _)| [SOURCE_TYPE, TIME_DIGITS].contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        });
        Arc::new(plain(field).with_metadata(metadata.unwrap_or_default()))
    });
    TableSchema::new(fields.collect(), state.keys.clone())
}

/// The field without ids, also inside of lists and structs.
fn plain(field: &Field) -> Field {
    use arrow::datatypes::DataType;
    let inner = |field: &Arc<Field>| Arc::new(plain(field).with_metadata(Default::default()));
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(inner(element)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}
