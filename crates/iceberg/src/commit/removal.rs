//! The live files of a base that a commit needs to know, and which of them leave.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{ManifestEntry, ManifestEntryRef, ManifestFile, ManifestStatus, TableMetadata};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, NewDataFile, Removal};

use crate::commit::data_file;
use crate::commit::manifests::entry_key;
use crate::deletes::{DataIndex, DeleteIndex};
use crate::location;
use crate::manifest::{Contents, is_data};

/// The live files of a snapshot.
pub(crate) struct LiveFiles {
    pub(crate) manifests: Vec<(ManifestFile, Arc<Contents>)>,
    pub(crate) deletes: DeleteIndex,
}

/// A data file in the manifest that lists it.
#[derive(Clone)]
pub(crate) struct Located {
    pub(crate) contents: Arc<Contents>,
    pub(crate) entry: ManifestEntryRef,
}

impl LiveFiles {
    pub(crate) fn new(manifests: Vec<(ManifestFile, Arc<Contents>)>) -> Result<Self> {
        let deletes = manifests.iter().filter(|(file, _)| !is_data(file)).map(|(_, contents)| contents);
        Ok(Self { deletes: DeleteIndex::new(deletes)?, manifests })
    }

    /// The data files that a commit names and does not add. Fails when one is not live.
    pub(crate) fn locate(&self, commit: &Commit) -> Result<HashMap<String, Located>> {
        let removed = match &commit.remove {
            Removal::Files(paths) => paths.as_slice(),
            Removal::Nothing | Removal::All => &[],
        };
        let mut wanted: HashSet<_> = commit.delete_rows.keys().chain(removed).map(|path| location::key(path)).collect();
        wanted.retain(|path| !commit.add.iter().any(|new| location::key(&new.path) == *path));
        let mut found = HashMap::new();
        for (_, contents) in self.manifests.iter().filter(|(file, _)| is_data(file)) {
            for entry in contents.live() {
                if let Some(key) = wanted.take(&location::key(entry.file_path())) {
                    found.insert(key.into_owned(), Located { contents: contents.clone(), entry: entry.clone() });
                }
            }
        }
        match wanted.into_iter().next() {
            Some(path) => Err(Error::internal("a commit changes a data file that is not live in its base").with("file", path)),
            None => Ok(found),
        }
    }

    /// The data files that a commit adds and deletes rows of, as if they were in a manifest of `table` already.
    pub(crate) fn locate_added(table: &TableMetadata, commit: &Commit) -> Result<HashMap<String, Located>> {
        let spec = table.default_partition_spec();
        let contents = Arc::new(Contents {
            schema: table.current_schema().clone(),
            spec: spec.as_ref().clone(),
            partition_type: table.default_partition_type().clone(),
            entries: Vec::new(),
        });
        let with_deletes = commit.add.iter().filter(|new| commit.delete_rows.contains_key(&new.path));
        let located = |new: &NewDataFile| {
            // With the sequence number of the snapshot to be, so that no older delete applies.
            let entry = ManifestEntry::builder()
                .status(ManifestStatus::Added)
                .sequence_number(table.next_sequence_number())
                .data_file(data_file::entry(new, table)?)
                .build();
            Ok((location::key(&new.path).into_owned(), Located { contents: contents.clone(), entry: Arc::new(entry) }))
        };
        with_deletes.map(located).collect()
    }

    /// Keys of the entries that leave with the data files that a commit removes.
    pub(crate) fn removed(&self, remove: &Removal) -> HashSet<String> {
        match remove {
            Removal::Nothing => HashSet::new(),
            Removal::All => {
                self.manifests.iter().flat_map(|(_, contents)| contents.live()).map(|entry| entry_key(entry.data_file())).collect()
            }
            Removal::Files(paths) => paths.iter().flat_map(|path| self.with_owned_deletes(path)).collect(),
        }
    }

    /// The delete files that apply to nothing once these entries have left.
    pub(crate) fn dangling(&self, removed: &HashSet<String>) -> Vec<&ManifestEntryRef> {
        let entries = |of_data: bool| {
            let manifests = self.manifests.iter().filter(move |(file, _)| is_data(file) == of_data);
            let entries = manifests.flat_map(|(_, contents)| contents.live().map(move |entry| (contents, entry)));
            entries.filter(|(_, entry)| !removed.contains(&entry_key(entry.data_file())))
        };
        let mut data = DataIndex::default();
        entries(true).for_each(|(contents, entry)| data.add(contents, entry));
        entries(false).filter(|(contents, entry)| data.is_dangling(contents, entry)).map(|(_, entry)| entry).collect()
    }

    fn with_owned_deletes(&self, path: &str) -> impl Iterator<Item = String> {
        let deletes = self.deletes.owned(path).map(|delete| entry_key(delete.data_file()));
        std::iter::once(location::key(path).into_owned()).chain(deletes)
    }
}
