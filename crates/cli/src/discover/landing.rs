//! The files under a path, by folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;
use waterline_env::Env;

/// Files of one folder.
#[derive(Debug)]
pub(super) struct Folder {
    /// As the user wrote its path, then what lies below, without a slash at the end.
    location: String,
    pub(super) first: LandingFile,
    pub(super) files: u64,
    pub(super) size_bytes: u64,
}

#[derive(Clone, Debug)]
pub(super) struct LandingFile {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    /// As the user would name it.
    pub(super) shown: String,
}

/// Folders below `path`, or the one file that it is, in the order of their names.
pub(super) async fn list(env: &Env, path: &str) -> Result<Vec<Folder>> {
    let (store, root) = env.stores.resolve(path)?;
    let unreachable = |e: object_store::Error| Error::unavailable("the path cannot be listed").with("path", path).caused_by(e);
    let mut files: Vec<ObjectMeta> = store.list(Some(&root)).try_collect().await.map_err(unreachable)?;
    if files.is_empty() {
        files.extend(store.head(&root).await.ok());
    }
    if files.is_empty() {
        return Err(Error::not_found("there are no files").with("path", path));
    }
    files.sort_by(|a, b| a.location.cmp(&b.location));
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    for file in files.iter().filter(|file| !is_hidden(&file.location)) {
        let location = folder_of(path, &root, &file.location);
        let shown =
            if file.location == root { path.to_owned() } else { format!("{location}/{}", file.location.filename().unwrap_or_default()) };
        let first = || LandingFile { store: store.clone(), path: file.location.clone(), shown };
        let folder = folders.entry(location.clone()).or_insert_with(|| Folder { location, first: first(), files: 0, size_bytes: 0 });
        folder.files += 1;
        folder.size_bytes += file.size;
    }
    Ok(folders.into_values().collect())
}

/// Files that writers have not finished, or that are about other files.
fn is_hidden(path: &Path) -> bool {
    path.filename().is_some_and(|name| name.starts_with(['.', '_']))
}

fn folder_of(path: &str, root: &Path, file: &Path) -> String {
    let below: Vec<String> = file.prefix_match(root).into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
    let inner = below.split_last().map_or(&[][..], |(_, folders)| folders);
    std::iter::once(path.trim_end_matches('/').to_owned()).chain(inner.iter().cloned()).collect::<Vec<_>>().join("/")
}

impl Folder {
    /// Whether it is a file that was named itself.
    fn is_file(&self) -> bool {
        self.first.shown == self.location
    }

    /// The folder's path with `{table}` for the table's name, or `None` when it is not named after it.
    pub(super) fn template(&self, table: &TableName) -> Option<String> {
        let at = self.location.rfind(&table.to_string()).filter(|_| !self.is_file())?;
        let end = at + table.to_string().len();
        let whole =
            self.location[..at].ends_with(['/', '.', '-', '_']) && (end == self.location.len() || self.location[end..].starts_with('/'));
        whole.then(|| format!("{}{{table}}{}/", &self.location[..at], &self.location[end..]))
    }

    /// The table that the folder's last two dotted parts name, as in `pg.shop.orders`.
    pub(super) fn table_of_name(&self) -> Option<TableName> {
        let name = self.location.rsplit('/').next().filter(|_| !self.is_file())?;
        let mut parts = name.rsplit('.');
        let (table, namespace) = (parts.next()?, parts.next()?);
        TableName::new(namespace, table).ok()
    }
}
