//! What a file says of the values of a few columns, row group by row group and page by page.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, parquet_to_arrow_schema};
use parquet::basic::Type;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use waterline_core::error::Result;
use waterline_core::format::Bounds;
use waterline_core::locate::Page;
use waterline_core::value::Value;

use super::cell::{decoded_cell, encoded_cell};
use super::columns::TableColumns;
use super::error::from_parquet;
use super::file::ParquetFile;

/// Columns of a table in a file.
pub(crate) struct KeyColumns {
    view: Arc<ParquetMetaData>,
    /// By column asked for; `None` where the file's values are not the table's as they are.
    leaves: Vec<Option<Leaf>>,
}

struct Leaf {
    /// Number of the leaf column in the file.
    number: usize,
    data_type: DataType,
}

/// The Bloom filter of a column in a row group.
pub(crate) struct BloomFilter {
    /// Number of the column among those asked for.
    pub column: usize,
    filter: Sbbf,
    physical: Type,
    length: i32,
}

impl ParquetFile {
    pub(crate) fn key_columns(&self, columns: &TableColumns) -> Result<KeyColumns> {
        let view = self.stored_columns(columns).view_of(&self.footer, self.stored.url())?;
        let file = view.file_metadata();
        let decoded = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata());
        let decoded = decoded.map_err(|e| from_parquet(e, self.stored.url()))?;
        let leaf = |field: &Arc<Field>| {
            let stored = decoded.field_with_name(field.name()).ok()?;
            let number = (0..file.schema_descr().num_columns())
                .find(|number| matches!(file.schema_descr().column(*number).path().parts(), [name] if name == field.name()))?;
            is_same(stored.data_type(), field.data_type()).then(|| Leaf { number, data_type: field.data_type().clone() })
        };
        let is_constant = |field: &Arc<Field>| self.constants.iter().any(|(name, _)| name == field.name());
        let leaves = columns.schema().fields().iter().map(|field| if is_constant(field) { None } else { leaf(field) }).collect();
        Ok(KeyColumns { view: Arc::new(view), leaves })
    }

    /// From now on the file's footer has the page index, where the file has one.
    pub(crate) async fn load_page_index(&mut self) -> Result<()> {
        if self.footer.offset_index().is_none() {
            self.footer = Arc::new(self.footer_with_page_index().await?);
        }
        Ok(())
    }
}

/// Whether a value in a file is the same in the table.
fn is_same(stored: &DataType, wanted: &DataType) -> bool {
    stored == wanted || matches!((stored, wanted), (DataType::Int32, DataType::Int64))
}

impl KeyColumns {
    /// By column; without ends where nothing is known.
    pub(crate) fn bounds(&self, group: usize) -> Vec<Bounds> {
        self.leaves.iter().map(|leaf| leaf.as_ref().and_then(|leaf| self.leaf_bounds(group, leaf)).unwrap_or_default()).collect()
    }

    fn leaf_bounds(&self, group: usize, leaf: &Leaf) -> Option<Bounds> {
        let statistics = self.statistics(group, leaf)?;
        let end = |bytes: Option<&[u8]>| bytes.and_then(|bytes| decoded_cell(bytes, statistics.physical_type(), &leaf.data_type));
        Some(Bounds { lower: end(statistics.min_bytes_opt()), upper: end(statistics.max_bytes_opt()) })
    }

    fn statistics(&self, group: usize, leaf: &Leaf) -> Option<&Statistics> {
        self.view.row_group(group).column(leaf.number).statistics()
    }

    /// Fetches the filters that there are.
    pub(crate) async fn bloom_filters(&self, file: &ParquetFile, group: usize) -> Result<Vec<BloomFilter>> {
        let failed = |e| from_parquet(e, file.stored.url());
        let mut filters = Vec::new();
        for (column, leaf) in self.leaves.iter().enumerate() {
            let Some(leaf) = leaf.as_ref().filter(|leaf| self.view.row_group(group).column(leaf.number).bloom_filter_offset().is_some())
            else {
                continue;
            };
            let metadata = ArrowReaderMetadata::try_new(self.view.clone(), ArrowReaderOptions::new()).map_err(failed)?;
            let mut reader = ParquetRecordBatchStreamBuilder::new_with_metadata(file.stored.clone(), metadata);
            let filter = reader.get_row_group_column_bloom_filter(group, leaf.number).await.map_err(failed)?;
            let described = self.view.file_metadata().schema_descr().column(leaf.number);
            // One without blocks is not a filter, and cannot be asked.
            filters.extend(filter.filter(|filter| filter.num_blocks() > 0).map(|filter| BloomFilter {
                column,
                filter,
                physical: described.physical_type(),
                length: described.type_length(),
            }));
        }
        Ok(filters)
    }

    /// Pages of the columns that have an index, when it is loaded; `rows` are those of the row group.
    pub(crate) fn pages(&self, file: &ParquetFile, group: usize, rows: &Range<u64>) -> Vec<(usize, Vec<Page>)> {
        let of = |leaf: &Leaf| {
            // Without statistics that can be trusted the index cannot be, either.
            self.statistics(group, leaf)?;
            let values = file.footer.column_index()?.get(group)?.get(leaf.number)?;
            let places = file.footer.offset_index()?.get(group)?.get(leaf.number)?.page_locations();
            let starts = places.iter().map(|place| rows.start + place.first_row_index.cast_unsigned());
            let ends = starts.clone().skip(1).chain([rows.end]);
            let page =
                |(at, (start, end))| Some(Page { rows: start..end, bounds: page_bounds(values, at, places.len(), &leaf.data_type)? });
            starts.zip(ends).enumerate().map(page).collect::<Option<Vec<Page>>>()
        };
        self.leaves.iter().enumerate().filter_map(|(column, leaf)| Some((column, of(leaf.as_ref()?)?))).collect()
    }
}

/// `None` when the index says nothing of the page; without bounds when all its values are null.
#[allow(clippy::option_option, reason = "unknown is not the same as null")]
fn page_bounds(index: &ColumnIndexMetaData, page: usize, pages: usize, data_type: &DataType) -> Option<Option<Bounds>> {
    if index.num_pages() != pages as u64 {
        return None;
    }
    if index.is_null_page(page) {
        return Some(None);
    }
    let (lower, upper) = match index {
        ColumnIndexMetaData::INT32(index) => {
            (index.min_value(page).map(|v| v.to_le_bytes().to_vec()), index.max_value(page).map(|v| v.to_le_bytes().to_vec()))
        }
        ColumnIndexMetaData::INT64(index) => {
            (index.min_value(page).map(|v| v.to_le_bytes().to_vec()), index.max_value(page).map(|v| v.to_le_bytes().to_vec()))
        }
        ColumnIndexMetaData::BYTE_ARRAY(index) | ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(index) => {
            (index.min_value(page).map(<[u8]>::to_vec), index.max_value(page).map(<[u8]>::to_vec))
        }
        _ => return None,
    };
    let physical = match index {
        ColumnIndexMetaData::INT32(_) => Type::INT32,
        ColumnIndexMetaData::INT64(_) => Type::INT64,
        _ => Type::BYTE_ARRAY,
    };
    let end = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| decoded_cell(&bytes, physical, data_type));
    Some(Some(Bounds { lower: end(lower), upper: end(upper) }))
}

impl BloomFilter {
    pub(crate) fn may_hold(&self, value: &Value) -> bool {
        encoded_cell(value, self.physical, self.length).is_none_or(|bytes| self.filter.check(bytes.as_slice()))
    }
}
