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
    /// Name of the stream of events that the file is part of, see [`partition_of`].
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
        return Ok(vec![LandingFile { partition: partition_of(&file.url), file, table: None }]);
    }
    let metas = list_folder(store.as_ref(), &at, &url).await?;
    if metas.is_empty() {
        return Err(Error::not_found("there is no such file, and no folder with files").with("file", path));
    }
    Ok(metas
        .iter()
        .map(|meta| input_file(&url, &at, meta))
        .map(|file| LandingFile { partition: partition_of(&file.url), file, table: None })
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
        files.push(LandingFile { partition: partition_of(&file.url), file, table: table.parse().ok() });
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

/// The stream of events that a file is part of: its folder without the parts of the path that are dates, since what comes
/// tomorrow goes on with what came today.
fn partition_of(url: &str) -> String {
    without_dates(url.rsplit_once('/').map_or(url, |(folder, _)| folder))
}

/// Whether a source that is read from this path feeds the partition.
pub(super) fn covers(path: &str, partition: &str) -> bool {
    let folder = path.split_once(TABLE).map_or(path, |(before, _)| before.rsplit_once('/').map_or(".", |(parent, _)| parent));
    let Ok(url) = parse_location(folder) else { return false };
    let url = url.as_str().trim_end_matches('/');
    // The path may also be that of a file.
    partition == partition_of(url) || below(&without_dates(url), partition)
}

fn below(folder: &str, partition: &str) -> bool {
    partition.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `s3://lake/orders/year=2026/month=11/21/partition=0` is `s3://lake/orders/partition=0`.
fn without_dates(url: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut follows_date = false;
    for (at, part) in url.split('/').enumerate() {
        // Scheme and host come first.
        follows_date = at > 2 && is_date(part, follows_date);
        if !follows_date {
            kept.push(part);
        }
    }
    kept.join("/")
}

/// `2026`, `2026-11-21`, `dt=20261121`, and behind such a one also `month=11` or `21`.
fn is_date(part: &str, follows_date: bool) -> bool {
    let (name, value) = part.split_once('=').unwrap_or(("", part));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let has_only_digits = value.bytes().all(|byte| byte.is_ascii_digit() || b"-_:TZ".contains(&byte));
    let is_year = digits >= 4 && (value.starts_with("19") || value.starts_with("20"));
    name != "partition" && has_only_digits && digits > 0 && (is_year || follows_date && digits <= 2)
}
