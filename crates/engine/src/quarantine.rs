//! Quarantine: records that could not be taken, kept beside the table until someone deals with them.
//!
//! One JSON-lines file per batch in `<table>/quarantine/`: position, reason, and the record's bytes in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
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
        Self { lake: lake.clone(), folder: format!("{}/quarantine", mirror.location) }
    }

    pub async fn put(&self, records: Vec<BadRecord>) -> Result<()> {
        let mut lines = Vec::new();
        for record in &records {
            serde_json::to_writer(&mut lines, record)
                .map_err(|e| Error::internal("a quarantined record cannot be written").caused_by(e))?;
            lines.push(b'\n');
        }
        let url = format!("{}/{}.jsonl", self.folder, self.lake.env.ids.uuid());
        let (store, path) = self.lake.env.stores.resolve(&url)?;
        store
            .put(&path, lines.into())
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

    /// Forgets these files of the quarantine.
    pub async fn drop_files(&self, files: &[String]) -> Result<()> {
        let (store, _) = self.lake.env.stores.resolve(&self.folder)?;
        for file in files {
            let path = object_store::path::Path::parse(file).map_err(|e| Error::internal("not a path of the quarantine").caused_by(e))?;
            store
                .delete(&path)
                .await
                .map_err(|e| Error::unavailable("cannot delete from the quarantine").with("file", file).caused_by(e))?;
        }
        Ok(())
    }
}
