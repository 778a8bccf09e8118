//! Quarantine: records that could not be taken, kept beside the table until someone deals with them.
//!
//! One JSON-lines file per batch in `<table>/quarantine/`: position, reason, and the record's bytes in base64.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use waterline_core::error::{Error, Result};
use waterline_core::format::TableState;

use crate::lake::Lake;

/// A record that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    pub file: String,
    /// Counts from 1.
    pub record: u64,
    pub offset_bytes: u64,
    pub reason: String,
    /// Base64.
    bytes: String,
}

impl BadRecord {
    pub fn new(file: &str, record: u64, offset_bytes: u64, line: &[u8], reason: &Error) -> Self {
        Self { file: file.into(), record, offset_bytes, reason: reason.to_string(), bytes: STANDARD.encode(line) }
    }

    /// The record as it was read.
    pub fn line(&self) -> Result<Vec<u8>> {
        STANDARD.decode(&self.bytes).map_err(|e| {
            Error::corrupt("a quarantined record is not base64").with("file", &self.file).with("record", self.record).caused_by(e)
        })
    }
}

/// The quarantine of one table.
pub struct Quarantine {
    lake: Lake,
    folder: String,
}

impl Quarantine {
    pub fn of(lake: &Lake, mirror: &TableState) -> Self {
        Self { lake: lake.clone(), folder: format!("{}/quarantine", mirror.own_folder) }
    }

    pub async fn put(&self, records: Vec<BadRecord>) -> Result<()> {
        let url = format!("{}/{}.jsonl", self.folder, self.lake.env.ids.uuid());
        let (store, path) = self.lake.env.stores.resolve(&url)?;
        store
            .put(&path, lines(&records)?.into())
            .await
            .map_err(|e| Error::unavailable("cannot write to the quarantine").with("file", &url).caused_by(e))?;
        Ok(())
    }

    /// All records, with the file of the quarantine that holds each.
    pub async fn list(&self) -> Result<Vec<(String, BadRecord)>> {
        let (store, prefix) = self.lake.env.stores.resolve(&self.folder)?;
        let failed = |e| Error::unavailable("cannot read the quarantine").with("file", &self.folder).caused_by(e);
        let mut metas: Vec<_> = store.list(Some(&prefix)).try_collect().await.map_err(failed)?;
        metas.sort_by(|a, b| a.location.cmp(&b.location));
        let mut records = Vec::new();
        for meta in metas {
            let bytes = async { store.get(&meta.location).await?.bytes().await }.await.map_err(failed)?;
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let record = serde_json::from_slice(line)
                    .map_err(|e| Error::corrupt("a file of the quarantine cannot be read").with("file", &meta.location).caused_by(e))?;
                records.push((meta.location.to_string(), record));
            }
        }
        Ok(records)
    }

    /// How many records there are.
    pub async fn count(&self) -> Result<u64> {
        let (store, prefix) = self.lake.env.stores.resolve(&self.folder)?;
        let failed = |e| Error::unavailable("cannot read the quarantine").with("file", &self.folder).caused_by(e);
        let mut files = store.list(Some(&prefix));
        let mut count = 0;
        while let Some(file) = files.try_next().await.map_err(failed)? {
            let mut chunks = store.get(&file.location).await.map_err(failed)?.into_stream();
            while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
                count += memchr::memchr_iter(b'\n', &chunk).count() as u64;
            }
        }
        Ok(count)
    }

    /// Writes the records into one file, as they were read, to be read again. Returns its URL.
    pub async fn stage_retry(&self, records: &[(String, BadRecord)]) -> Result<String> {
        let mut lines = Vec::new();
        for (_, record) in records {
            lines.extend_from_slice(record.line()?.trim_ascii_end());
            lines.push(b'\n');
        }
        let url = format!("{}-retried/{}.jsonl", self.folder, self.lake.env.ids.uuid());
        let (store, path) = self.lake.env.stores.resolve(&url)?;
        store
            .put(&path, lines.into())
            .await
            .map_err(|e| Error::unavailable("cannot write the records to retry").with("file", &url).caused_by(e))?;
        Ok(url)
    }

    /// Ends what [`Self::stage_retry`] began: those of the records that were put aside again are as if they had stayed, and the
    /// others leave.
    pub async fn end_retry(&self, staged: &str, retried: &[(String, BadRecord)]) -> Result<()> {
        let original = |again: &BadRecord| usize::try_from(again.record).ok().and_then(|number| retried.get(number.checked_sub(1)?));
        let mut again: BTreeMap<String, Vec<BadRecord>> = BTreeMap::new();
        for (file, record) in self.list().await? {
            if record.file == staged
                && let Some((_, first)) = original(&record)
            {
                let record = BadRecord { file: first.file.clone(), record: first.record, offset_bytes: first.offset_bytes, ..record };
                again.entry(file).or_default().push(record);
            }
        }
        let (store, _) = self.lake.env.stores.resolve(&self.folder)?;
        for (file, records) in again {
            let failed = |e| Error::unavailable("cannot write to the quarantine").with("file", &file).caused_by(e);
            store.put(&path_of(&file)?, lines(&records)?.into()).await.map_err(failed)?;
        }
        let mut before: Vec<String> = retried.iter().map(|(file, _)| file.clone()).collect();
        before.dedup();
        self.drop_files(&before).await?;
        let (store, path) = self.lake.env.stores.resolve(staged)?;
        store
            .delete(&path)
            .await
            .map_err(|e| Error::unavailable("cannot delete the records that were retried").with("file", staged).caused_by(e))
    }

    /// Forgets these files of the quarantine.
    pub async fn drop_files(&self, files: &[String]) -> Result<()> {
        let (store, _) = self.lake.env.stores.resolve(&self.folder)?;
        for file in files {
            store
                .delete(&path_of(file)?)
                .await
                .map_err(|e| Error::unavailable("cannot delete from the quarantine").with("file", file).caused_by(e))?;
        }
        Ok(())
    }
}

fn lines(records: &[BadRecord]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).map_err(|e| Error::internal("a quarantined record cannot be written").caused_by(e))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn path_of(file: &str) -> Result<Path> {
    Path::parse(file).map_err(|e| Error::internal("not a path of the quarantine").caused_by(e))
}
