//! An object store that loses answers.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};
use waterline_env::{ObjectStores, Stores};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next conditional create fails without a trace.
    BeforeApply,
    /// The next conditional create lands and then fails.
    AfterApply,
    /// The next conditional create fails and lands when [`FaultyStores::land`] is called.
    Late,
}

type Action = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    next: Mutex<Option<Fault>>,
    before_create: Mutex<Option<Action>>,
    late: Mutex<Option<(Path, PutPayload)>>,
    down: AtomicBool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faults")
    }
}

/// Local files behind faults.
#[derive(Clone, Debug, Default)]
pub struct FaultyStores {
    inner: Arc<ObjectStores>,
    state: Arc<State>,
}

impl FaultyStores {
    pub fn arm(&self, fault: Fault) {
        *self.state.next.lock().unwrap() = Some(fault);
    }

    /// Does something just before the next conditional create.
    pub fn before_create(&self, action: impl FnOnce() + Send + 'static) {
        *self.state.before_create.lock().unwrap() = Some(Box::new(action));
    }

    /// All requests fail while the store is down.
    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// Lands the request that was late, if its name is still free.
    pub async fn land(&self) {
        let (path, payload) = self.state.late.lock().unwrap().take().unwrap();
        let (store, _) = self.inner.resolve("file:///").unwrap();
        let _ = store.put_opts(&path, payload, PutMode::Create.into()).await;
    }
}

impl Stores for FaultyStores {
    fn resolve(&self, location: &str) -> waterline_core::error::Result<(Arc<dyn ObjectStore>, Path)> {
        let (inner, path) = self.inner.resolve(location)?;
        Ok((Arc::new(FaultyStore { inner, state: self.state.clone() }), path))
    }
}

#[derive(Debug)]
struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<State>,
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

fn lost() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "the answer was lost".into() }
}

impl FaultyStore {
    fn check(&self) -> Result<()> {
        if self.state.down.load(Ordering::SeqCst) { Err(lost()) } else { Ok(()) }
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.check()?;
        let mut fault = None;
        if opts.mode == PutMode::Create {
            fault = self.state.next.lock().unwrap().take();
            if let Some(action) = self.state.before_create.lock().unwrap().take() {
                action();
            }
        }
        match fault {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::BeforeApply) => Err(lost()),
            Some(Fault::AfterApply) => self.inner.put_opts(location, payload, opts).await.and(Err(lost())),
            Some(Fault::Late) => {
                *self.state.late.lock().unwrap() = Some((location.clone(), payload));
                Err(lost())
            }
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        panic!("nothing is ever deleted")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
