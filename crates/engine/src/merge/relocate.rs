//! A merge that lost to commits which keep the rows, such as a compaction's: what it has written counts all the same. Only rows whose
//! files were replaced are looked for again, in the files that came instead (DESIGN.md rule 18).

use std::collections::HashSet;
use std::sync::Arc;

use futures::TryStreamExt;
use roaring::RoaringTreemap;
use waterline_core::change::key_fields;
use waterline_core::error::{ErrorKind, Result};
use waterline_core::format::{DataFile, KeepAll, Operation, Removal, TableState};
use waterline_core::key::{KeyEncoder, KeyIndex};
use waterline_core::locate::{KeySet, key_columns};
use waterline_core::record::{Record, record_of};

use super::{Change, Fold};
use crate::locate::{Located, columns_by_name, locate_in};
use crate::parquet_io::Rows;

const BATCH_ROWS: usize = 1 << 16;

impl Fold<'_> {
    /// Brings a change that was made for the fold's base onto a newer state. `false` where it has to be made anew.
    pub(super) async fn relocate(&self, change: &mut Change, newest: &TableState) -> Result<bool> {
        if !self.keeps_rows(newest)? {
            return Ok(false);
        }
        let live = self.pair.mirror.data_files(newest, &KeepAll).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        if let Removal::Files(removed) = &change.remove
            && removed.iter().any(|path| !live.contains(path.as_str()))
        {
            return Ok(false);
        }
        let gone: Vec<String> = change.touched.keys().filter(|path| !live.contains(path.as_str())).cloned().collect();
        let gone: Vec<_> = gone.iter().filter_map(|path| change.touched.remove(path)).collect();
        let rows: u64 = gone.iter().map(|touched| touched.rows.len()).sum();
        if rows == 0 {
            return Ok(true);
        }
        let located = match self.locate_again(gone.iter().map(|touched| (&touched.file, &touched.rows)), newest).await {
            Ok(located) => located,
            // The old files have been deleted.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_whole = located.rows.len() as u64 == rows;
        change.touch(located, |_| true);
        Ok(is_whole)
    }

    /// Whether a newer state has the rows of the fold's base, in the same columns, and says the same of them.
    fn keeps_rows(&self, newest: &TableState) -> Result<bool> {
        let Some(record) = record_of(newest)? else { return Ok(false) };
        let is_same = Record { kind: self.record.kind, ..record } == self.record;
        let is_laid_out_alike = newest.schema == self.base.schema && newest.partition_by == self.base.partition_by;
        let mut since = newest.lineage().skip_while(|info| Some(info.version) != self.base.version && info.operation == Operation::Replace);
        Ok(is_same && is_laid_out_alike && since.next().is_some_and(|info| Some(info.version) == self.base.version))
    }

    /// Finds rows of files of the base by their keys in files that came since then.
    async fn locate_again<'a>(
        &self,
        rows: impl Iterator<Item = (&'a DataFile, &'a RoaringTreemap)>,
        newest: &TableState,
    ) -> Result<Located> {
        let fields = key_fields(&self.schema);
        let columns = columns_by_name(&self.base, fields.iter().map(|field| field.name().as_str()))?;
        let encoder = Arc::new(KeyEncoder::new(&fields)?);
        let mut index = KeyIndex::default();
        for (file, rows) in rows {
            let opened = self.lake.files.open_data_file(&self.base, file).await?;
            let mut batches = opened.read(&columns, Rows::Only(rows), BATCH_ROWS).await?;
            while let Some(batch) = batches.try_next().await? {
                for key in &encoder.encode(&key_columns(&batch, &fields)?)? {
                    index.insert(key);
                }
            }
        }
        let (keys, pruner) = KeySet::new(&Arc::new(index), &encoder, fields, |_| true)?;
        let mirror = &self.pair.mirror;
        let before: HashSet<String> = mirror.data_files(&self.base, &pruner).await?.into_iter().map(|file| file.path).collect();
        let mut files = mirror.data_files(newest, &pruner).await?;
        files.retain(|file| !before.contains(&file.path));
        locate_in(files, self.lake, mirror, newest, keys, &pruner).await
    }
}
