//! Deletes files of a table, many at a time. Each of them is below the table's folder.

use futures::stream::{self, StreamExt};
use object_store::ObjectStoreExt;
use waterline_core::error::{Error, Result};
use waterline_core::format::StoredFiles;
use waterline_core::maintain::root::Root;

use crate::lake::Lake;

const CONCURRENT_DELETES: usize = 64;

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Deleted {
    pub files: u64,
    /// As far as sizes are known.
    pub bytes: u64,
    /// Files that could not be deleted. Nothing refers to them, so a vacuum takes them later.
    pub left: u64,
}

/// What deleting the files would do.
pub(super) fn counted(files: &StoredFiles) -> Deleted {
    Deleted { files: files.len() as u64, bytes: files.values().flatten().sum(), left: 0 }
}

/// Deletes files by their URLs. All names are checked before the first one goes.
pub(super) async fn delete_all(lake: &Lake, location: &str, files: &StoredFiles) -> Result<Deleted> {
    let root = Root::new(location)?;
    let mut paths = Vec::with_capacity(files.len());
    for (file, size_bytes) in files {
        // By the name that the table's folder has, which is the store that was looked at.
        let (store, path) = lake.env.stores.resolve(&format!("{location}/{}", root.relative(file)?))?;
        paths.push((file, store, path, size_bytes.unwrap_or(0)));
    }
    let deletes = paths.into_iter().map(|(file, store, path, size_bytes)| async move {
        match store.delete(&path).await {
            Ok(()) => Ok(size_bytes),
            Err(object_store::Error::NotFound { .. }) => Ok(0),
            Err(error) => {
                let error = Error::unavailable("a file could not be deleted").with("file", file).caused_by(error);
                tracing::warn!(%error, "a file that nothing refers to stays; a vacuum takes it later");
                Err(())
            }
        }
    });
    let deletes: Vec<_> = deletes.collect();
    let outcomes = stream::iter(deletes).buffer_unordered(CONCURRENT_DELETES);
    Ok(outcomes
        .fold(Deleted::default(), |mut deleted, outcome| async move {
            match outcome {
                Ok(size_bytes) => (deleted.files, deleted.bytes) = (deleted.files + 1, deleted.bytes + size_bytes),
                Err(()) => deleted.left += 1,
            }
            deleted
        })
        .await)
}
