//! The files of a landing area, and the table that a file's path names.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;
use waterline_env::{Env, parse_location};

use crate::bytes_in::InputFile;

/// Stands for `namespace.table` in a path.
const TABLE: &str = "{table}";

/// A file of a source, and which table its folder is for, where the path says it.
#[derive(Clone, Debug)]
pub struct LandingFile {
    pub file: InputFile,
    pub table: Option<TableName>,
    /// Name of the stream of events that the file is part of: its folder, or the file when it was named itself.
    pub partition: String,
}

/// Lists the files of a path or URL, in the order of their names. The path is a file, a folder, or holds `{table}`.
pub async fn list(env: &Env, path: &str) -> Result<Vec<LandingFile>> {
    match path.split_once(TABLE) {
        Some((before, after)) => list_by_table(env, before, after).await,
        None => list_plain(env, path).await,
    }
}

async fn list_plain(env: &Env, path: &str) -> Result<Vec<LandingFile>> {
    let url = parse_location(path)?.to_string();
    let (store, at) = env.stores.resolve(&url)?;
    if !path.ends_with('/')
        && let Ok(meta) = store.head(&at).await
    {
        let file = input_file(&url, &at, &meta);
        return Ok(vec![LandingFile { partition: file.url.clone(), file, table: None }]);
    }
    let metas = list_folder(store.as_ref(), &at, &url).await?;
    if metas.is_empty() {
        return Err(Error::not_found("there is no such file, and no folder with files").with("file", path));
    }
    Ok(metas
        .iter()
        .map(|meta| input_file(&url, &at, meta))
        .map(|file| LandingFile { partition: folder(&file.url), file, table: None })
        .collect())
}

async fn list_by_table(env: &Env, before: &str, after: &str) -> Result<Vec<LandingFile>> {
    let (parent, prefix) = before.rsplit_once('/').map_or((".", before), |(parent, prefix)| (parent, prefix));
    let url = parse_location(parent)?.to_string();
    let (store, at) = env.stores.resolve(&url)?;
    let mut files = Vec::new();
    for meta in list_folder(store.as_ref(), &at, &url).await? {
        let below = meta.location.as_ref().strip_prefix(at.as_ref()).unwrap_or_default().trim_start_matches('/').to_owned();
        let Some(table) = table_in(&below, prefix, after) else { continue };
        let file = input_file(&url, &at, &meta);
        files.push(LandingFile { partition: folder(&file.url), file, table: table.parse().ok() });
    }
    Ok(files)
}

/// What stands for `{table}` between a prefix and a suffix, inside one part of the path.
fn table_in<'a>(path: &'a str, prefix: &str, suffix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let suffix = suffix.trim_end_matches('/');
    if suffix.is_empty() {
        return Some(&rest[..end]);
    }
    let at = rest[..end].find(suffix.split('/').next().unwrap_or_default())?;
    rest[at..].starts_with(suffix).then(|| &rest[..at])
}

async fn list_folder(store: &dyn ObjectStore, at: &Path, url: &str) -> Result<Vec<ObjectMeta>> {
    let listed: Vec<ObjectMeta> = store
        .list(Some(at))
        .try_collect()
        .await
        .map_err(|e| Error::unavailable("cannot list the folder").with("file", url).caused_by(e))?;
    let hidden = |meta: &ObjectMeta| meta.location.filename().is_none_or(|name| name.starts_with(['.', '_']));
    let mut metas: Vec<ObjectMeta> = listed.into_iter().filter(|meta| !hidden(meta)).collect();
    metas.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(metas)
}

fn input_file(url: &str, at: &Path, meta: &ObjectMeta) -> InputFile {
    let below = meta.location.as_ref().strip_prefix(at.as_ref()).unwrap_or_default().trim_start_matches('/');
    let url = if below.is_empty() { url.to_owned() } else { format!("{}/{below}", url.trim_end_matches('/')) };
    let mark = format!("{} {}", meta.last_modified.timestamp_micros(), meta.e_tag.as_deref().unwrap_or_default());
    InputFile { url, size_bytes: meta.size, mark }
}

fn folder(url: &str) -> String {
    url.rsplit_once('/').map_or(url, |(folder, _)| folder).to_owned()
}
