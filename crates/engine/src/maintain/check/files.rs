//! Data files one by one: are they there, as long as recorded, and do they hold what the metadata says.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use roaring::RoaringTreemap;
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, DeleteState, TableState};
use waterline_core::maintain::check::{Finding, Problem};

use super::values::FileValues;
use super::{Checker, Depth};

const CONCURRENT_FILES: usize = 16;
/// Files whose rows are read at the same time.
const CONCURRENT_READS: usize = 2;

impl Checker<'_> {
    pub(super) async fn files(&self, state: &TableState, files: BTreeMap<String, DataFile>) -> Result<Vec<Finding>> {
        let concurrency = if self.request.depth == Depth::Rows { CONCURRENT_READS } else { CONCURRENT_FILES };
        let check = |file: DataFile| async move { self.file(state, &file).await };
        let found: Vec<Vec<Finding>> = stream::iter(files.into_values()).map(check).buffered(concurrency).try_collect().await?;
        Ok(found.concat())
    }

    /// What is wrong with a file. What follows from one thing is not said again.
    async fn file(&self, state: &TableState, file: &DataFile) -> Result<Vec<Finding>> {
        if let Some(finding) = self.stored(file).await? {
            return Ok(vec![finding]);
        }
        let mut findings: Vec<Finding> = self.deletes(file).await?.into_iter().collect();
        match self.rows(state, file).await {
            Ok(more) => findings.extend(more),
            Err(error) => findings.push(self.found(Problem::UnreadableFile, &file.path, error)?),
        }
        Ok(findings)
    }

    async fn stored(&self, file: &DataFile) -> Result<Option<Finding>> {
        let (store, path) = self.lake.env.stores.resolve(&file.path)?;
        match store.head(&path).await {
            Ok(found) if found.size == file.size_bytes => Ok(None),
            Ok(found) => {
                let detail = format!("it has {} bytes; the metadata says {}", found.size, file.size_bytes);
                Ok(Some(self.finding(Problem::WrongSize, &file.path, detail)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Some(self.finding(Problem::MissingFile, &file.path, "it does not exist"))),
            Err(e) => Err(Error::unavailable("cannot ask for a file").with("file", &file.path).caused_by(e)),
        }
    }

    async fn deletes(&self, file: &DataFile) -> Result<Option<Finding>> {
        if file.deletes == DeleteState::None {
            return Ok(None);
        }
        let deleted = match self.format.deleted_rows(file).await {
            Ok(deleted) => deleted,
            Err(error) => return self.found(Problem::UnreadableDelete, &file.path, error).map(Some),
        };
        Ok(self.wrong_delete(file, &deleted))
    }

    fn wrong_delete(&self, file: &DataFile, deleted: &RoaringTreemap) -> Option<Finding> {
        let detail = if deleted.max().is_some_and(|last| last >= file.record_count) {
            format!("rows behind its last one are deleted; it has {}", file.record_count)
        } else if file.deleted_rows.is_some_and(|most| deleted.len() > most) {
            format!("{} of its rows are deleted; the metadata says {}", deleted.len(), file.deleted_rows.unwrap_or(0))
        } else {
            return None;
        };
        Some(self.finding(Problem::WrongDelete, &file.path, detail))
    }

    async fn rows(&self, state: &TableState, file: &DataFile) -> Result<Vec<Finding>> {
        let opened = self.lake.files.open_data_file(state, file).await?;
        if opened.row_count() != file.record_count {
            let detail = format!("it has {} rows; the metadata says {}", opened.row_count(), file.record_count);
            return Ok(vec![self.finding(Problem::WrongRowCount, &file.path, detail)]);
        }
        if self.request.depth == Depth::Footers {
            return Ok(Vec::new());
        }
        let mut values = FileValues::new(file);
        values.read(state, &opened).await?;
        Ok(values.problems().map(|(problem, detail)| self.finding(problem, &file.path, detail)).collect())
    }
}
