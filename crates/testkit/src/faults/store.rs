//! The store that a [`FaultPlan`] makes fail.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use waterline_env::Stores;

use super::plan::LateWrite;
use super::upload::FaultyUpload;
use super::{Fault, FaultPlan, Operation};

/// Stores whose operations a plan counts and makes fail.
#[derive(Debug)]
pub struct FaultyStores {
    inner: Arc<dyn Stores>,
    plan: Arc<FaultPlan>,
}

impl FaultyStores {
    pub fn new(inner: Arc<dyn Stores>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }
}

impl Stores for FaultyStores {
    fn resolve(&self, location: &str) -> waterline_core::error::Result<(Arc<dyn ObjectStore>, Path)> {
        let (inner, path) = self.inner.resolve(location)?;
        Ok((Arc::new(FaultyStore::new(inner, self.plan.clone())), path))
    }
}

/// A store whose operations a plan counts and makes fail.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<FaultPlan>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }

    async fn begin(&self, operation: Operation, path: &Path) -> Option<Fault> {
        self.plan.begin_in_store(operation, path).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        match self.begin(Operation::Delete, path).await {
            None => self.inner.delete(path).await,
            Some(Fault::After) => {
                self.inner.delete(path).await?;
                Err(injected(path))
            }
            Some(Fault::Late { steps }) => {
                self.plan.land_later(steps, LateWrite { store: self.inner.clone(), path: path.clone(), payload: None });
                Err(injected(path))
            }
            Some(_) => Err(injected(path)),
        }
    }
}

/// The error of every fault that does not say more.
pub(super) fn injected(path: &Path) -> Error {
    Error::Generic { store: "faulty", source: format!("injected fault at {path}").into() }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "injected fault".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let operation = match options.mode {
            PutMode::Overwrite => Operation::Put,
            PutMode::Create => Operation::Create,
            PutMode::Update(_) => Operation::Update,
        };
        let fault = self.begin(operation, path).await;
        match fault {
            None => return self.inner.put_opts(path, payload, options).await,
            Some(Fault::Unconditional) => return self.inner.put(path, payload).await,
            Some(Fault::After | Fault::ExistsThoughOurs) => drop(self.inner.put_opts(path, payload, options).await?),
            Some(Fault::Late { steps }) => {
                let write = LateWrite { store: self.inner.clone(), path: path.clone(), payload: Some((payload, options)) };
                self.plan.land_later(steps, write);
            }
            Some(Fault::Torn) if operation == Operation::Put => drop(self.inner.put_opts(path, first_half(&payload), options).await?),
            Some(_) => {}
        }
        match fault {
            Some(Fault::ExistsThoughOurs | Fault::ExistsThoughAbsent) if operation == Operation::Create => Err(exists(path)),
            _ => Err(injected(path)),
        }
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        match self.begin(Operation::StartUpload, path).await {
            None => {
                let inner = self.inner.put_multipart_opts(path, options).await?;
                Ok(Box::new(FaultyUpload::new(inner, path.clone(), self.plan.clone())))
            }
            Some(_) => Err(injected(path)),
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.begin(Operation::Get, path).await {
            None => self.inner.get_opts(path, options).await,
            Some(Fault::Torn) => Ok(cut_short(self.inner.get_opts(path, options).await?, path)),
            Some(_) => Err(injected(path)),
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        paths
            .then(move |path| {
                let store = store.clone();
                async move {
                    let path = path?;
                    store.remove(&path).await?;
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let prefix = prefix.cloned();
        let listing = async move {
            let steps = match store.begin(Operation::List, &prefix.clone().unwrap_or_default()).await {
                None => None,
                Some(Fault::Stale { steps }) => Some(steps),
                Some(_) => return Err(injected(&prefix.unwrap_or_default())),
            };
            let plan = store.plan.clone();
            let is_shown = move |meta: &ObjectMeta| steps.is_none_or(|steps| plan.is_listed(&meta.location, steps));
            Ok(store.inner.list(prefix.as_ref()).try_filter(move |meta| std::future::ready(is_shown(meta))))
        };
        stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let place = prefix.cloned().unwrap_or_default();
        let steps = match self.begin(Operation::List, &place).await {
            None => 0,
            Some(Fault::Stale { steps }) => steps,
            Some(_) => return Err(injected(&place)),
        };
        let mut listing = self.inner.list_with_delimiter(prefix).await?;
        listing.objects.retain(|meta| steps == 0 || self.plan.is_listed(&meta.location, steps));
        Ok(listing)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match self.begin(Operation::Copy, to).await {
            None => self.inner.copy_opts(from, to, options).await,
            Some(Fault::After) => {
                self.inner.copy_opts(from, to, options).await?;
                Err(injected(to))
            }
            Some(_) => Err(injected(to)),
        }
    }
}

fn first_half(payload: &PutPayload) -> PutPayload {
    let bytes: Vec<u8> = payload.iter().flatten().copied().collect();
    bytes[..bytes.len() / 2].to_vec().into()
}

/// The connection breaks in the middle of the body.
fn cut_short(result: GetResult, path: &Path) -> GetResult {
    let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
    let path = path.clone();
    let body = async move {
        let bytes = result.bytes().await?;
        Ok::<_, Error>(stream::iter([Ok(bytes.slice(..bytes.len() / 2)), Err(injected(&path))]))
    };
    GetResult { payload: GetResultPayload::Stream(stream::once(body).try_flatten().boxed()), meta, range, attributes }
}
