//! The counts in a snapshot's summary, with the names and meanings of Iceberg's own writers (Iceberg spec, "Optional
//! Snapshot Summary Fields").

use std::collections::{HashMap, HashSet};

use iceberg::spec::{DataContentType, DataFile, DataFileFormat, Snapshot};

use crate::partition::PartitionKey;

/// Totals, with what is added to the parent's and what is taken away.
const TOTALS: [(&str, &str, &str); 6] = [
    ("total-data-files", "added-data-files", "deleted-data-files"),
    ("total-delete-files", "added-delete-files", "removed-delete-files"),
    ("total-records", "added-records", "deleted-records"),
    ("total-files-size", "added-files-size", "removed-files-size"),
    ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
    ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
];

#[derive(Debug, Default)]
pub(crate) struct Summary {
    counts: HashMap<&'static str, u64>,
    partitions: HashSet<PartitionKey>,
}

impl Summary {
    pub(crate) fn added(&mut self, spec_id: i32, file: &DataFile) {
        let (files, rows) = match (file.content_type(), file.file_format()) {
            (DataContentType::Data, _) => ("added-data-files", "added-records"),
            (DataContentType::PositionDeletes, DataFileFormat::Puffin) => ("added-dvs", "added-position-deletes"),
            (DataContentType::PositionDeletes, _) => ("added-position-delete-files", "added-position-deletes"),
            (DataContentType::EqualityDeletes, _) => ("added-equality-delete-files", "added-equality-deletes"),
        };
        if file.content_type() != DataContentType::Data {
            self.count("added-delete-files", 1);
        }
        self.count("added-files-size", content_bytes(file));
        self.touch(spec_id, file, files, rows);
    }

    pub(crate) fn removed(&mut self, spec_id: i32, file: &DataFile) {
        let (files, rows) = match (file.content_type(), file.file_format()) {
            (DataContentType::Data, _) => ("deleted-data-files", "deleted-records"),
            (DataContentType::PositionDeletes, DataFileFormat::Puffin) => ("removed-dvs", "removed-position-deletes"),
            (DataContentType::PositionDeletes, _) => ("removed-position-delete-files", "removed-position-deletes"),
            (DataContentType::EqualityDeletes, _) => ("removed-equality-delete-files", "removed-equality-deletes"),
        };
        if file.content_type() != DataContentType::Data {
            self.count("removed-delete-files", 1);
        }
        self.count("removed-files-size", content_bytes(file));
        self.touch(spec_id, file, files, rows);
    }

    fn touch(&mut self, spec_id: i32, file: &DataFile, files: &'static str, rows: &'static str) {
        self.count(files, 1);
        self.count(rows, file.record_count());
        self.partitions.insert(PartitionKey::new(spec_id, file.partition()));
    }

    fn count(&mut self, name: &'static str, by: u64) {
        *self.counts.entry(name).or_default() += by;
    }

    /// All summary properties. A total is left out when the parent does not know it.
    pub(crate) fn properties(&self, parent: Option<&Snapshot>) -> HashMap<String, String> {
        let counts = self.counts.iter().filter(|(_, count)| **count > 0);
        let mut properties: HashMap<String, String> = counts.map(|(name, count)| (name.to_string(), count.to_string())).collect();
        properties.insert("changed-partition-count".into(), self.partitions.len().to_string());
        for (total, added, removed) in TOTALS {
            let before = match parent {
                Some(parent) => parent.summary().additional_properties.get(total).and_then(|total| total.parse::<u64>().ok()),
                None => Some(0),
            };
            let count = |name| self.counts.get(name).copied().unwrap_or(0);
            if let Some(after) = before.and_then(|before| before.checked_add(count(added))?.checked_sub(count(removed))) {
                properties.insert(total.into(), after.to_string());
            }
        }
        properties
    }
}

/// Bytes of the file; of a deletion vector only its own in the file that it shares.
fn content_bytes(file: &DataFile) -> u64 {
    match (file.file_format(), file.content_size_in_bytes()) {
        (DataFileFormat::Puffin, Some(bytes)) => u64::try_from(bytes).unwrap_or(0),
        _ => file.file_size_in_bytes(),
    }
}
