//! Reads what delete files hold. Files that many data files share are kept.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{DataFile, DataFileFormat, ManifestEntryRef};
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};

use crate::cache::Cache;
use crate::deletes::position::{self, Positions};
use crate::deletes::vector;
use crate::files::Files;
use crate::location;

const CONCURRENT_READS: usize = 8;
const CACHED_POSITIONS: usize = 8_000_000;

#[derive(Debug)]
pub(crate) struct DeleteReader {
    files: Files,
    cache: Cache<Positions>,
}

impl DeleteReader {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, cache: Cache::new(CACHED_POSITIONS) }
    }

    /// All positions of a data file that these position delete files and deletion vectors remove.
    pub(crate) async fn deleted(&self, data_path: &str, deletes: &[ManifestEntryRef]) -> Result<RoaringTreemap> {
        let key = location::key(data_path);
        let reads: Vec<_> = deletes.iter().map(|delete| self.read(&key, delete.data_file())).collect();
        let sets = stream::iter(reads).buffer_unordered(CONCURRENT_READS);
        sets.try_fold(RoaringTreemap::new(), |mut all, set| async move {
            all |= set;
            Ok(all)
        })
        .await
    }

    async fn read(&self, key: &str, delete: &DataFile) -> Result<RoaringTreemap> {
        match delete.file_format() {
            DataFileFormat::Puffin => self.vector(delete).await,
            _ => Ok(self.positions(delete).await?.get(key).cloned().unwrap_or_default()),
        }
    }

    async fn vector(&self, delete: &DataFile) -> Result<RoaringTreemap> {
        let path = delete.file_path();
        let missing = || Error::corrupt("a deletion vector has no place in its file").with("file", path);
        let offset = delete.content_offset().and_then(|offset| u64::try_from(offset).ok()).ok_or_else(missing)?;
        let length = delete.content_size_in_bytes().and_then(|length| u64::try_from(length).ok()).ok_or_else(missing)?;
        let blob = self.files.read_range(path, offset..offset.saturating_add(length)).await?;
        let positions = vector::decode(&blob).map_err(|e| e.with("file", path).with("offset", offset))?;
        if positions.len() != delete.record_count() {
            return Err(Error::corrupt("a deletion vector does not hold as many rows as its entry says")
                .with("file", path)
                .with("offset", offset));
        }
        Ok(positions)
    }

    async fn positions(&self, delete: &DataFile) -> Result<Arc<Positions>> {
        let path = delete.file_path();
        if let Some(positions) = self.cache.get(path) {
            return Ok(positions);
        }
        let bytes = self.files.read(path).await?;
        let name = path.to_owned();
        let read = tokio::task::spawn_blocking(move || position::read(&name, bytes)).await;
        let positions =
            Arc::new(read.map_err(|e| Error::corrupt("a position delete file cannot be read").with("file", path).caused_by(e))??);
        let weight = usize::try_from(delete.record_count()).unwrap_or(usize::MAX);
        self.cache.insert(path.into(), positions.clone(), weight.max(1));
        Ok(positions)
    }
}
