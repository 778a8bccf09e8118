//! Uploads in parts. An upload that breaks leaves no object, whatever parts it sent.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::store::injected;
use super::{Fault, FaultPlan, Operation};

#[derive(Debug)]
pub(super) struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    path: Path,
    plan: Arc<FaultPlan>,
}

impl FaultyUpload {
    pub(super) fn new(inner: Box<dyn MultipartUpload>, path: Path, plan: Arc<FaultPlan>) -> Self {
        Self { inner, path, plan }
    }
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner.put_part(data);
        let (path, plan) = (self.path.clone(), self.plan.clone());
        async move {
            match plan.begin_in_store(Operation::UploadPart, &path).await {
                None => part.await,
                Some(Fault::After) => {
                    part.await?;
                    Err(injected(&path))
                }
                Some(_) => Err(injected(&path)),
            }
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        match self.plan.begin_in_store(Operation::CompleteUpload, &self.path).await {
            None => self.inner.complete().await,
            Some(Fault::After) => {
                self.inner.complete().await?;
                Err(injected(&self.path))
            }
            Some(_) => Err(injected(&self.path)),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        match self.plan.begin_in_store(Operation::AbortUpload, &self.path).await {
            None => self.inner.abort().await,
            Some(_) => Err(injected(&self.path)),
        }
    }
}
