//! Write: rows to Parquet data files of a table, split by partition and rolled at the target size.

mod dictionary;
mod file;
mod rules;
mod statistics;

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, UInt32Array};
use waterline_core::conform::conform_batch;
use waterline_core::error::{Error, Result};
use waterline_core::format::{NewDataFile, TableState};
use waterline_core::partition::PartitionField;
use waterline_core::value::Value;
use waterline_env::Env;

use self::file::{OpenFile, ROW_GROUP_ROWS};
use self::rules::Rules;

const TARGET_FILE_SIZE: &str = "write.target-file-size-bytes";
const DEFAULT_TARGET_FILE_SIZE_BYTES: u64 = 512 << 20;
/// Open files at most: beyond it the largest is closed, which bounds memory on many partitions.
const MAX_OPEN_FILES: usize = 64;

/// Writes rows of one table. Files that are not part of a commit in the end are orphans, which vacuum finds.
pub struct DataWriter {
    env: Env,
    state: TableState,
    folder: String,
    rules: Option<Rules>,
    target_file_size_bytes: u64,
    row_group_rows: usize,
    open: BTreeMap<String, OpenFile>,
    closed: Vec<NewDataFile>,
}

impl DataWriter {
    pub fn new(env: &Env, state: &TableState) -> Result<Self> {
        let target_file_size_bytes = target_file_size_bytes(state)?;
        Ok(Self {
            env: env.clone(),
            state: state.clone(),
            folder: format!("{}/data", state.location),
            rules: Rules::of(state)?,
            target_file_size_bytes,
            row_group_rows: ROW_GROUP_ROWS,
            open: BTreeMap::new(),
            closed: Vec::new(),
        })
    }

    /// Takes columns by name; the table's columns that `rows` lacks become null, or what the table makes them of. Fails when a row is
    /// not what the table asks of its rows.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let rows = match &self.rules {
            Some(rules) => rules.apply(rows)?,
            None => conform_batch(rows, &self.state.schema)?,
        };
        if self.state.partition_by.is_empty() {
            return self.append(Vec::new(), &rows).await;
        }
        for (partition, numbers) in split(&rows, &self.state.partition_by)? {
            let part = if numbers.len() == rows.num_rows() {
                rows.clone()
            } else {
                arrow::compute::take_record_batch(&rows, &UInt32Array::from(numbers))?
            };
            self.append(partition, &part).await?;
        }
        Ok(())
    }

    /// Writes rows as the table has them already, which are known to lie in one partition.
    pub async fn write_into(&mut self, partition: &[Option<Value>], rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.append(partition.to_vec(), &conform_batch(rows, &self.state.schema)?).await
    }

    /// Files are closed when they have this size, instead of the one that the table's properties say.
    #[must_use]
    pub fn with_target_file_size(mut self, bytes: u64) -> Self {
        self.target_file_size_bytes = bytes;
        self
    }

    /// Files are written into this folder, as a URL, instead of the one that a table's files are in.
    #[must_use]
    pub(crate) fn with_folder(mut self, folder: String) -> Self {
        self.folder = folder;
        self
    }

    /// Row groups have half as many rows as usual, for several writers at a time: each is kept in memory until it is whole.
    #[must_use]
    pub fn with_small_row_groups(mut self) -> Self {
        self.row_group_rows = ROW_GROUP_ROWS / 2;
        self
    }

    /// Closes all files and returns them, those of one partition in the order of their rows.
    pub async fn finish(mut self) -> Result<Vec<NewDataFile>> {
        while let Some((_, file)) = self.open.pop_first() {
            self.closed.push(file.close().await?);
        }
        Ok(self.closed)
    }

    async fn append(&mut self, partition: Vec<Option<Value>>, rows: &RecordBatch) -> Result<()> {
        let key = format!("{partition:?}");
        if !self.open.contains_key(&key) {
            self.close_largest_if_full().await?;
            let file = OpenFile::create(&self.env, &self.state, &self.folder, partition, self.row_group_rows, rows)?;
            self.open.insert(key.clone(), file);
        }
        let Some(file) = self.open.get_mut(&key) else { return Ok(()) };
        file.write(rows).await?;
        if file.size_bytes() >= self.target_file_size_bytes
            && let Some(full) = self.open.remove(&key)
        {
            self.closed.push(full.close().await?);
        }
        Ok(())
    }

    async fn close_largest_if_full(&mut self) -> Result<()> {
        if self.open.len() < MAX_OPEN_FILES {
            return Ok(());
        }
        let largest = self.open.iter().max_by_key(|(_, file)| file.size_bytes()).map(|(key, _)| key.clone());
        if let Some(file) = largest.and_then(|key| self.open.remove(&key)) {
            self.closed.push(file.close().await?);
        }
        Ok(())
    }
}

/// What the table's properties say, or the default.
pub fn target_file_size_bytes(state: &TableState) -> Result<u64> {
    let Some(text) = state.properties.get(TARGET_FILE_SIZE) else { return Ok(DEFAULT_TARGET_FILE_SIZE_BYTES) };
    text.parse().map_err(|e| Error::usage("a table property is not a number of bytes").with("property", TARGET_FILE_SIZE).caused_by(e))
}

type Partition = Vec<Option<Value>>;

/// Row numbers of each partition that occurs.
fn split(rows: &RecordBatch, partition_by: &[PartitionField]) -> Result<Vec<(Partition, Vec<u32>)>> {
    let mut values = Vec::with_capacity(partition_by.len());
    for field in partition_by {
        let column = rows
            .column_by_name(&field.column)
            .ok_or_else(|| Error::usage("a partition field names no column").with("partition field", field))?;
        values.push(field.transform.apply(column).map_err(|e| e.with("partition field", field))?);
    }
    let mut partitions: BTreeMap<String, (Partition, Vec<u32>)> = BTreeMap::new();
    for row in 0..rows.num_rows() {
        let partition: Partition = values.iter().map(|column| column[row].clone()).collect();
        partitions.entry(format!("{partition:?}")).or_insert_with(|| (partition, Vec::new())).1.push(row as u32);
    }
    Ok(partitions.into_values().collect())
}
