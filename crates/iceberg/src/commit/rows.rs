//! Deletes of rows, one file per data file: a position delete file in format version 2, a Puffin file with a deletion
//! vector in version 3. A new one holds what the old one held, which leaves.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, FormatVersion, ManifestEntryRef, PartitionSpec, SchemaRef,
    TableMetadata,
};
use roaring::RoaringTreemap;
use uuid::Uuid;
use waterline_core::error::{Error, Result};

use crate::commit::manifests::{built, entry_key};
use crate::commit::removal::{LiveFiles, Located};
use crate::deletes::position::{self, FILE_PATH_ID, POSITION_ID};
use crate::deletes::{DeleteReader, puffin};
use crate::files::NewFile;
use crate::location;

const CONCURRENT_READS: usize = 16;

/// Delete files to add, and what they replace.
#[derive(Default)]
pub(crate) struct RowDeletes {
    pub(crate) files: Vec<NewFile>,
    /// By the spec and schema of the data files' manifests: deletes must be in the spec of their data.
    pub(crate) entries: BTreeMap<(i32, i32), DeleteGroup>,
    /// Keys of the entries that are replaced.
    pub(crate) replaced: HashSet<String>,
}

pub(crate) struct DeleteGroup {
    pub(crate) schema: SchemaRef,
    pub(crate) spec: PartitionSpec,
    pub(crate) added: Vec<DataFile>,
}

/// All deleted rows of one data file.
struct Deleted {
    file: Located,
    positions: RoaringTreemap,
    replaced: Vec<ManifestEntryRef>,
}

/// Stages the deletes of `rows`, by data file path.
pub(crate) async fn stage(
    table: &TableMetadata,
    reader: &DeleteReader,
    live: &LiveFiles,
    located: &HashMap<String, Located>,
    rows: &BTreeMap<String, RoaringTreemap>,
    id: Uuid,
) -> Result<RowDeletes> {
    let found = rows.iter().filter_map(|(path, rows)| Some((located.get(location::key(path).as_ref())?, rows)));
    let merges: Vec<_> = found.map(|(file, rows)| merge(table.format_version(), reader, live, file, rows)).collect();
    let merged: Vec<Option<Deleted>> = stream::iter(merges).buffered(CONCURRENT_READS).try_collect().await?;
    let deleted: Vec<Deleted> = merged.into_iter().flatten().collect();
    let folder = format!("{}/data", table.location().trim_end_matches('/'));
    match table.format_version() {
        FormatVersion::V3 => RowDeletes::as_vectors(deleted, |n| format!("{folder}/{id}-{n:05}-deletes.puffin")),
        FormatVersion::V1 | FormatVersion::V2 => {
            RowDeletes::as_position_files(deleted, |n| format!("{folder}/{id}-{n:05}-deletes.parquet"))
        }
    }
}

/// Adds to `rows` what is deleted already. `None` when all of them are.
///
/// A deletion vector hides all position deletes of its file, so it takes in also those of files that others share; a
/// position delete file takes in only what it replaces.
async fn merge(
    version: FormatVersion,
    reader: &DeleteReader,
    live: &LiveFiles,
    file: &Located,
    rows: &RoaringTreemap,
) -> Result<Option<Deleted>> {
    let path = file.entry.file_path();
    if rows.max().is_some_and(|last| last >= file.entry.record_count()) {
        return Err(Error::internal("a commit deletes a row that its data file does not have").with("file", path));
    }
    let owned: Vec<ManifestEntryRef> = live.deletes.owned(path).cloned().collect();
    let mut merged = live.deletes.positions(file.contents.spec.spec_id(), &file.entry);
    if version != FormatVersion::V3 {
        merged.retain(|delete| owned.iter().any(|own| std::sync::Arc::ptr_eq(own, delete)));
    }
    let before = reader.deleted(path, &merged).await?;
    let positions = &before | rows;
    Ok((positions != before).then(|| Deleted { file: file.clone(), positions, replaced: owned }))
}

impl RowDeletes {
    fn as_position_files(deleted: Vec<Deleted>, location: impl Fn(usize) -> String) -> Result<Self> {
        let mut all = Self::default();
        for (n, deleted) in deleted.into_iter().enumerate() {
            let file = NewFile { location: location(n), bytes: position::write(deleted.file.entry.file_path(), &deleted.positions)? };
            let entry = position_entry(&deleted, &file)?;
            all.files.push(file);
            all.add(&deleted, entry);
        }
        Ok(all)
    }

    fn as_vectors(deleted: Vec<Deleted>, location: impl Fn(usize) -> String) -> Result<Self> {
        let mut all = Self::default();
        for (n, deleted) in deleted.into_iter().enumerate() {
            let (bytes, range) = puffin::write(deleted.file.entry.file_path(), &deleted.positions)?;
            let file = NewFile { location: location(n), bytes };
            let mut builder = delete_entry(&deleted, &file, DataFileFormat::Puffin);
            builder.content_offset(Some(range.offset)).content_size_in_bytes(Some(range.length));
            all.add(&deleted, built(&builder)?);
            all.files.push(file);
        }
        Ok(all)
    }

    fn add(&mut self, deleted: &Deleted, entry: DataFile) {
        let contents = &deleted.file.contents;
        let group = self.entries.entry((contents.spec.spec_id(), contents.schema.schema_id()));
        let empty = || DeleteGroup { schema: contents.schema.clone(), spec: contents.spec.clone(), added: Vec::new() };
        group.or_insert_with(empty).added.push(entry);
        self.replaced.extend(deleted.replaced.iter().map(|entry| entry_key(entry.data_file())));
    }
}

fn delete_entry(deleted: &Deleted, file: &NewFile, format: DataFileFormat) -> DataFileBuilder {
    let data = deleted.file.entry.data_file();
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::PositionDeletes)
        .file_format(format)
        .file_path(file.location.clone())
        .file_size_in_bytes(file.bytes.len() as u64)
        .record_count(deleted.positions.len())
        .partition_spec_id(deleted.file.contents.spec.spec_id())
        .partition(data.partition().clone())
        .referenced_data_file(Some(data.file_path().to_owned()));
    builder
}

fn position_entry(deleted: &Deleted, file: &NewFile) -> Result<DataFile> {
    let mut builder = delete_entry(deleted, file, DataFileFormat::Parquet);
    let (path, count) = (Datum::string(deleted.file.entry.file_path()), deleted.positions.len());
    let bounds =
        |position: Option<u64>| HashMap::from([(FILE_PATH_ID, path.clone()), (POSITION_ID, Datum::long(position.unwrap_or(0) as i64))]);
    builder
        .value_counts(HashMap::from([(FILE_PATH_ID, count), (POSITION_ID, count)]))
        .null_value_counts(HashMap::from([(FILE_PATH_ID, 0), (POSITION_ID, 0)]))
        .lower_bounds(bounds(deleted.positions.min()))
        .upper_bounds(bounds(deleted.positions.max()));
    built(&builder)
}
