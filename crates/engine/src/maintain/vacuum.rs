//! Vacuum: files below a table's folder go that nothing refers to. Nothing is deleted where anything is in doubt.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use waterline_core::error::{Error, Result};
use waterline_core::format::{StoredFiles, TableFormat, TableState};
use waterline_core::maintain::expire::{Caution, cut_off_ms, ensure_may_delete};
use waterline_core::maintain::root::Root;
use waterline_core::maintain::vacuum::{Listed, Plan, When, plan};
use waterline_core::table::TableName;

use super::Action;
use super::delete::{Deleted, counted, delete_all};
use super::needed::{needed, versions_of};
use crate::lake::Lake;

#[derive(Clone, Copy, Debug)]
pub struct VacuumRequest {
    /// Younger files stay.
    pub older_than_ms: i64,
    pub caution: Caution,
    pub action: Action,
}

/// What was deleted, or would be.
#[derive(Clone, Debug)]
pub struct Vacuumed {
    pub table: TableName,
    /// URLs, of a plan only.
    pub files: Vec<String>,
    pub deleted: Deleted,
    /// All files that the table's folder had.
    pub listed: u64,
}

/// Cleans up the folder of one table.
pub async fn vacuum(lake: &Lake, table: &TableName, request: &VacuumRequest) -> Result<Vacuumed> {
    vacuum_folder(lake, table, request).await.map_err(|e| e.with("table", table))
}

async fn vacuum_folder(lake: &Lake, table: &TableName, request: &VacuumRequest) -> Result<Vacuumed> {
    let format = lake.table(table).await?;
    let now_ms = lake.env.clock.now_ms();
    let when = When { now_ms, cut_off_ms: cut_off_ms(request.older_than_ms, request.caution, now_ms)? };
    // What is listed first and needed by a later state is safe; the other way round, a commit in between would lose its files.
    let location = format.head().await?.location;
    let listed = list(lake, &location).await?;
    let head = format.head().await?;
    ensure_may_delete(&head)?;
    if head.location != location {
        return Err(Error::unavailable("the table was moved meanwhile; run again"));
    }
    let kept = needed(&format, &head, &versions_of(&head)).await?;
    let plan = plan(&Root::new(&location)?, listed, &kept, when, request.caution)?;
    let garbage = urls(&location, &plan);
    let vacuumed = |files, deleted| Vacuumed { table: table.clone(), files, deleted, listed: plan.files as u64 };
    if request.action == Action::Plan {
        return Ok(vacuumed(garbage.keys().cloned().collect(), counted(&garbage)));
    }
    plan.ensure_modest(request.caution)?;
    let garbage = still_garbage(&format, &head, garbage).await?;
    Ok(vacuumed(Vec::new(), delete_all(lake, &location, &garbage).await?))
}

/// A commit since then may have taken up a file that lay there for long.
async fn still_garbage(format: &Arc<dyn TableFormat>, planned_on: &TableState, mut garbage: StoredFiles) -> Result<StoredFiles> {
    let head = format.head().await?;
    if head.metadata_location.is_none() || head.metadata_location != planned_on.metadata_location {
        let kept = needed(format, &head, &versions_of(&head)).await?;
        let root = Root::new(&head.location)?;
        let kept = kept.keys().map(|file| root.relative(file)).collect::<Result<std::collections::HashSet<&str>>>()?;
        garbage.retain(|file, _| root.relative(file).is_ok_and(|path| !kept.contains(path)));
    }
    Ok(garbage)
}

fn urls(location: &str, plan: &Plan) -> StoredFiles {
    plan.garbage.iter().map(|file| (format!("{location}/{}", file.path), Some(file.size_bytes))).collect()
}

/// All files below a table's folder.
async fn list(lake: &Lake, location: &str) -> Result<Vec<Listed>> {
    let (store, root): (Arc<dyn ObjectStore>, Path) = lake.env.stores.resolve(location)?;
    let failed = |e: object_store::Error| Error::unavailable("cannot list the files of the table").with("folder", location).caused_by(e);
    let prefix = format!("{root}/");
    let listed = store.list(Some(&root)).map_err(failed).and_then(|object| {
        let path = object.location.as_ref().strip_prefix(&prefix).map(str::to_owned);
        let named = path.ok_or_else(|| Error::corrupt("the store lists a file outside of the folder").with("file", &object.location));
        let (size_bytes, modified_ms) = (object.size, object.last_modified.timestamp_millis());
        std::future::ready(named.map(|path| Listed { path, size_bytes, modified_ms }))
    });
    listed.try_collect().await
}
