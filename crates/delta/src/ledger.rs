//! What the seam keeps of a table and Delta has no place for: properties that change with every commit, tags, and snapshots
//! aside.
//!
//! A `metaData` action for each would make every concurrent append of another writer fail, and the info of commits is cleaned up
//! with the log. So they are an immutable file under `_waterline/`, a folder that VACUUM leaves alone, and a `txn` action of ours
//! names the newest: its version is that of the commit, and some bits that tell apart those who raced for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, KEYS, parse_keys};
use waterline_env::files::{Created, Files, NewFile, store_failed};
use xxhash_rust::xxh3::xxh3_64;

use crate::actions::Transaction;
use crate::history::Done;
use crate::snapshot::Snapshot;

pub(crate) const FOLDER: &str = "_waterline";
const APPLICATION: &str = "waterline";
const TELLING_BITS: u32 = 20;
/// Names that are tried. One is taken only by a file of another that happens to have the same bits.
const NAMES: u64 = 16;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, i64>,
    pub(crate) asides: Vec<Aside>,
    /// The snapshot that wrote the ledger, for when its commit is cleaned up.
    pub(crate) newest: Option<Done>,
    /// `None` while nothing of the main branch has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begin: Option<Begin>,
}

/// The oldest snapshot of the main branch that is left. Versions of the log before it do not count any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) version: i64,
    pub(crate) parent: Option<i64>,
}

/// A snapshot that only tags name. It is a Delta table of its own in a folder under [`FOLDER`], with one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aside {
    /// The version of the commit that made it known.
    pub(crate) version: i64,
    pub(crate) parent: Option<i64>,
    pub(crate) committed_at_ms: i64,
    pub(crate) folder: String,
    #[serde(flatten)]
    pub(crate) done: Done,
}

/// The number of a snapshot's ledger; `None` when it has none.
pub(crate) fn number_of(snapshot: &Snapshot) -> Option<i64> {
    snapshot.transactions.get(APPLICATION).map(|txn| txn.version)
}

pub(crate) fn transaction(number: i64, at_ms: i64) -> Transaction {
    Transaction { app_id: APPLICATION.into(), version: number, last_updated: Some(at_ms) }
}

pub(crate) fn location(root: &str, number: i64) -> String {
    format!("{root}/{FOLDER}/{number:020}.json")
}

impl Ledger {
    pub(crate) async fn read(files: &Files, root: &str, number: i64) -> Result<Self> {
        let location = location(root, number);
        let bytes = files.read(&location).await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Error::corrupt("the file with a table's properties and tags cannot be read").with("file", &location).caused_by(e))
    }

    /// Of a table whose own metadata name none. What cannot be read is none: merges then say that there is no key.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.properties.get(KEYS).and_then(|json| parse_keys(json).ok()).unwrap_or_default()
    }

    pub(crate) fn aside(&self, version: i64) -> Option<&Aside> {
        self.asides.iter().find(|aside| aside.version == version)
    }

    /// Writes the ledger that a commit of `version` is to name, and returns its number. Another attempt gets the same.
    pub(crate) async fn write(&self, files: &Files, root: &str, version: i64, seed: &str) -> Result<i64> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::internal("properties and tags cannot be written").caused_by(e))?;
        for salt in 0..NAMES {
            let bits = xxh3_64(format!("{seed} {salt}").as_bytes()) & ((1 << TELLING_BITS) - 1);
            let number = (version << TELLING_BITS) | bits.cast_signed();
            let file = NewFile { location: location(root, number), bytes: bytes.clone().into() };
            match files.create(&file).await? {
                Created::Yes => return Ok(number),
                Created::Exists => match files.read_if_exists(&file.location).await? {
                    Some(held) if held == file.bytes => return Ok(number),
                    Some(_) => {}
                    // S3 answers so to requests that collide.
                    None => return Err(Error::unavailable("a file collided with another request").with("file", &file.location)),
                },
                Created::Unknown(error) => return Err(store_failed(&file.location, error)),
            }
        }
        Err(Error::unavailable("no name is free for a table's properties and tags").with("table", root))
    }
}

/// Whether a commit changes what the ledger holds.
pub(crate) fn is_changed_by(commit: &Commit) -> bool {
    !commit.properties.is_empty() || !commit.tags.is_empty()
}
