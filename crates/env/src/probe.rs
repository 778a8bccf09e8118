//! Checks, before anything is committed in it, that an object store does what commits rely on: what was written is read
//! and listed at once, and, where the catalog needs it, a name that is taken cannot be taken again. Some stores that
//! speak S3 pass over the condition of a put without a word, and two writers would overwrite each other's commits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use waterline_core::error::{Error, Result};

use crate::files::store_failed;
use crate::{Env, parse_location};

/// How a catalog takes the next version of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// By a file whose name must be free.
    ByCreate,
    /// Outside of the store.
    Elsewhere,
}

/// The stores that a catalog commits in, each checked once.
#[derive(Debug)]
pub struct Probe {
    env: Env,
    commits: Commits,
    passed: Mutex<HashSet<String>>,
}

impl Probe {
    pub fn new(env: Env, commits: Commits) -> Self {
        Self { env, commits, passed: Mutex::default() }
    }

    /// Checks the store of a metadata file, unless it was checked before. An error means that nothing was committed.
    pub async fn ensure(&self, metadata_file: &str) -> Result<()> {
        let url = parse_location(metadata_file)?;
        // What is in this machine is known to do it.
        if matches!(url.scheme(), "file" | "memory") {
            return Ok(());
        }
        let store = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        if self.passed.lock().unwrap_or_else(PoisonError::into_inner).contains(&store) {
            return Ok(());
        }
        self.check(metadata_file, store.clone()).await?;
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).insert(store);
        Ok(())
    }

    /// In a folder of its own beside the file.
    async fn check(&self, metadata_file: &str, store: String) -> Result<()> {
        let beside = metadata_file.rsplit_once('/').map_or(metadata_file, |(folder, _)| folder);
        let folder = format!("{beside}/waterline-probe-{}", self.env.ids.uuid());
        let (objects, folder) = self.env.stores.resolve(&folder)?;
        let place = Place { object: folder.clone().join("object"), folder, objects, store };
        let checked = place.check(self.commits).await;
        match place.objects.delete(&place.object).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%error, object = %place.object, "the object that the store was checked with is left behind"),
        }
        checked
    }
}

/// Where a store is checked.
struct Place {
    objects: Arc<dyn ObjectStore>,
    folder: Path,
    object: Path,
    /// Its name, for people.
    store: String,
}

const FIRST: Bytes = Bytes::from_static(b"first");
const SECOND: Bytes = Bytes::from_static(b"second");
const CONDITIONAL_CREATE: &str = "conditional create (If-None-Match)";

impl Place {
    async fn check(&self, commits: Commits) -> Result<()> {
        match commits {
            Commits::ByCreate => self.check_create().await?,
            Commits::Elsewhere => {
                self.put(FIRST, PutMode::Overwrite).await.map_err(|e| self.failed(e))?;
                self.check_read("reading what was just written").await?;
            }
        }
        let listed = self.objects.list_with_delimiter(Some(&self.folder)).await.map_err(|e| self.failed(e))?;
        if listed.objects.iter().all(|object| object.location != self.object) {
            return Err(self.lacks("listing what was just written"));
        }
        Ok(())
    }

    /// Of two creates of one name the second must fail, and change nothing.
    async fn check_create(&self) -> Result<()> {
        match self.put(FIRST, PutMode::Create).await {
            Ok(()) => self.check_read("reading what was just written").await?,
            // The client may have repeated a request whose answer it lost; or nothing landed, and later may work.
            Err(error @ object_store::Error::AlreadyExists { .. }) if self.read().await? != Some(FIRST) => return Err(self.failed(error)),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                return Err(self.lacks(CONDITIONAL_CREATE));
            }
            Err(error) => return Err(self.failed(error)),
        }
        match self.put(SECOND, PutMode::Create).await {
            Ok(()) => Err(self.lacks(CONDITIONAL_CREATE)),
            Err(object_store::Error::AlreadyExists { .. }) => self.check_read(CONDITIONAL_CREATE).await,
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn check_read(&self, what: &str) -> Result<()> {
        if self.read().await? == Some(FIRST) { Ok(()) } else { Err(self.lacks(what)) }
    }

    async fn put(&self, bytes: Bytes, mode: PutMode) -> object_store::Result<()> {
        self.objects.put_opts(&self.object, bytes.into(), PutOptions::from(mode)).await.map(drop)
    }

    async fn read(&self) -> Result<Option<Bytes>> {
        match self.objects.get(&self.object).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|e| self.failed(e)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: object_store::Error) -> Error {
        store_failed(self.object.as_ref(), error).with("store", &self.store)
    }

    fn lacks(&self, what: &str) -> Error {
        Error::unsupported("the object store lacks what commits rely on, and nothing was committed; keep the warehouse in another one")
            .with("store", &self.store)
            .with("lacks", what)
    }
}
