use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use waterline_core::error::{Error, Result};
use waterline_env::Stores;

/// One store in memory for each `scheme://authority`. Keys are taken literally.
#[derive(Debug, Default)]
pub struct MemoryStores(Mutex<BTreeMap<String, Arc<InMemory>>>);

impl Stores for MemoryStores {
    fn resolve(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let invalid = || Error::usage("not a URL of a store in memory").with("location", location);
        let (scheme, rest) = location.split_once("://").ok_or_else(invalid)?;
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let path = Path::parse(key).map_err(|e| invalid().caused_by(e))?;
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((stores.entry(format!("{scheme}://{authority}")).or_default().clone(), path))
    }
}
