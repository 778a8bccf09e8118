//! Local files that are on the disk when a write says so: the bytes before they get their name, and the name afterwards.
//!
//! `object_store` writes a file under a hidden name and then renames or links it, but syncs neither the file nor its
//! folder, so that a power cut may leave an empty file under the name of a committed one. Reads are left to it.

mod folders;
mod staged;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result,
};

use self::folders::Folders;
use self::staged::{Name, Staged};
use self::upload::Upload;

/// What every local location is read from and written to.
#[derive(Clone, Debug)]
pub(crate) struct DurableFiles {
    inner: LocalFileSystem,
    folders: Arc<Folders>,
}

impl DurableFiles {
    pub(crate) fn new() -> Self {
        Self { inner: LocalFileSystem::new(), folders: Arc::default() }
    }

    /// Before a file moves or is linked: its bytes, and the folder that it comes to.
    async fn settle(&self, from: &Path, to: &Path) -> Result<PathBuf> {
        let (source, target) = (self.inner.path_to_filesystem(from)?, self.inner.path_to_filesystem(to)?);
        let folders = self.folders.clone();
        blocking(move || {
            match File::open(&source) {
                Ok(file) => file.sync_all().map_err(|e| failed(&source, e))?,
                // The move itself says what is wrong with it.
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(target),
                Err(e) => return Err(failed(&source, e)),
            }
            folders.make_parent(&target)?;
            Ok(target)
        })
        .await
    }
}

#[async_trait]
impl ObjectStore for DurableFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let name = match options.mode {
            PutMode::Overwrite if options.attributes.is_empty() => Name::Any,
            PutMode::Create if options.attributes.is_empty() => Name::Free,
            // Refused there.
            _ => return self.inner.put_opts(location, payload, options).await,
        };
        let target = self.inner.path_to_filesystem(location)?;
        let folders = self.folders.clone();
        blocking(move || {
            folders.make_parent(&target)?;
            let mut staged = Staged::create(target)?;
            payload.iter().try_for_each(|bytes| staged.write(bytes))?;
            staged.publish(name)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return self.inner.put_multipart_opts(location, options).await;
        }
        let target = self.inner.path_to_filesystem(location)?;
        let folders = self.folders.clone();
        let staged = blocking(move || {
            folders.make_parent(&target)?;
            Staged::create(target)
        })
        .await?;
        Ok(Box::new(Upload::new(staged)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let target = self.settle(from, to).await?;
        self.inner.copy_opts(from, to, options).await?;
        blocking(move || folders::sync_parent(&target)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let source = self.inner.path_to_filesystem(from)?;
        let target = self.settle(from, to).await?;
        self.inner.rename_opts(from, to, options).await?;
        blocking(move || {
            folders::sync_parent(&target)?;
            if source.parent() == target.parent() { Ok(()) } else { folders::sync_parent(&source) }
        })
        .await
    }
}

impl fmt::Display for DurableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

fn failed(path: &std::path::Path, source: io::Error) -> object_store::Error {
    let source = io::Error::new(source.kind(), format!("{}: {source}", path.display()));
    object_store::Error::Generic { store: "local files", source: Box::new(source) }
}
