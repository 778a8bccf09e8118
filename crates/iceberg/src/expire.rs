//! Forgetting snapshots (Iceberg spec, "Snapshot Retention Policy"): their entries leave the metadata, and so do statistics files
//! of theirs. Nothing is deleted.

use std::collections::BTreeMap;

use iceberg::spec::{SnapshotReference, SnapshotRetention, TableMetadata};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Expiry, RefRetention, VersionId};

use crate::error::refused;
use crate::metadata::{self, Metadata};

const MAX_REF_AGE: &str = "history.expire.max-ref-age-ms";

/// The table without the versions.
pub(crate) fn without(base: &Metadata, expiry: &Expiry, now_ms: i64) -> Result<TableMetadata> {
    base.ensure_writable()?;
    let is_in_use = |(name, reference): &(&String, &SnapshotReference)| {
        !expiry.refs.contains(*name) && expiry.versions.contains(&VersionId(reference.snapshot_id))
    };
    if let Some((name, reference)) = base.refs.iter().find(is_in_use) {
        let error = Error::internal("a snapshot that is to expire is named by a branch or tag");
        return Err(error.with("snapshot", reference.snapshot_id).with("ref", name));
    }
    let ids: Vec<i64> = expiry.versions.iter().map(|version| version.0).collect();
    metadata::changed(base, now_ms, |builder| {
        let builder = expiry.refs.iter().fold(builder, |builder, name| builder.remove_ref(name));
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

/// What is said of each branch and tag, and of all of them by the table (Iceberg spec, "Snapshot Retention Policy").
pub(crate) fn ref_retention(metadata: &Metadata) -> Result<BTreeMap<String, RefRetention>> {
    let default = metadata.table.properties().get(MAX_REF_AGE).map(|text| text.parse::<i64>()).transpose();
    let default = default.map_err(|_| Error::usage("the table's property is not a number").with("property", MAX_REF_AGE))?;
    let of = |(name, reference): (&String, &SnapshotReference)| {
        let own = match reference.retention {
            SnapshotRetention::Tag { max_ref_age_ms } => RefRetention { max_ref_age_ms, ..RefRetention::default() },
            SnapshotRetention::Branch { min_snapshots_to_keep, max_snapshot_age_ms, max_ref_age_ms } => RefRetention {
                max_ref_age_ms,
                min_snapshots: min_snapshots_to_keep.and_then(|count| usize::try_from(count).ok()),
                max_snapshot_age_ms,
            },
        };
        (name.clone(), RefRetention { max_ref_age_ms: own.max_ref_age_ms.or(default), ..own })
    };
    Ok(metadata.refs.iter().map(of).collect())
}

/// Whether metadata is as an expiry makes it.
pub(crate) fn is_done(metadata: &Metadata, expiry: &Expiry) -> bool {
    let is_gone = |version: &VersionId| metadata.table.snapshot_by_id(version.0).is_none();
    let is_set = |(key, value): (&String, &String)| metadata.table.properties().get(key) == Some(value);
    let is_named = |name: &String| metadata.refs.contains_key(name);
    expiry.versions.iter().all(is_gone) && expiry.properties.iter().all(is_set) && !expiry.refs.iter().any(is_named)
}
