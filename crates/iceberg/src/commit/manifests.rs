//! Writing of manifests and of the manifest list (Iceberg spec, "Manifests", "Manifest Lists", "First Row ID Inheritance").
//!
//! The `iceberg` crate writes them into memory; [`Manifests::into_files`] gives the bytes.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, DataFileBuilder, FormatVersion, ManifestContentType, ManifestEntry, ManifestEntryRef, ManifestFile, ManifestListWriter,
    ManifestWriter, ManifestWriterBuilder, PartitionSpec, SchemaRef, TableMetadata,
};
use uuid::Uuid;
use waterline_core::error::{Error, Result};
use waterline_core::value::Value;

use crate::commit::summary::Summary;
use crate::error::refused;
use crate::files::NewFile;
use crate::lineage::RowIds;
use crate::location;
use crate::manifest::Contents;
use crate::partition::from_struct;

/// A sequence number that entries take from the snapshot.
const INHERITED: i64 = -1;

/// What tells a live entry from all others: its path, and for a deletion vector its place in the file.
pub(crate) fn entry_key(file: &DataFile) -> String {
    let path = location::key(file.file_path());
    match file.content_offset() {
        Some(offset) => format!("{path}#{offset}"),
        None => path.into_owned(),
    }
}

pub(crate) fn built(builder: &DataFileBuilder) -> Result<DataFile> {
    builder.build().map_err(|e| Error::internal("a manifest entry is not complete").caused_by(e))
}

/// The manifests of one new snapshot.
pub(crate) struct NewManifests<'a> {
    table: &'a TableMetadata,
    snapshot_id: i64,
    id: Uuid,
    memory: FileIO,
    files: Vec<NewFile>,
}

/// What a manifest list says of its snapshot.
pub(crate) struct WrittenList {
    pub(crate) location: String,
    /// First row id and number of row ids given out, in format version 3.
    pub(crate) row_range: Option<(u64, u64)>,
}

impl<'a> NewManifests<'a> {
    /// `id` is unique to the attempt.
    pub(crate) fn new(table: &'a TableMetadata, snapshot_id: i64, id: Uuid) -> Self {
        Self { table, snapshot_id, id, memory: FileIO::new_with_memory(), files: Vec::new() }
    }

    /// A manifest of new files.
    pub(crate) async fn add(
        &mut self,
        content: ManifestContentType,
        schema: SchemaRef,
        spec: PartitionSpec,
        added: Vec<DataFile>,
    ) -> Result<ManifestFile> {
        let mut writer = self.writer(content, schema, spec)?;
        for file in added {
            writer.add_file(file, INHERITED).map_err(refused)?;
        }
        self.finish(writer).await
    }

    /// A manifest again, without the entries whose keys are in `removed`; `None` when there are none in it. It keeps its
    /// own schema, in which its spec surely can be read.
    pub(crate) async fn rewrite(
        &mut self,
        file: &ManifestFile,
        contents: &Contents,
        removed: &mut HashSet<String>,
        summary: &mut Summary,
    ) -> Result<Option<ManifestFile>> {
        if !contents.live().any(|entry| removed.contains(&entry_key(entry.data_file()))) {
            return Ok(None);
        }
        let mut writer = self.writer(file.content, contents.schema.clone(), contents.spec.clone())?;
        let mut row_ids = RowIds::of(file);
        for entry in contents.live() {
            let (sequence, file_sequence) = (sequence_number(entry)?, entry.file_sequence_number);
            let data = with_row_id(&mut row_ids, entry.data_file(), contents.spec.spec_id())?;
            if removed.remove(&entry_key(&data)) {
                summary.removed(contents.spec.spec_id(), &data);
                writer.add_delete_file(data, sequence, file_sequence).map_err(refused)?;
            } else {
                writer.add_existing_file(data, snapshot_id(entry, file), sequence, file_sequence).map_err(refused)?;
            }
        }
        let mut rewritten = self.finish(writer).await?;
        // Every entry carries its first row id now; the manifest's own keeps the list from giving out new ones.
        rewritten.first_row_id = file.first_row_id;
        Ok(Some(rewritten))
    }

