//! Bytes in and out of the object stores that hold a table. Table formats read and write their own
//! files through here.
//! Nothing is ever deleted.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use waterline_core::error::{Error, Result};

use crate::Stores;

const CONCURRENT_WRITES: usize = 16;

/// A file that is to be written.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub location: String,
    pub bytes: Bytes,
}

/// What became of a conditional create.
#[derive(Debug)]
pub enum Created {
    Yes,
    /// The name was taken, by us or by another.
    Exists,
    /// It may or may not be there.
    Unknown(object_store::Error),
}

#[derive(Clone, Debug)]
pub struct Files {
    stores: Arc<dyn Stores>,
}

impl Files {
    pub fn new(stores: Arc<dyn Stores>) -> Self {
        Self { stores }
    }

    pub async fn read(&self, location: &str) -> Result<Bytes> {
        let (store, path) = self.stores.resolve(location)?;
        let found = store.get(&path).await.map_err(|e| store_failed(location, e))?;
        found.bytes().await.map_err(|e| store_failed(location, e))
    }

    /// `None` when there is no such file.
    pub async fn read_if_exists(&self, location: &str) -> Result<Option<Bytes>> {
        match self.read(location).await {
            Err(e) if e.kind() == waterline_core::error::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes> {
        let (store, path) = self.stores.resolve(location)?;
        store.get_range(&path, range).await.map_err(|e| store_failed(location, e))
    }

    pub async fn exists(&self, location: &str) -> Result<bool> {
        let (store, path) = self.stores.resolve(location)?;
        match store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(store_failed(location, e)),
        }
    }

    /// Names of the files and of the folders directly inside a folder, which need not exist.
    pub async fn list(&self, folder: &str) -> Result<Listing> {
        let (store, path) = self.stores.resolve(folder)?;
        let found = match store.list_with_delimiter(Some(&path)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Listing::default()),
            found => found.map_err(|e| store_failed(folder, e))?,
        };
        let name = |path: &object_store::path::Path| path.filename().map(str::to_owned);
        Ok(Listing {
            files: found.objects.iter().filter_map(|object| name(&object.location)).collect(),
            folders: found.common_prefixes.iter().filter_map(name).collect(),
        })
    }

    /// The files directly inside a folder whose names sort after `after`.
    pub async fn list_after(&self, folder: &str, after: &str) -> Result<Vec<Listed>> {
        let (store, path) = self.stores.resolve(folder)?;
        let offset = path.clone().join(after);
        let mut found = store.list_with_offset(Some(&path), &offset);
        let mut listed = Vec::new();
        loop {
            match found.try_next().await {
                Ok(Some(object)) => {
                    let below = object.location.prefix_match(&path).map(|parts| parts.collect::<Vec<_>>());
                    if let Some([name]) = below.as_deref() {
                        listed.push(Listed { name: name.as_ref().to_owned(), modified_at_ms: object.last_modified.timestamp_millis() });
                    }
                }
                Ok(None) | Err(object_store::Error::NotFound { .. }) => return Ok(listed),
                Err(e) => return Err(store_failed(folder, e)),
            }
        }
    }

    /// Writes a file under a name that nobody else uses.
    pub async fn write(&self, file: &NewFile) -> Result<()> {
        let (store, path) = self.stores.resolve(&file.location)?;
        store.put(&path, file.bytes.clone().into()).await.map_err(|e| store_failed(&file.location, e))?;
        Ok(())
    }

    pub async fn write_all(&self, files: &[NewFile]) -> Result<()> {
        let writes: Vec<_> = files.iter().map(|file| self.write(file)).collect();
        stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).try_collect().await
    }

    /// Writes a file when its name is free.
    pub async fn create(&self, file: &NewFile) -> Result<Created> {
        let (store, path) = self.stores.resolve(&file.location)?;
        Ok(match store.put_opts(&path, file.bytes.clone().into(), PutMode::Create.into()).await {
            Ok(_) => Created::Yes,
            Err(object_store::Error::AlreadyExists { .. }) => Created::Exists,
            Err(e) => Created::Unknown(e),
        })
    }
}

/// A file as a listing has it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub name: String,
    /// Milliseconds since the epoch, by the store's clock.
    pub modified_at_ms: i64,
}

#[derive(Debug, Default)]
pub struct Listing {
    pub files: Vec<String>,
    pub folders: Vec<String>,
}

/// A request to the object store that failed. What it may have done is the caller's question.
pub fn store_failed(file: &str, error: object_store::Error) -> Error {
    let summary = match &error {
        object_store::Error::NotFound { .. } => Error::not_found("a file of the table does not exist"),
        object_store::Error::InvalidPath { .. } => Error::corrupt("not a path of the object store"),
        _ => Error::unavailable("the object store refuses or cannot be reached"),
    };
    summary.with("file", file).caused_by(error)
}
