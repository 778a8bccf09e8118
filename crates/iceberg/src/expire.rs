//! Forgetting snapshots (Iceberg spec, "Snapshot Retention Policy"): their entries leave the metadata, and so do statistics files
//! of theirs. Nothing is deleted.

use iceberg::spec::TableMetadata;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Expiry, VersionId};

use crate::error::refused;
use crate::metadata::{self, Metadata};

/// The table without the versions.
pub(crate) fn without(base: &Metadata, expiry: &Expiry, now_ms: i64) -> Result<TableMetadata> {
    base.ensure_writable()?;
    if let Some((name, reference)) = base.refs.iter().find(|(_, reference)| expiry.versions.contains(&VersionId(reference.snapshot_id))) {
        let error = Error::internal("a snapshot that is to expire is named by a branch or tag");
        return Err(error.with("snapshot", reference.snapshot_id).with("ref", name));
    }
    let ids: Vec<i64> = expiry.versions.iter().map(|version| version.0).collect();
    metadata::changed(base, now_ms, |builder| {
        let mut builder = builder.remove_snapshots(&ids);
        for id in ids {
            builder = builder.remove_statistics(id).remove_partition_statistics(id);
        }
        if expiry.properties.is_empty() {
            return Ok(builder);
        }
        let properties = expiry.properties.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        builder.set_properties(properties).map_err(refused)
    })
}

/// Whether metadata is as an expiry makes it.
pub(crate) fn is_done(metadata: &Metadata, expiry: &Expiry) -> bool {
    let is_gone = |version: &VersionId| metadata.table.snapshot_by_id(version.0).is_none();
    let is_set = |(key, value): (&String, &String)| metadata.table.properties().get(key) == Some(value);
    expiry.versions.iter().all(is_gone) && expiry.properties.iter().all(is_set)
}
