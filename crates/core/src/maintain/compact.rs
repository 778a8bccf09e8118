//! Compact, the deciding half: which data files of a table are written anew, and which of them together.
//!
//! Files are taken that are small or far too large, that lost many of their rows, or that lie in an older partition spec; with
//! a sort order also those whose ranges overlap. Small files alone must be so many that their number falls each time.

mod moves;
mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::moves::Moves;
pub use self::order::{Direction, SortColumn, SortOrder};
use crate::format::{DataFile, DeleteState};
use crate::partition::PartitionField;
use crate::value::Value;

/// How files are chosen and grouped.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub strategy: Strategy,
    pub target_file_bytes: u64,
    /// Small files that lie together are taken from this many on.
    pub min_input_files: usize,
    /// A file is taken when at least this share of its rows is deleted.
    pub delete_ratio_threshold: f64,
    /// Files of at most this many bytes are taken at once; the rest is left for another time.
    pub max_bytes: Option<u64>,
    /// File groups that are worked on at the same time.
    pub lanes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Rows stay in the order of their files, which are taken in the order of these columns.
    Binpack(SortOrder),
    Sort(SortOrder),
}

impl Strategy {
    pub fn order(&self) -> &SortOrder {
        match self {
            Self::Binpack(order) | Self::Sort(order) => order,
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub groups: Vec<FileGroup>,
    /// Files that are due as well, beyond [`Policy::max_bytes`].
    pub left_files: usize,
    pub left_bytes: u64,
}

/// Files that are written anew together.
#[derive(Clone, Debug)]
pub struct FileGroup {
    pub files: Vec<DataFile>,
    pub place: Place,
    pub why: Due,
}

/// Where the rows of a group belong.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Into the partition that all its files are in, by its values.
    Partition(Vec<Option<Value>>),
    /// Into the partitions that the table's spec of today gives them.
    EachRow,
}

/// Why files are written anew; of several reasons the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    OlderSpec,
    Deletes,
    TooLarge,
    Unsorted,
    ManySmall,
}

impl Due {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OlderSpec => "older partition spec",
            Self::Deletes => "deleted rows",
            Self::TooLarge => "larger than the target",
            Self::Unsorted => "not sorted",
            Self::ManySmall => "many small files",
        }
    }
}

/// Files below this share of the target are small, in percent.
const SMALL_PERCENT: u64 = 75;
/// Files above this share of the target are too large, in percent.
const LARGE_PERCENT: u64 = 180;
/// A group is divided for more lanes only as far as each part has about this many bytes.
const MIN_LANE_BYTES: u64 = 64 << 20;
/// Sorted together at most, in files of the target size.
const SORTED_FILES: u64 = 16;

/// Plans the compaction of a table's live files. `spec` is the table's partition spec of today.
pub fn plan(files: Vec<DataFile>, spec: &[PartitionField], policy: &Policy) -> Plan {
    let mut partitions: BTreeMap<(bool, String), Vec<DataFile>> = BTreeMap::new();
    for file in files {
        let key = (is_of_spec(&file, spec), format!("{:?}", file.summary.partition));
        partitions.entry(key).or_default().push(file);
    }
    let lane_bytes = lane_bytes(partitions.values().flatten(), policy);
    let mut groups = Vec::new();
    for ((is_current, _), mut files) in partitions {
        policy.strategy.order().arrange(&mut files);
        let place = match files.first().filter(|_| is_current) {
            Some(file) => Place::Partition(file.summary.partition.iter().map(|(_, value)| value.clone()).collect()),
            None => Place::EachRow,
        };
        let chosen = match &policy.strategy {
            Strategy::Binpack(_) => binpacked(files, &place, lane_bytes, policy),
            Strategy::Sort(order) => sorted(files, &place, order, policy),
        };
        groups.extend(chosen.into_iter().map(|(why, files)| FileGroup { files, place: place.clone(), why }));
    }
    limited(groups, policy.max_bytes)
}

impl FileGroup {
    /// Whether writing the files anew changes anything, when others of the group are gone.
    pub fn is_worth(&self) -> bool {
        match self.why {
            Due::OlderSpec | Due::Deletes | Due::TooLarge => !self.files.is_empty(),
            Due::Unsorted | Due::ManySmall => self.files.len() > 1,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// Rows, deleted ones too.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.record_count).sum()
    }

    /// Deleted rows as far as the metadata tells.
    pub fn deleted_rows(&self) -> u64 {
        self.files.iter().filter_map(|file| file.deleted_rows).sum()
    }
}

fn is_of_spec(file: &DataFile, spec: &[PartitionField]) -> bool {
    file.summary.partition.iter().map(|(field, _)| field).eq(spec)
}

/// Bytes of a group at most, so that small tables keep all lanes busy too.
fn lane_bytes<'a>(files: impl Iterator<Item = &'a DataFile>, policy: &Policy) -> u64 {
    let bytes: u64 = files.map(live_bytes).sum();
    bytes.div_ceil(policy.lanes.max(1) as u64).max(MIN_LANE_BYTES).min(policy.target_file_bytes)
}

