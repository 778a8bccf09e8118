//! Equality deletes as positions (Iceberg spec, "Equality Delete Files").
//!
//! A delete file holds values of some columns; a row of a data file is deleted when it has the same values, null being the
//! same as null. The values are few and kept in a hash set; the same columns of the data file are then looked up in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Schema};
use arrow::row::{RowConverter, SortField};
use futures::TryStreamExt;
use parquet::arrow::parquet_to_arrow_schema;
use roaring::RoaringTreemap;
use tokio::sync::Mutex;
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, EqualityDelete, FIELD_ID, TableState};

use crate::parquet_io::{ParquetFile, ParquetFiles, Rows, TableColumns};

const BATCH_ROWS: usize = 8192;

/// Reads equality delete files, and finds what they delete.
#[derive(Debug)]
pub(super) struct EqualityDeletes {
    state: TableState,
    columns: TableColumns,
    files: ParquetFiles,
    /// By path of a delete file.
    read: Mutex<HashMap<String, Arc<Keys>>>,
}

impl EqualityDeletes {
    pub(super) fn new(state: &TableState, files: ParquetFiles) -> Result<Self> {
        Ok(Self { state: state.clone(), columns: TableColumns::of(state)?, files, read: Mutex::default() })
    }

    /// Adds the positions of the rows of `file` that its equality deletes remove.
    pub(super) async fn add_matches(&self, file: &DataFile, deleted: &mut RoaringTreemap) -> Result<()> {
        let mut by_columns: BTreeMap<&[i32], Vec<Arc<Keys>>> = BTreeMap::new();
        for delete in &file.equality_deletes {
            by_columns.entry(&delete.field_ids).or_default().push(self.keys(delete).await?);
        }
        let data = self.files.open_data_file(&self.state, file).await?;
        for keys in by_columns.values() {
            let Some(first) = keys.first() else { continue };
            let mut batches = data.read_with_positions(&first.columns, Rows::Except(deleted), BATCH_ROWS).await?;
            while let Some(rows) = batches.try_next().await? {
                let encoded = first.encode(&rows.batch)?;
                let matched =
                    encoded.iter().zip(rows.positions.values()).filter(|(row, _)| keys.iter().any(|keys| keys.contains(row.as_ref())));
                deleted.extend(matched.filter_map(|(_, position)| u64::try_from(*position).ok()));
            }
        }
        Ok(())
    }

    async fn keys(&self, delete: &EqualityDelete) -> Result<Arc<Keys>> {
        let mut read = self.read.lock().await;
        if let Some(keys) = read.get(&delete.path) {
            return Ok(keys.clone());
        }
        let file = self.files.open(&delete.path, delete.size_bytes).await?;
        let columns = self.columns.with_fields(self.key_fields(delete, &file).map_err(|e| e.with("file", &delete.path))?);
        let keys = Arc::new(Keys::read(&file, columns).await?);
        read.insert(delete.path.clone(), keys.clone());
        Ok(keys)
    }

    /// The compared columns: as the table has them, or as the delete file does when they were dropped since.
    fn key_fields(&self, delete: &EqualityDelete, file: &ParquetFile) -> Result<Vec<FieldRef>> {
        let stored = file.footer().file_metadata();
        let stored = parquet_to_arrow_schema(stored.schema_descr(), None)
            .map_err(|e| Error::corrupt("the columns of a delete file cannot be read").caused_by(e))?;
        let field = |id: &i32| {
            let dropped = || with_id(&stored, *id).map(|field| Arc::new(widest(field)));
            let found = with_id(&self.state.schema, *id).cloned().or_else(dropped);
            let nullable = found.map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
            nullable.ok_or_else(|| {
                Error::unsupported("an equality delete compares a nested column, or one that its file does not have").with("field id", id)
            })
        };
        if delete.field_ids.is_empty() {
            return Err(Error::corrupt("an equality delete compares no columns"));
        }
        delete.field_ids.iter().map(field).collect()
    }
}

/// The key values of a delete file.
#[derive(Debug)]
struct Keys {
    columns: TableColumns,
    converter: RowConverter,
    encoded: HashSet<Box<[u8]>>,
}

impl Keys {
    async fn read(file: &ParquetFile, columns: TableColumns) -> Result<Self> {
        let sort_fields = columns.schema().fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let mut keys = Self { converter: RowConverter::new(sort_fields.collect())?, encoded: HashSet::new(), columns };
        let mut batches = file.read(&keys.columns, Rows::All, BATCH_ROWS).await?;
        while let Some(batch) = batches.try_next().await? {
            let rows = keys.encode(&batch)?;
            keys.encoded.extend(rows.iter().map(|row| row.as_ref().into()));
        }
        Ok(keys)
    }

    fn encode(&self, batch: &RecordBatch) -> Result<arrow::row::Rows> {
        Ok(self.converter.convert_columns(batch.columns())?)
    }

    fn contains(&self, row: &[u8]) -> bool {
        self.encoded.contains(row)
    }
}

fn with_id(schema: &Schema, id: i32) -> Option<&FieldRef> {
    schema.fields().iter().find(|field| field.metadata().get(FIELD_ID).is_some_and(|text| text.parse() == Ok(id)))
}

/// The column in the widest type that it may have been promoted to: data files may hold it in a wider type than the delete.
fn widest(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Int32 => DataType::Int64,
        DataType::Float32 => DataType::Float64,
        DataType::Decimal128(_, scale) => DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}
