//! The first commit of a new table.

use std::collections::BTreeMap;
use std::sync::Arc;

use waterline_core::error::{Error, Result};
use waterline_core::format::{TableDefinition, TableState, key_property};
use waterline_core::partition::Transform;
use waterline_core::schema::TableSchema;
use waterline_env::Env;

use crate::actions::{Action, Format, Metadata, Protocol};
use crate::evolve::{ensure_names_differ, protocol_for};
use crate::features::{self, DELETION_VECTORS, GENERATED_COLUMNS, IN_COMMIT_TIMESTAMP, IN_COMMIT_TIMESTAMPS, TYPE_WIDENING};
use crate::history::{self, commit_info};
use crate::ledger::Ledger;
use crate::partition;
use crate::replay::Replayed;
use crate::rules::{CONSTRAINTS, GENERATION};
use crate::schema::{self, DeltaField, DeltaSchema};
use crate::snapshot::Snapshot;
use crate::state::Head;

const VECTORS: &str = "delta.enableDeletionVectors";
const WIDENING: &str = "delta.enableTypeWidening";
const MAPPING: &str = "delta.columnMapping.mode";

/// The actions of the commit that makes a table.
pub(crate) fn actions(definition: &TableDefinition, env: &Env) -> Result<Vec<Action>> {
    let columns = TableSchema::new(definition.schema.fields().to_vec(), definition.keys.clone())?;
    let mut fields: Vec<DeltaField> = Vec::with_capacity(columns.fields().len());
    for column in columns.fields() {
        let field = schema::new_field(column)?;
        fields.push(DeltaField { nullable: field.nullable && !columns.keys().contains(column.name()), ..field });
    }
    let mut partition_columns = Vec::new();
    for field in &definition.partition_by {
        let source = columns.index_of(&field.column).map(|at| columns.fields()[at].data_type());
        let source = source.ok_or_else(|| Error::usage("a partition field names no column of the table").with("column", &field.column))?;
        if field.transform == Transform::Identity {
            partition::ensure_identity(field, source)?;
            partition_columns.push(field.column.clone());
        } else {
            let column = partition::column(field, source)?;
            partition_columns.push(column.name.clone());
            fields.push(column);
        }
    }
    ensure_names_differ(&fields)?;
    let configuration = configuration(definition)?;
    let protocol = protocol(&configuration, &fields)?;
    let at_ms = env.clock.now_ms();
    let metadata = Metadata {
        id: env.ids.uuid().to_string(),
        name: None,
        description: None,
        format: Format { provider: "parquet".into(), options: BTreeMap::new() },
        schema_string: DeltaSchema { fields }.to_json()?,
        partition_columns,
        created_time: Some(at_ms),
        configuration,
    };
    let info = Action { commit_info: Some(commit_info("CREATE TABLE", at_ms, None)?), ..Action::default() };
    let mut actions = vec![info, protocol.clone().into(), metadata.clone().into()];
    history::stamp(&mut actions, at_ms, &protocol, &metadata);
    Ok(actions)
}

/// The properties of a new table: the log is kept unless its owner says otherwise, since tags and moments reach back.
fn configuration(definition: &TableDefinition) -> Result<BTreeMap<String, Option<String>>> {
    let mut configuration: BTreeMap<String, Option<String>> =
        definition.properties.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let rewrites = definition.properties.get("write.merge.mode").is_some_and(|mode| mode == "copy-on-write");
    configuration.entry(VECTORS.into()).or_insert_with(|| Some((!rewrites).to_string()));
    configuration.entry("delta.enableExpiredLogCleanup".into()).or_insert_with(|| Some("false".into()));
    if !definition.keys.is_empty() {
        let (property, keys) = key_property(&definition.keys)?;
        configuration.insert(property, Some(keys));
    }
    if let Some(mode) = definition.properties.get(MAPPING).filter(|mode| *mode != "none") {
        return Err(Error::unsupported("Delta tables are made without column mapping").with(MAPPING, mode));
    }
    // The changelog has the same properties, and its deletes have no values.
    if let Some(property) = definition.properties.keys().find(|property| property.starts_with(CONSTRAINTS)) {
        let problem = "Delta tables are made without constraints; add them to the table with another writer";
        return Err(Error::unsupported(problem).with("property", property));
    }
    Ok(configuration)
}

fn protocol(configuration: &BTreeMap<String, Option<String>>, fields: &[DeltaField]) -> Result<Protocol> {
    let has_generated = fields.iter().any(|field| field.metadata.contains_key(GENERATION));
    let asked = [
        (features::is_set(configuration, VECTORS), DELETION_VECTORS),
        (features::is_set(configuration, WIDENING), TYPE_WIDENING),
        (features::is_set(configuration, IN_COMMIT_TIMESTAMPS), IN_COMMIT_TIMESTAMP),
        (has_generated, GENERATED_COLUMNS),
    ];
    let asked: Vec<&str> = asked.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, feature)| feature).collect();
    let protocol = protocol_for(&Protocol::with(&asked), fields);
    Ok(protocol)
}

/// The state of a table that nobody has made yet.
pub(crate) fn preview(root: &str, definition: &TableDefinition, env: &Env) -> Result<TableState> {
    let snapshot = Snapshot::first(root, 0, &actions(definition, env)?)?;
    snapshot.ensure_writable()?;
    let log = Replayed { snapshot: Arc::new(snapshot), events: Arc::default() };
    Ok(Arc::new(Head::new(log, Arc::new(Ledger::default()))).state())
}
