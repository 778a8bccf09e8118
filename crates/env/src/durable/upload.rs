//! A large file in parts.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::blocking;
use super::staged::{Name, Staged};

/// Its parts are written to a staged file, which is `None` when the upload has ended.
pub(super) struct Upload {
    staged: Arc<Mutex<Option<Staged>>>,
    /// Where the next part begins.
    offset: u64,
}

impl Upload {
    pub(super) fn new(staged: Staged) -> Self {
        Self { staged: Arc::new(Mutex::new(Some(staged))), offset: 0 }
    }

    fn take(&self) -> Result<Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(ended)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut at = self.offset;
        self.offset += data.content_length() as u64;
        let staged = self.staged.clone();
        blocking(move || {
            let mut staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
            let staged = staged.as_mut().ok_or_else(ended)?;
            data.iter().try_for_each(|bytes| {
                staged.write_at(at, bytes)?;
                at += bytes.len() as u64;
                Ok(())
            })
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.take()?;
        blocking(move || staged.publish(Name::Any)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = self.take()?;
        blocking(move || {
            drop(staged);
            Ok(())
        })
        .await
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("offset", &self.offset).finish_non_exhaustive()
    }
}

fn ended() -> Error {
    Error::Generic { store: "local files", source: "the upload has ended already".into() }
}
