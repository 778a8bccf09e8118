//! From table metadata to the [`TableState`] of the seam.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use iceberg::spec::{Operation as IcebergOperation, Schema, SchemaRef, Snapshot, SnapshotRef, SnapshotRetention, TableMetadata};
use waterline_core::error::{Error, Result};
use waterline_core::format::{KEYS, Operation, Ref, RefKind, TableState, VersionId, VersionInfo, parse_keys};

use crate::metadata::Metadata;
use crate::{location, partition, schema};

/// What a [`TableState`] of this crate holds inside.
#[derive(Debug)]
pub(crate) struct IcebergState {
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) snapshot: Option<SnapshotRef>,
    pub(crate) schema: SchemaRef,
}

impl IcebergState {
    pub(crate) fn of(state: &TableState) -> Result<&Self> {
        state.inner.downcast_ref().ok_or_else(|| Error::internal("the state is of another table format"))
    }
}

/// The newest state of the main branch, with the current schema.
pub(crate) fn head(metadata: Arc<Metadata>) -> Result<TableState> {
    let (snapshot, schema) = (metadata.table.current_snapshot().cloned(), metadata.table.current_schema().clone());
    table_state(IcebergState { metadata, snapshot, schema })
}

/// A snapshot with the schema that was current when it was made.
pub(crate) fn at(metadata: Arc<Metadata>, version: VersionId) -> Result<TableState> {
    let missing = || Error::not_found("the table has no such snapshot").with("snapshot", version.0).with("file", &metadata.location);
    let snapshot = metadata.table.snapshot_by_id(version.0).ok_or_else(missing)?.clone();
    let schema = snapshot.schema(&metadata.table).map_err(|e| crate::error::unreadable(&metadata.location, e))?;
    table_state(IcebergState { metadata, snapshot: Some(snapshot), schema })
}

fn table_state(inner: IcebergState) -> Result<TableState> {
    let table = &inner.metadata.table;
    Ok(TableState {
        version: inner.snapshot.as_ref().map(|snapshot| VersionId(snapshot.snapshot_id())),
        location: location::absolute(table.location()),
        own_folder: location::absolute(table.location()),
        metadata_location: Some(location::absolute(&inner.metadata.location)),
        schema: schema::to_arrow(&inner.schema).map_err(|e| e.with("file", &inner.metadata.location))?,
        keys: keys(&inner.schema, table.properties()),
        partition_by: partition::default_fields(table),
        properties: table.properties().iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        history: Arc::new(history(table)),
        refs: refs(&inner.metadata),
        rules: Arc::default(),
        inner: Arc::new(inner),
    })
}

/// Names of the identifier fields at top level, in the order of the columns. A table of another writer may have none; what a
/// property says then and cannot be read is none, too: merges then say that there is no key.
fn keys(schema: &Schema, properties: &HashMap<String, String>) -> Vec<String> {
    let fields = schema.as_struct().fields().iter();
    let is_key = |id: i32| schema.identifier_field_ids().any(|key| key == id);
    let keys: Vec<String> = fields.filter(|field| is_key(field.id)).map(|field| field.name.clone()).collect();
    if !keys.is_empty() {
        return keys;
    }
    properties.get(KEYS).and_then(|json| parse_keys(json).ok()).unwrap_or_default()
}

fn history(metadata: &TableMetadata) -> Vec<VersionInfo> {
    let mut snapshots: Vec<&SnapshotRef> = metadata.snapshots().collect();
    snapshots.sort_by_key(|snapshot| (snapshot.timestamp_ms(), snapshot.sequence_number(), snapshot.snapshot_id()));
    snapshots.into_iter().map(|snapshot| version_info(snapshot)).collect()
}

fn version_info(snapshot: &Snapshot) -> VersionInfo {
    VersionInfo {
        version: VersionId(snapshot.snapshot_id()),
        parent: snapshot.parent_snapshot_id().map(VersionId),
        committed_at_ms: snapshot.timestamp_ms(),
        operation: match snapshot.summary().operation {
            IcebergOperation::Append => Operation::Append,
            IcebergOperation::Replace => Operation::Replace,
            IcebergOperation::Overwrite => Operation::Overwrite,
            IcebergOperation::Delete => Operation::Delete,
        },
        summary: snapshot.summary().additional_properties.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

fn refs(metadata: &Metadata) -> BTreeMap<String, Ref> {
    let named = |(name, reference): (&String, &iceberg::spec::SnapshotReference)| {
        let kind = match reference.retention {
            SnapshotRetention::Branch { .. } => RefKind::Branch,
            SnapshotRetention::Tag { .. } => RefKind::Tag,
        };
        (name.clone(), Ref { version: VersionId(reference.snapshot_id), kind })
    };
    metadata.refs.iter().map(named).collect()
}
