//! Manifest lists and manifests (Iceberg spec, "Manifest Lists" and "Manifests"), read concurrently and kept by name:
//! they never change.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    Manifest as IcebergManifest, ManifestContentType, ManifestEntry, ManifestEntryRef, ManifestFile, ManifestList, ManifestStatus,
    PartitionSpec, SchemaRef, Snapshot, StructType, TableMetadata,
};
use waterline_core::error::{Error, Result};

use crate::cache::Cache;
use crate::error::unreadable;
use crate::files::Files;

const CONCURRENT_READS: usize = 8;
/// An entry with statistics of a dozen columns is about 4 KiB.
const CACHED_ENTRIES: usize = 20_000;

/// What a manifest holds, with the values that entries inherit filled in.
#[derive(Debug)]
pub(crate) struct Contents {
    /// The table's schema when the manifest was written: the only one that surely has the spec's source columns.
    pub(crate) schema: SchemaRef,
    pub(crate) spec: PartitionSpec,
    pub(crate) partition_type: StructType,
    pub(crate) entries: Vec<ManifestEntryRef>,
}

impl Contents {
    pub(crate) fn live(&self) -> impl Iterator<Item = &ManifestEntryRef> {
        self.entries.iter().filter(|entry| entry.is_alive())
    }
}

#[derive(Debug)]
pub(crate) struct Manifests {
    files: Files,
    cache: Cache<Contents>,
    /// By the location of the list.
    live: Cache<Vec<ManifestFile>>,
}

impl Manifests {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, cache: Cache::new(CACHED_ENTRIES), live: Cache::new(CACHED_ENTRIES) }
    }

    /// The manifests of a snapshot that hold live files.
    pub(crate) async fn list(&self, table: &TableMetadata, snapshot: &Snapshot) -> Result<Vec<ManifestFile>> {
        let location = snapshot.manifest_list();
        if let Some(live) = self.live.get(location) {
            return Ok(live.as_ref().clone());
        }
        let mut manifests = self.list_all(table, snapshot).await?;
        manifests.retain(has_live_files);
        self.live.insert(location.to_owned(), Arc::new(manifests.clone()), manifests.len().max(1));
        Ok(manifests)
    }

    /// Every manifest that a snapshot's list names, read anew: clean-ups and checks must see that it can be.
    pub(crate) async fn list_all(&self, table: &TableMetadata, snapshot: &Snapshot) -> Result<Vec<ManifestFile>> {
        let location = snapshot.manifest_list();
        if location.is_empty() {
            return Err(Error::unsupported("the table uses a feature of Iceberg that is not supported")
                .with("feature", "snapshots without a manifest list"));
        }
        if snapshot.encryption_key_id().is_some() {
            return Err(encrypted(location));
        }
        let bytes = self.files.read(location).await?;
        let list = ManifestList::parse_with_version(&bytes, table.format_version()).map_err(|e| unreadable(location, e))?;
        let manifests: Vec<ManifestFile> = list.consume_entries().into_iter().collect();
        match manifests.iter().find(|file| file.key_metadata.as_ref().is_some_and(|key| !key.is_empty())) {
            Some(file) => Err(encrypted(&file.manifest_path)),
            None => Ok(manifests),
        }
    }

    /// Loads manifests, several at a time, in their order.
    pub(crate) fn load_all(&self, manifests: Vec<ManifestFile>) -> impl Stream<Item = Result<(ManifestFile, Arc<Contents>)>> {
        let load = move |file: ManifestFile| async move { self.load(&file).await.map(|contents| (file, contents)) };
        stream::iter(manifests).map(load).buffered(CONCURRENT_READS)
    }

    pub(crate) async fn collect(&self, manifests: Vec<ManifestFile>) -> Result<Vec<(ManifestFile, Arc<Contents>)>> {
        self.load_all(manifests).try_collect().await
    }

    pub(crate) async fn load(&self, file: &ManifestFile) -> Result<Arc<Contents>> {
        if let Some(contents) = self.cache.get(&file.manifest_path) {
            return Ok(contents);
        }
        let bytes = self.files.read(&file.manifest_path).await?;
        let listed = file.clone();
        let parsed = tokio::task::spawn_blocking(move || parse(&listed, &bytes)).await;
        let contents =
            Arc::new(parsed.map_err(|e| Error::corrupt("a manifest cannot be read").with("file", &file.manifest_path).caused_by(e))??);
        self.cache.insert(file.manifest_path.clone(), contents.clone(), contents.entries.len().max(1));
        Ok(contents)
    }
}

fn parse(file: &ManifestFile, bytes: &Bytes) -> Result<Contents> {
    let fail = |e| unreadable(&file.manifest_path, e);
    let (entries, metadata) = IcebergManifest::parse_avro(bytes).map_err(fail)?.into_parts();
    let entries = entries.into_iter().map(|entry| inherit(Arc::unwrap_or_clone(entry), file).map(Arc::new)).collect::<Result<_>>()?;
    let partition_type = metadata.partition_spec.partition_type(&metadata.schema).map_err(fail)?;
    Ok(Contents { schema: metadata.schema, spec: metadata.partition_spec.with_spec_id(file.partition_spec_id), partition_type, entries })
}

/// Fills in what an entry takes from the manifest list (Iceberg spec, "Sequence Number Inheritance").
fn inherit(mut entry: ManifestEntry, file: &ManifestFile) -> Result<ManifestEntry> {
    if entry.data_file.key_metadata().is_some_and(|key| !key.is_empty()) {
        return Err(encrypted(entry.file_path()));
    }
    entry.snapshot_id.get_or_insert(file.added_snapshot_id);
    if entry.status == ManifestStatus::Added || file.sequence_number == 0 {
        entry.sequence_number.get_or_insert(file.sequence_number);
        entry.file_sequence_number.get_or_insert(file.sequence_number);
    }
    if entry.is_alive() && (entry.sequence_number.is_none() || entry.file_sequence_number.is_none()) {
        return Err(Error::corrupt("a manifest entry has no sequence number")
            .with("file", &file.manifest_path)
            .with("entry", entry.file_path()));
    }
    Ok(entry)
}

pub(crate) fn has_live_files(file: &ManifestFile) -> bool {
    file.has_added_files() || file.has_existing_files()
}

pub(crate) fn is_data(file: &ManifestFile) -> bool {
    file.content == ManifestContentType::Data
}

fn encrypted(file: &str) -> Error {
    Error::unsupported("the table uses a feature of Iceberg that is not supported").with("feature", "encryption").with("file", file)
}
