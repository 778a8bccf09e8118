//! Delete files that apply to no data file any more, as rewritten data files leave them behind (Iceberg spec, "Scan Planning").

use std::collections::HashMap;

use iceberg::spec::{DataContentType, ManifestEntryRef};

use crate::deletes::index::{may_name, referenced_file};
use crate::location;
use crate::manifest::Contents;
use crate::partition::PartitionKey;

/// Live data files, by what deletes go by.
#[derive(Default)]
pub(crate) struct DataIndex {
    sequences: HashMap<String, i64>,
    of_partition: HashMap<PartitionKey, Vec<ManifestEntryRef>>,
    oldest: Option<i64>,
}

impl DataIndex {
    pub(crate) fn add(&mut self, contents: &Contents, entry: &ManifestEntryRef) {
        let sequence = entry.sequence_number.unwrap_or(0);
        self.sequences.insert(location::key(entry.file_path()).into_owned(), sequence);
        self.oldest = Some(self.oldest.map_or(sequence, |oldest| oldest.min(sequence)));
        let partition = PartitionKey::new(contents.spec.spec_id(), entry.data_file().partition());
        self.of_partition.entry(partition).or_default().push(entry.clone());
    }

    /// Whether a live delete file applies to none of them.
    pub(crate) fn is_dangling(&self, contents: &Contents, delete: &ManifestEntryRef) -> bool {
        let file = delete.data_file();
        let sequence = delete.sequence_number.unwrap_or(0);
        let partition = PartitionKey::new(contents.spec.spec_id(), file.partition());
        let mut neighbours = self.of_partition.get(&partition).into_iter().flatten();
        match (file.content_type(), referenced_file(file)) {
            (DataContentType::Data, _) => false,
            (DataContentType::PositionDeletes, Some(path)) => self.sequences.get(&path).is_none_or(|data| *data > sequence),
            (DataContentType::PositionDeletes, None) => {
                !neighbours.any(|data| data.sequence_number <= Some(sequence) && may_name(file, data.file_path()))
            }
            (DataContentType::EqualityDeletes, _) if contents.spec.is_unpartitioned() => {
                self.oldest.is_none_or(|oldest| oldest >= sequence)
            }
            (DataContentType::EqualityDeletes, _) => !neighbours.any(|data| data.sequence_number < Some(sequence)),
        }
    }
}
