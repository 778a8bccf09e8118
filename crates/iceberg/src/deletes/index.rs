//! Which delete files apply to which data files (Iceberg spec, "Scan Planning").
//!
//! A position delete applies when its data sequence number is not below the data file's, an equality delete when it is
//! above. Both need the same partition and spec, except that deletes of one named file go by its path, and equality
//! deletes of an unpartitioned spec apply everywhere. A deletion vector replaces all position deletes of its file.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{DataContentType, DataFile, DataFileFormat, ManifestEntry, ManifestEntryRef, PrimitiveLiteral};
use waterline_core::error::{Error, Result};
use waterline_core::format::EqualityDelete;

use crate::deletes::position::FILE_PATH_ID;
use crate::location;
use crate::manifest::Contents;
use crate::partition::PartitionKey;

/// The live delete files of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct DeleteIndex {
    vectors: HashMap<String, ManifestEntryRef>,
    of_file: HashMap<String, Vec<ManifestEntryRef>>,
    of_partition: HashMap<PartitionKey, Vec<ManifestEntryRef>>,
    equality_of_partition: HashMap<PartitionKey, Vec<ManifestEntryRef>>,
    equality_everywhere: Vec<ManifestEntryRef>,
}

impl DeleteIndex {
    pub(crate) fn new<'a>(manifests: impl IntoIterator<Item = &'a Arc<Contents>>) -> Result<Self> {
        let mut index = Self::default();
        for contents in manifests {
            for entry in contents.live() {
                index.add(contents, entry)?;
            }
        }
        Ok(index)
    }

    fn add(&mut self, contents: &Contents, entry: &ManifestEntryRef) -> Result<()> {
        let file = entry.data_file();
        let partition = || PartitionKey::new(contents.spec.spec_id(), file.partition());
        match (file.content_type(), file.file_format(), referenced_file(file)) {
            (DataContentType::PositionDeletes, DataFileFormat::Puffin, Some(path)) => return self.add_vector(path, entry),
            (DataContentType::PositionDeletes, DataFileFormat::Parquet, Some(path)) => {
                self.of_file.entry(path).or_default().push(entry.clone())
            }
            (DataContentType::PositionDeletes, DataFileFormat::Parquet, None) => {
                self.of_partition.entry(partition()).or_default().push(entry.clone());
            }
            (DataContentType::EqualityDeletes, DataFileFormat::Parquet, _) if contents.spec.is_unpartitioned() => {
                self.equality_everywhere.push(entry.clone());
            }
            (DataContentType::EqualityDeletes, DataFileFormat::Parquet, _) => {
                self.equality_of_partition.entry(partition()).or_default().push(entry.clone());
            }
            (DataContentType::Data, ..) | (_, DataFileFormat::Puffin, _) => {
                return Err(Error::corrupt("a delete manifest holds what is no delete file").with("file", file.file_path()));
            }
            (_, format, _) => {
                return Err(Error::unsupported("delete files of this format are not supported")
                    .with("format", format)
                    .with("file", file.file_path()));
            }
        }
        Ok(())
    }

    fn add_vector(&mut self, path: String, entry: &ManifestEntryRef) -> Result<()> {
        match self.vectors.insert(path, entry.clone()) {
            Some(_) => Err(Error::corrupt("a data file has two deletion vectors").with("file", entry.file_path())),
            None => Ok(()),
        }
    }

    /// Position deletes and deletion vector that apply to a data file.
    pub(crate) fn positions(&self, spec_id: i32, data: &ManifestEntry) -> Vec<ManifestEntryRef> {
        let key = location::key(data.file_path());
        let applies = |delete: &&ManifestEntryRef| data.sequence_number <= delete.sequence_number;
        if let Some(vector) = self.vectors.get(key.as_ref()).filter(applies) {
            return vec![vector.clone()];
        }
        let of_file = self.of_file.get(key.as_ref()).into_iter().flatten();
        let of_partition = self.of_partition(spec_id, data).filter(|delete| may_name(delete.data_file(), data.file_path()));
        of_file.chain(of_partition).filter(applies).cloned().collect()
    }

    fn of_partition(&self, spec_id: i32, data: &ManifestEntry) -> impl Iterator<Item = &ManifestEntryRef> {
        let lookup = |_| self.of_partition.get(&PartitionKey::new(spec_id, data.data_file().partition()));
        (!self.of_partition.is_empty()).then_some(()).and_then(lookup).into_iter().flatten()
    }

    /// Equality deletes that apply to a data file.
    pub(crate) fn equality(&self, spec_id: i32, data: &ManifestEntry) -> Result<Vec<EqualityDelete>> {
        if self.equality_everywhere.is_empty() && self.equality_of_partition.is_empty() {
            return Ok(Vec::new());
        }
        let of_partition = self.equality_of_partition.get(&PartitionKey::new(spec_id, data.data_file().partition()));
        let all = self.equality_everywhere.iter().chain(of_partition.into_iter().flatten());
        all.filter(|delete| data.sequence_number < delete.sequence_number).map(|delete| equality_delete(delete)).collect()
    }

    /// The deletion vector and position delete files that name this data file alone; they leave with it.
    pub(crate) fn owned(&self, data_path: &str) -> impl Iterator<Item = &ManifestEntryRef> {
        let key = location::key(data_path);
        self.vectors.get(key.as_ref()).into_iter().chain(self.of_file.get(key.as_ref()).into_iter().flatten())
    }
}

fn equality_delete(delete: &ManifestEntry) -> Result<EqualityDelete> {
    let file = delete.data_file();
    let field_ids = file.equality_ids().filter(|ids| !ids.is_empty());
    Ok(EqualityDelete {
        path: location::absolute(file.file_path()),
        size_bytes: file.file_size_in_bytes(),
        field_ids: field_ids.ok_or_else(|| Error::corrupt("an equality delete file names no columns").with("file", file.file_path()))?,
    })
}

/// The one data file whose rows a delete file names, if that is known, as [`location::key`].
pub(crate) fn referenced_file(delete: &DataFile) -> Option<String> {
    if let Some(path) = delete.referenced_data_file() {
        return Some(location::key(&path).into_owned());
    }
    let (lower, upper) = (path_bound(delete.lower_bounds().get(&FILE_PATH_ID))?, path_bound(delete.upper_bounds().get(&FILE_PATH_ID))?);
    (lower == upper).then(|| location::key(lower).into_owned())
}

/// Whether the bounds of a delete file's paths leave room for this data file.
pub(super) fn may_name(delete: &DataFile, data_path: &str) -> bool {
    let data_path = location::key(data_path);
    let below = path_bound(delete.lower_bounds().get(&FILE_PATH_ID)).is_some_and(|lower| data_path < location::key(lower));
    let above = path_bound(delete.upper_bounds().get(&FILE_PATH_ID)).is_some_and(|upper| data_path > location::key(upper));
    !below && !above
}

fn path_bound(bound: Option<&iceberg::spec::Datum>) -> Option<&str> {
    match bound?.literal() {
        PrimitiveLiteral::String(path) => Some(path),
        _ => None,
    }
}
