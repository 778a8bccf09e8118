//! Which manifests are merged in a commit, so that many small commits do not leave many small manifests. The table
//! properties and their defaults are those of Iceberg's own writers.

use std::collections::HashMap;

use iceberg::spec::{ManifestFile, TableMetadata};

const ENABLED: &str = "commit.manifest-merge.enabled";
const MIN_COUNT: (&str, usize) = ("commit.manifest.min-count-to-merge", 100);
const TARGET_BYTES: (&str, i64) = ("commit.manifest.target-size-bytes", 8 * 1024 * 1024);

#[derive(Clone, Copy, Debug)]
pub(crate) struct MergePolicy {
    min_count: usize,
    target_bytes: i64,
}

impl MergePolicy {
    /// `None` when the table's properties switch merging off.
    pub(crate) fn of(table: &TableMetadata) -> Option<Self> {
        let properties = table.properties();
        let is_off = properties.get(ENABLED).is_some_and(|enabled| enabled.eq_ignore_ascii_case("false"));
        let min_count = properties.get(MIN_COUNT.0).and_then(|count| count.parse().ok()).unwrap_or(MIN_COUNT.1);
        let target_bytes = properties.get(TARGET_BYTES.0).and_then(|bytes| bytes.parse().ok()).unwrap_or(TARGET_BYTES.1);
        (!is_off).then_some(Self { min_count, target_bytes })
    }

    /// The manifests that stay as they are, and groups that become one each. Manifests of this very snapshot stay: they say
    /// what it deleted.
    pub(crate) fn plan(&self, snapshot_id: i64, manifests: Vec<ManifestFile>) -> (Vec<ManifestFile>, Vec<Vec<ManifestFile>>) {
        let (kept, groups) = self.alike(snapshot_id, manifests, self.min_count);
        (kept, groups.into_iter().flat_map(|files| self.packed(files)).collect())
    }

    /// The same without regard to how many there are; a group may make several manifests.
    pub(crate) fn plan_all(&self, snapshot_id: i64, manifests: Vec<ManifestFile>) -> (Vec<ManifestFile>, Vec<Vec<ManifestFile>>) {
        self.alike(snapshot_id, manifests, 2)
    }

    pub(crate) fn target_bytes(&self) -> i64 {
        self.target_bytes
    }

    /// Small manifests of one kind and spec, where there are so many at least.
    fn alike(&self, snapshot_id: i64, manifests: Vec<ManifestFile>, min_count: usize) -> (Vec<ManifestFile>, Vec<Vec<ManifestFile>>) {
        let is_small = |file: &ManifestFile| file.added_snapshot_id != snapshot_id && file.manifest_length < self.target_bytes;
        let (small, mut kept): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_small);
        let mut alike: HashMap<_, Vec<ManifestFile>> = HashMap::new();
        for file in small {
            alike.entry((file.content, file.partition_spec_id)).or_default().push(file);
        }
        let (many, few): (Vec<_>, Vec<_>) = alike.into_values().partition(|files| files.len() >= min_count.max(2));
        kept.extend(few.into_iter().flatten());
        (kept, many)
    }

    /// Neighbours up to the target size together.
    fn packed(&self, files: Vec<ManifestFile>) -> Vec<Vec<ManifestFile>> {
        let mut groups: Vec<Vec<ManifestFile>> = Vec::new();
        let mut bytes = 0;
        for file in files {
            bytes += file.manifest_length;
            match groups.last_mut().filter(|_| bytes <= self.target_bytes) {
                Some(group) => group.push(file),
                None => {
                    bytes = file.manifest_length;
                    groups.push(vec![file]);
                }
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests;
