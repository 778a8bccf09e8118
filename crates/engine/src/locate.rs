//! Locate, the reading half: where in a table's data files the rows of a set of keys are.

mod candidates;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream::{self, StreamExt, TryStreamExt};
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, TableFormat, TableState};
use waterline_core::key::{KeyId, KeyMap};
use waterline_core::locate::{KeyPruner, KeySet, key_columns};

use self::candidates::candidates;
use crate::lake::Lake;
use crate::parquet_io::{Rows, TableColumns};
use crate::read::Deletes;

/// Rows of a batch of key columns.
const BATCH_ROWS: usize = 1 << 16;

/// Live rows of keys.
#[derive(Debug, Default)]
pub struct Located {
    pub files: Vec<LocatedFile>,
    /// Where the row of each key that was found is: number of the file in `files`, and position.
    pub rows: KeyMap<RowAt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowAt {
    pub file: usize,
    pub position: u64,
}

/// A file with at least one of the rows.
#[derive(Debug)]
pub struct LocatedFile {
    pub file: DataFile,
    pub rows: RoaringTreemap,
    /// Rows that were deleted before.
    pub deleted: RoaringTreemap,
}

/// Finds the live rows of `keys` in a state. Reads the key columns of the files, row groups and pages that `pruner` keeps,
/// and Bloom filters where keys are few.
pub async fn locate(lake: &Lake, format: &Arc<dyn TableFormat>, state: &TableState, keys: KeySet, pruner: &KeyPruner) -> Result<Located> {
    let files = format.data_files(state, pruner).await?;
    locate_in(files, lake, format, state, keys, pruner).await
}

/// The same in some files of the state.
pub async fn locate_in(
    files: Vec<DataFile>,
    lake: &Lake,
    format: &Arc<dyn TableFormat>,
    state: &TableState,
    keys: KeySet,
    pruner: &KeyPruner,
) -> Result<Located> {
    let search = Arc::new(Search {
        lake: lake.clone(),
        deletes: Deletes::new(format.clone(), state, lake.files.clone())?,
        columns: columns_by_name(state, keys.fields().iter().map(|field| field.name().as_str()))?,
        state: state.clone(),
        keys,
        pruner: pruner.clone(),
    });
    let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
    let search_file = |file| {
        let search = search.clone();
        tokio::spawn(async move { search.file(file).await })
    };
    let mut found = stream::iter(files.into_iter().map(search_file)).buffered(concurrency);
    let mut located = Located::default();
    while let Some(searched) = found.next().await {
        let (file, deleted, matches) = searched.map_err(|e| Error::internal("the search of a data file stopped").caused_by(e))??;
        if matches.is_empty() {
            continue;
        }
        let number = located.files.len();
        let rows = matches.iter().map(|(_, position)| *position).collect();
        located.rows.extend(matches.into_iter().map(|(key, position)| (key, RowAt { file: number, position })));
        located.files.push(LocatedFile { file, rows, deleted });
    }
    Ok(located)
}

/// Columns of a state, with the ids that they have there.
pub fn columns_by_name<'a>(state: &TableState, names: impl Iterator<Item = &'a str>) -> Result<TableColumns> {
    let field = |name: &str| {
        let found = state.schema.field_with_name(name).cloned();
        found.map_err(|e| Error::corrupt("a table lacks a column that it must have").with("column", name).caused_by(e))
    };
    let fields: Vec<_> = names.map(field).collect::<Result<_>>()?;
    Ok(TableColumns::of(state)?.with_fields(fields))
}

type Matches = Vec<(KeyId, u64)>;

/// What all files of one search share.
struct Search {
    lake: Lake,
    deletes: Deletes,
    state: TableState,
    columns: TableColumns,
    keys: KeySet,
    pruner: KeyPruner,
}

impl Search {
    async fn file(&self, file: DataFile) -> Result<(DataFile, RoaringTreemap, Matches)> {
        let mut opened = self.lake.files.open_data_file(&self.state, &file).await?;
        let chosen = candidates(&mut opened, &self.columns, &self.pruner).await?;
        let mut matches = Matches::new();
        if chosen.is_empty() {
            return Ok((file, RoaringTreemap::new(), matches));
        }
        let deleted = self.deletes.of(&file).await?;
        let rows = if chosen.len() == opened.row_count() { Rows::All } else { Rows::Within(chosen.ranges()) };
        let mut batches = opened.read(&self.columns, rows, BATCH_ROWS).await?;
        let mut read = 0;
        while let Some(batch) = batches.try_next().await? {
            probe(&batch, &self.keys, |row| chosen.position(read + row), &deleted, &mut matches)?;
            read += batch.num_rows() as u64;
        }
        Ok((file, deleted, matches))
    }
}

/// `position` is that of a row of the batch in its file.
fn probe(batch: &RecordBatch, keys: &KeySet, position: impl Fn(u64) -> u64, deleted: &RoaringTreemap, matches: &mut Matches) -> Result<()> {
    let columns = key_columns(batch, keys.fields())?;
    keys.probe(&columns, |row, key| {
        let position = position(row as u64);
        if !deleted.contains(position) {
            matches.push((key, position));
        }
    })
}

/// Reads whole rows by where they are, each once, and gives the row number of each of `at` in the result.
pub async fn fetch(lake: &Lake, state: &TableState, located: &Located, at: &[RowAt]) -> Result<(RecordBatch, Vec<u32>)> {
    let mut chosen: BTreeMap<usize, RoaringTreemap> = BTreeMap::new();
    for at in at {
        chosen.entry(at.file).or_default().insert(at.position);
    }
    let rows = read_rows(lake, state, chosen.iter().map(|(file, rows)| (&located.files[*file].file, rows))).await?;
    let places = chosen.iter().flat_map(|(file, rows)| rows.iter().map(|position| RowAt { file: *file, position }));
    let numbers: HashMap<RowAt, u32> = places.zip(0..).collect();
    Ok((rows, at.iter().filter_map(|at| numbers.get(at).copied()).collect()))
}

/// Reads whole rows by file and position, in that order.
pub async fn read_rows<'a>(
    lake: &Lake,
    state: &TableState,
    chosen: impl Iterator<Item = (&'a DataFile, &'a RoaringTreemap)>,
) -> Result<RecordBatch> {
    let columns = TableColumns::of(state)?;
    let mut batches = Vec::new();
    for (file, rows) in chosen {
        let opened = lake.files.open_data_file(state, file).await?;
        let read: Vec<RecordBatch> = opened.read(&columns, Rows::Only(rows), BATCH_ROWS).await?.try_collect().await?;
        batches.extend(read);
    }
    Ok(arrow::compute::concat_batches(columns.schema(), &batches)?)
}
