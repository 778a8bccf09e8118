//! Files spread over the partitions of a scan, so that each has about as many bytes to read.

use std::cmp::Reverse;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;

/// At most `partitions` groups: the greatest file first, each to the group that has the least.
pub(super) fn balanced(mut files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    let mut groups = vec![(0, Vec::new()); partitions.clamp(1, files.len().max(1))];
    files.sort_by_key(|file| Reverse(file.object_meta.size));
    for file in files {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.object_meta.size;
            group.push(file);
        }
    }
    groups.into_iter().map(|(_, group)| FileGroup::new(group)).collect()
}