/// Bytes that the rows of a file take that are not deleted, about.
fn live_bytes(file: &DataFile) -> u64 {
    let live = file.record_count.saturating_sub(file.deleted_rows.unwrap_or(0));
    let bytes = u128::from(file.size_bytes) * u128::from(live) / u128::from(file.record_count.max(1));
    u64::try_from(bytes).unwrap_or(file.size_bytes)
}

/// Why a file is due by itself.
fn due(file: &DataFile, place: &Place, policy: &Policy) -> Option<Due> {
    let limit = |percent: u64| u128::from(policy.target_file_bytes) * u128::from(percent) / 100;
    if *place == Place::EachRow {
        Some(Due::OlderSpec)
    } else if has_many_deletes(file, policy) {
        Some(Due::Deletes)
    } else if u128::from(file.size_bytes) > limit(LARGE_PERCENT) {
        Some(Due::TooLarge)
    } else if u128::from(file.size_bytes) < limit(SMALL_PERCENT) {
        Some(Due::ManySmall)
    } else {
        None
    }
}

/// Deletes that cannot be counted count as many: every reader has to look them up.
fn has_many_deletes(file: &DataFile, policy: &Policy) -> bool {
    let is_over = |deleted: u64| deleted as f64 >= policy.delete_ratio_threshold * file.record_count as f64;
    !file.equality_deletes.is_empty() || file.deletes == DeleteState::Some && file.deleted_rows.is_none_or(is_over)
}

/// Neighbours up to the target size together; those groups that are worth it.
fn binpacked(files: Vec<DataFile>, place: &Place, lane_bytes: u64, policy: &Policy) -> Vec<(Due, Vec<DataFile>)> {
    let taken: Vec<(Due, DataFile)> = files.into_iter().filter_map(|file| Some((due(&file, place, policy)?, file))).collect();
    let worth = |group: Vec<(Due, DataFile)>| {
        let why = group.iter().map(|(why, _)| *why).min()?;
        let is_worth = why != Due::ManySmall || group.len() >= policy.min_input_files.max(2);
        is_worth.then(|| divided(why, group.into_iter().map(|(_, file)| file).collect(), lane_bytes, policy))
    };
    packed(taken, policy.target_file_bytes, |(_, file)| live_bytes(file)).into_iter().filter_map(worth).flatten().collect()
}

/// A group in parts for several lanes. Each part is worth it by itself, so that its file is not taken again at once.
fn divided(why: Due, files: Vec<DataFile>, lane_bytes: u64, policy: &Policy) -> Vec<(Due, Vec<DataFile>)> {
    let bytes: u64 = files.iter().map(live_bytes).sum();
    let parts = bytes.div_ceil(lane_bytes.max(1)).min((files.len() / policy.min_input_files.max(2)) as u64).max(1);
    let mut divided: Vec<Vec<DataFile>> = vec![Vec::new(); parts as usize];
    let mut before: u64 = 0;
    for file in files {
        // By where it begins, so that there are never more parts.
        let part = u128::from(before) * u128::from(parts) / u128::from(bytes.max(1));
        before += live_bytes(&file);
        if let Some(part) = divided.get_mut((part as u64).min(parts - 1) as usize) {
            part.push(file);
        }
    }
    divided.into_iter().filter(|part| !part.is_empty()).map(|part| (why, part)).collect()
}

/// All files of a partition where their ranges overlap, in groups of neighbours; else those that are due by themselves.
fn sorted(files: Vec<DataFile>, place: &Place, order: &SortOrder, policy: &Policy) -> Vec<(Due, Vec<DataFile>)> {
    if !order.overlap(&files) {
        return binpacked(files, place, policy.target_file_bytes, policy);
    }
    let why = files.iter().filter_map(|file| due(file, place, policy)).min().unwrap_or(Due::Unsorted).min(Due::Unsorted);
    let limit = policy.target_file_bytes.saturating_mul(SORTED_FILES);
    packed(files, limit, live_bytes).into_iter().map(|files| (why, files)).collect()
}

/// Neighbours together as long as they are within the limit; a single one may be larger.
fn packed<T>(items: Vec<T>, limit: u64, size: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut bytes: u64 = 0;
    for item in items {
        bytes = bytes.saturating_add(size(&item));
        match groups.last_mut().filter(|_| bytes <= limit) {
            Some(group) => group.push(item),
            None => {
                bytes = size(&item);
                groups.push(vec![item]);
            }
        }
    }
    groups
}

fn limited(groups: Vec<FileGroup>, max_bytes: Option<u64>) -> Plan {
    let mut plan = Plan::default();
    let mut bytes: u64 = 0;
    for group in groups {
        if max_bytes.is_some_and(|max| bytes.saturating_add(group.bytes()) > max) {
            plan.left_files += group.files.len();
            plan.left_bytes += group.bytes();
        } else {
            bytes += group.bytes();
            plan.groups.push(group);
        }
    }
    plan
}
