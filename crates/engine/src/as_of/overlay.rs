//! The overlay: what makes the state at T out of a base. Rows of the base that are gone, and rows that are there instead.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use roaring::RoaringTreemap;
use waterline_core::format::DataFile;

use crate::locate::{Located, RowAt};

#[derive(Debug, Default)]
pub struct Overlay {
    /// Whether no row of the base is left.
    pub(crate) emptied: bool,
    pub(crate) gone: Gone,
    pub(crate) images: Images,
    /// Rows that no single event holds, with the table's columns.
    pub(crate) made: Vec<RecordBatch>,
    /// Keys that were folded again from the baseline.
    pub(crate) late_keys: u64,
    /// Unset columns that had no row to take their value from.
    pub(crate) unresolved: u64,
    /// Events between the base and T.
    pub(crate) residual_rows: u64,
}

impl Overlay {
    /// Takes in what another share of the keys makes of the same base.
    pub(crate) fn merge(&mut self, other: Self) {
        self.emptied |= other.emptied;
        for (path, rows) in other.gone.0 {
            *self.gone.0.entry(path).or_default() |= rows;
        }
        for (path, (file, rows)) in other.images.0 {
            self.images.0.entry(path).or_insert_with(|| (file, RoaringTreemap::new())).1 |= rows;
        }
        self.made.extend(other.made);
        self.late_keys += other.late_keys;
        self.unresolved += other.unresolved;
        self.residual_rows += other.residual_rows;
    }
}

/// Positions in data files of the base, by path.
#[derive(Debug, Default)]
pub(crate) struct Gone(BTreeMap<String, RoaringTreemap>);

impl Gone {
    /// All rows that were found.
    pub(super) fn all(located: &Located) -> Self {
        Self(located.files.iter().map(|found| (found.file.path.clone(), found.rows.clone())).collect())
    }

    pub(crate) fn extend(&mut self, located: &Located, at: impl Iterator<Item = RowAt>) {
        for (file, rows) in by_file(at) {
            *self.0.entry(located.files[file].file.path.clone()).or_default() |= rows;
        }
    }

    pub(crate) fn of(&self, path: &str) -> Option<&RoaringTreemap> {
        self.0.get(path)
    }

    pub(crate) fn to_map(&self) -> BTreeMap<String, RoaringTreemap> {
        self.0.clone()
    }
}

/// Rows of files, by path of the file: newest images in those of the changelog, or rows of a table that images replace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Images(BTreeMap<String, (DataFile, RoaringTreemap)>);

impl Images {
    /// All rows that were found.
    pub(super) fn all(located: &Located) -> Self {
        Self(located.files.iter().map(|found| (found.file.path.clone(), (found.file.clone(), found.rows.clone()))).collect())
    }

    pub(crate) fn extend(&mut self, files: &[DataFile], at: impl Iterator<Item = RowAt>) {
        for (file, rows) in by_file(at) {
            let file = &files[file];
            self.0.entry(file.path.clone()).or_insert_with(|| (file.clone(), RoaringTreemap::new())).1 |= rows;
        }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> u64 {
        self.0.values().map(|(_, rows)| rows.len()).sum()
    }

    /// In the order of paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&DataFile, &RoaringTreemap)> {
        self.0.values().map(|(file, rows)| (file, rows))
    }
}

fn by_file(at: impl Iterator<Item = RowAt>) -> impl Iterator<Item = (usize, RoaringTreemap)> {
    let mut positions: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for at in at {
        positions.entry(at.file).or_default().push(at.position);
    }
    positions.into_iter().map(|(file, mut positions)| {
        positions.sort_unstable();
        (file, positions.into_iter().collect())
    })
}
