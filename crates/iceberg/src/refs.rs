//! Tags (Iceberg spec, "Snapshot References").

use iceberg::spec::{SnapshotReference, SnapshotRetention, TableMetadata};
use waterline_core::error::{Error, Result};
use waterline_core::format::VersionId;

use crate::error::refused;
use crate::metadata::{self, Metadata};

pub(crate) fn tag_of(snapshot_id: i64) -> SnapshotReference {
    SnapshotReference::new(snapshot_id, SnapshotRetention::Tag { max_ref_age_ms: None })
}

/// Fails when the name is that of a branch.
pub(crate) fn ensure_tag(metadata: &Metadata, name: &str) -> Result<()> {
    match metadata.refs.get(name) {
        Some(reference) if reference.is_branch() => Err(Error::usage("a branch has this name").with("tag", name)),
        _ => Ok(()),
    }
}

/// Whether the tag is as asked for already.
pub(crate) fn is_set(metadata: &Metadata, name: &str, version: Option<VersionId>) -> bool {
    metadata.refs.get(name).map(|reference| VersionId(reference.snapshot_id)) == version
}

/// The table with a tag set, moved or removed.
pub(crate) fn with_tag(base: &Metadata, name: &str, version: Option<VersionId>, now_ms: i64) -> Result<TableMetadata> {
    base.ensure_writable()?;
    ensure_tag(base, name)?;
    metadata::changed(base, now_ms, |builder| match version {
        None => Ok(builder.remove_ref(name)),
        Some(VersionId(id)) if base.table.snapshot_by_id(id).is_none() => {
            Err(Error::not_found("the table has no such snapshot").with("snapshot", id))
        }
        Some(VersionId(id)) => builder.set_ref(name, tag_of(id)).map_err(refused),
    })
}
