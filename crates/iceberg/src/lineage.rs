//! Row ids (Iceberg spec, "Row Lineage"): which row a row is, in whatever file, and which commit last changed it.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Fields};
use iceberg::spec::{DataFile, ManifestEntry, ManifestFile};
use waterline_core::error::{Error, Result};
use waterline_core::format::{FIELD_ID, RowLineage};

use crate::manifest::is_data;

/// Reserved columns of the specification, with their field ids.
const ROW_ID: (&str, &str) = ("_row_id", "2147483540");
const LAST_UPDATED: (&str, &str) = ("_last_updated_sequence_number", "2147483539");

/// First row ids of the live data files of a manifest, taken in order. Entries may leave theirs to be counted from the
/// manifest's own.
pub(crate) struct RowIds {
    next: Option<u64>,
}

impl RowIds {
    pub(crate) fn of(file: &ManifestFile) -> Self {
        Self { next: file.first_row_id.filter(|_| is_data(file)) }
    }

    /// `None` where the rows have no ids yet.
    pub(crate) fn first(&mut self, file: &DataFile) -> Result<Option<i64>> {
        let (None, Some(next)) = (file.first_row_id(), self.next) else { return Ok(file.first_row_id()) };
        self.next = Some(next + file.record_count());
        let too_large = |e| Error::corrupt("a row id is too large").with("file", file.file_path()).caused_by(e);
        i64::try_from(next).map(Some).map_err(too_large)
    }

    pub(crate) fn lineage(&mut self, entry: &ManifestEntry) -> Result<Option<RowLineage>> {
        let first = self.first(entry.data_file())?;
        Ok(first.zip(entry.sequence_number).map(|(first_row_id, sequence)| RowLineage { first_row_id, sequence, columns: columns() }))
    }
}

fn columns() -> Fields {
    let column = |(name, id): (&str, &str)| {
        Field::new(name, DataType::Int64, true).with_metadata(HashMap::from([(FIELD_ID.to_owned(), id.to_owned())]))
    };
    [ROW_ID, LAST_UPDATED].map(column).into_iter().collect()
}