    /// The live entries of manifests of one spec in as few manifests as their schemas allow.
    pub(crate) async fn merge(&mut self, sources: &[(ManifestFile, Arc<Contents>)]) -> Result<Vec<ManifestFile>> {
        let mut merged = Vec::new();
        for sources in by_schema(sources).into_values() {
            match sources.as_slice() {
                [] => {}
                [(file, _)] => merged.push(file.clone()),
                [(first, contents), ..] => {
                    let mut writer = self.writer(first.content, contents.schema.clone(), contents.spec.clone())?;
                    for (file, contents) in &sources {
                        keep_all(&mut writer, file, contents)?;
                    }
                    merged.push(self.with_row_ids_of(&sources, writer).await?);
                }
            }
        }
        Ok(merged)
    }

    /// The live entries of manifests of one spec by partition, in manifests of about the target size, so that a reader of few
    /// partitions opens few of them.
    pub(crate) async fn cluster(&mut self, sources: Vec<(ManifestFile, Arc<Contents>)>, target_bytes: i64) -> Result<Vec<ManifestFile>> {
        let mut clustered = Vec::new();
        for sources in by_schema(&sources).into_values() {
            let Some((first, contents)) = sources.first() else { continue };
            let bytes: i64 = sources.iter().map(|(file, _)| file.manifest_length).sum();
            let count = usize::try_from(bytes.div_euclid(target_bytes.max(1)) + 1).unwrap_or(usize::MAX);
            if sources.len() <= count {
                clustered.extend(sources.iter().map(|(file, _)| file.clone()));
                continue;
            }
            let entries = by_partition(&sources)?;
            for part in entries.chunks(entries.len().div_ceil(count).max(1)) {
                let mut writer = self.writer(first.content, contents.schema.clone(), contents.spec.clone())?;
                for kept in part {
                    writer.add_existing_file(kept.file.clone(), kept.snapshot_id, kept.sequence, kept.file_sequence).map_err(refused)?;
                }
                clustered.push(self.with_row_ids_of(&sources, writer).await?);
            }
        }
        Ok(clustered)
    }

    /// Every entry carries its first row id now; the manifest's own keeps the list from giving out new ones.
    async fn with_row_ids_of(&mut self, sources: &[&(ManifestFile, Arc<Contents>)], writer: ManifestWriter) -> Result<ManifestFile> {
        let mut file = self.finish(writer).await?;
        let all_have_row_ids = sources.iter().all(|(file, _)| file.first_row_id.is_some());
        file.first_row_id = sources.first().and_then(|(first, _)| first.first_row_id).filter(|_| all_have_row_ids);
        Ok(file)
    }

    pub(crate) async fn list(&mut self, parent: Option<i64>, manifests: Vec<ManifestFile>) -> Result<WrittenList> {
        let location = self.location(&format!("snap-{}-0-{}.avro", self.snapshot_id, self.id));
        let output = self.memory.new_output(&location).map_err(refused)?.writer().await.map_err(refused)?;
        let sequence = self.table.next_sequence_number();
        let first_row = self.table.next_row_id();
        let mut writer = match self.table.format_version() {
            FormatVersion::V3 => ManifestListWriter::v3(output, self.snapshot_id, parent, sequence, Some(first_row)),
            FormatVersion::V1 | FormatVersion::V2 => ManifestListWriter::v2(output, self.snapshot_id, parent, sequence),
        };
        writer.add_manifests(manifests.into_iter()).map_err(refused)?;
        let row_range = writer.next_row_id().map(|next| (first_row, next - first_row));
        writer.close().await.map_err(refused)?;
        let bytes = self.written(&location).await?;
        self.files.push(NewFile { location: location.clone(), bytes });
        Ok(WrittenList { location, row_range })
    }

    pub(crate) fn into_files(self) -> Vec<NewFile> {
        self.files
    }

    fn writer(&self, content: ManifestContentType, schema: SchemaRef, spec: PartitionSpec) -> Result<ManifestWriter> {
        let location = self.location(&format!("{}-m{}.avro", self.id, self.files.len()));
        let output = self.memory.new_output(location).map_err(refused)?;
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot_id), schema, spec);
        Ok(match (self.table.format_version(), content) {
            (FormatVersion::V3, ManifestContentType::Data) => builder.build_v3_data(),
            (FormatVersion::V3, ManifestContentType::Deletes) => builder.build_v3_deletes(),
            (_, ManifestContentType::Data) => builder.build_v2_data(),
            (_, ManifestContentType::Deletes) => builder.build_v2_deletes(),
        })
    }

    async fn finish(&mut self, writer: ManifestWriter) -> Result<ManifestFile> {
        let file = writer.write_manifest_file().await.map_err(refused)?;
        let bytes = self.written(&file.manifest_path).await?;
        self.files.push(NewFile { location: file.manifest_path.clone(), bytes });
        Ok(file)
    }

    async fn written(&self, location: &str) -> Result<Bytes> {
        self.memory.new_input(location).map_err(refused)?.read().await.map_err(refused)
    }

    fn location(&self, name: &str) -> String {
        format!("{}/metadata/{name}", self.table.location().trim_end_matches('/'))
    }
}

