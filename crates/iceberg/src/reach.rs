//! Which files a table needs: its metadata files, and of each snapshot the manifest list, every manifest in it, and the files
//! that are live in those. Anything that cannot be read is an error, since a file that is not in the answer may be deleted.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{ManifestFile, SnapshotRef};
use waterline_core::error::{Error, Result};
use waterline_core::format::{StoredFiles, VersionId};

use crate::location;
use crate::manifest::{Contents, Manifests, has_live_files};
use crate::metadata::Metadata;

const CONCURRENT_LISTS: usize = 32;

pub(crate) async fn reachable(manifests: &Manifests, metadata: &Metadata, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
    let mut files = of_table(metadata);
    let snapshots = versions.iter().map(|version| snapshot(metadata, *version)).collect::<Result<Vec<_>>>()?;
    files.extend(snapshots.iter().map(|snapshot| (absolute(snapshot.manifest_list()), None)));
    files.extend(statistics(metadata, versions));
    let mut live = BTreeMap::new();
    let lists = snapshots.iter().map(|snapshot| manifests.list_all(&metadata.table, snapshot)).collect::<Vec<_>>();
    let mut lists = stream::iter(lists).buffer_unordered(CONCURRENT_LISTS);
    while let Some(list) = lists.try_next().await? {
        for manifest in list {
            let size_bytes = u64::try_from(manifest.manifest_length).ok();
            files.insert(absolute(&manifest.manifest_path), size_bytes);
            if has_live_files(&manifest) {
                live.entry(manifest.manifest_path.clone()).or_insert(manifest);
            }
        }
    }
    let live: Vec<ManifestFile> = live.into_values().collect();
    let mut loaded = std::pin::pin!(manifests.load_all(live));
    while let Some((_, contents)) = loaded.try_next().await? {
        files.extend(live_files(&contents));
    }
    Ok(files)
}

/// The current metadata file and those that its log names.
fn of_table(metadata: &Metadata) -> StoredFiles {
    let logged = metadata.table.metadata_log().iter().map(|entry| absolute(&entry.metadata_file));
    logged.chain([absolute(&metadata.location)]).map(|location| (location, None)).collect()
}

fn snapshot(metadata: &Metadata, version: VersionId) -> Result<&SnapshotRef> {
    let missing = || Error::not_found("the table has no such snapshot").with("snapshot", version.0).with("file", &metadata.location);
    metadata.table.snapshot_by_id(version.0).ok_or_else(missing)
}

fn statistics<'a>(metadata: &'a Metadata, versions: &'a HashSet<VersionId>) -> impl Iterator<Item = (String, Option<u64>)> + 'a {
    let of_tables = metadata.table.statistics_iter().map(|file| (file.snapshot_id, &file.statistics_path, file.file_size_in_bytes));
    let of_partitions =
        metadata.table.partition_statistics_iter().map(|file| (file.snapshot_id, &file.statistics_path, file.file_size_in_bytes));
    let wanted = of_tables.chain(of_partitions).filter(|(id, ..)| versions.contains(&VersionId(*id)));
    wanted.map(|(_, path, size_bytes)| (absolute(path), u64::try_from(size_bytes).ok()))
}

fn live_files(contents: &Contents) -> impl Iterator<Item = (String, Option<u64>)> {
    contents.live().map(|entry| (absolute(entry.file_path()), Some(entry.data_file().file_size_in_bytes())))
}

/// One name for one file, however writers call it.
fn absolute(path: &str) -> String {
    location::absolute(&location::key(path))
}