fn by_schema(sources: &[(ManifestFile, Arc<Contents>)]) -> BTreeMap<i32, Vec<&(ManifestFile, Arc<Contents>)>> {
    let mut by_schema: BTreeMap<i32, Vec<&(ManifestFile, Arc<Contents>)>> = BTreeMap::new();
    for source in sources {
        by_schema.entry(source.1.schema.schema_id()).or_default().push(source);
    }
    by_schema
}

/// A live entry as it goes on in another manifest.
struct Kept {
    file: DataFile,
    snapshot_id: i64,
    sequence: i64,
    file_sequence: Option<i64>,
}

fn kept(file: &ManifestFile, contents: &Contents) -> Result<Vec<Kept>> {
    let mut row_ids = RowIds::of(file);
    let kept = |entry: &ManifestEntryRef| {
        Ok(Kept {
            file: with_row_id(&mut row_ids, entry.data_file(), contents.spec.spec_id())?,
            snapshot_id: snapshot_id(entry, file),
            sequence: sequence_number(entry)?,
            file_sequence: entry.file_sequence_number,
        })
    };
    contents.live().map(kept).collect()
}

/// The live entries of manifests of one spec and schema, those of a partition together.
fn by_partition(sources: &[&(ManifestFile, Arc<Contents>)]) -> Result<Vec<Kept>> {
    let mut entries = Vec::new();
    for (file, contents) in sources {
        for kept in kept(file, contents)? {
            let values = from_struct(kept.file.partition(), &contents.partition_type);
            entries.push((values.into_iter().map(Option::flatten).collect::<Vec<_>>(), kept));
        }
    }
    let compare = |(a, b): (&Option<Value>, &Option<Value>)| match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    entries.sort_by(|(a, _), (b, _)| a.iter().zip(b).map(compare).find(|order| order.is_ne()).unwrap_or(Ordering::Equal));
    Ok(entries.into_iter().map(|(_, kept)| kept).collect())
}

/// Adds all live entries of a manifest to another.
fn keep_all(writer: &mut ManifestWriter, file: &ManifestFile, contents: &Contents) -> Result<()> {
    for kept in kept(file, contents)? {
        writer.add_existing_file(kept.file, kept.snapshot_id, kept.sequence, kept.file_sequence).map_err(refused)?;
    }
    Ok(())
}

fn snapshot_id(entry: &ManifestEntry, file: &ManifestFile) -> i64 {
    entry.snapshot_id.unwrap_or(file.added_snapshot_id)
}

fn sequence_number(entry: &ManifestEntry) -> Result<i64> {
    entry.sequence_number.ok_or_else(|| Error::corrupt("a manifest entry has no sequence number").with("entry", entry.file_path()))
}

/// The entry's file with its row id made explicit.
fn with_row_id(row_ids: &mut RowIds, file: &DataFile, spec_id: i32) -> Result<DataFile> {
    match row_ids.first(file)? {
        Some(first) if file.first_row_id().is_none() => with_first_row_id(file, spec_id, first),
        _ => Ok(file.clone()),
    }
}

/// A copy of the entry with a first row id. The `iceberg` crate has no setter for it.
fn with_first_row_id(file: &DataFile, spec_id: i32, first_row_id: i64) -> Result<DataFile> {
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_owned())
        .file_format(file.file_format())
        .partition_spec_id(spec_id)
        .partition(file.partition().clone())
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(file.lower_bounds().clone())
        .upper_bounds(file.upper_bounds().clone())
        .key_metadata(file.key_metadata().map(<[u8]>::to_vec))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .equality_ids(file.equality_ids())
        .first_row_id(Some(first_row_id))
        .referenced_data_file(file.referenced_data_file())
        .content_offset(file.content_offset())
        .content_size_in_bytes(file.content_size_in_bytes());
    if let Some(order) = file.sort_order_id() {
        builder.sort_order_id(order);
    }
    built(&builder)
}
