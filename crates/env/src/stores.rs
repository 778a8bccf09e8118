//! From URLs to object stores. One store object serves all paths of a bucket, so that caches and faults sit in one place.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;
use waterline_core::error::{Error, Result};

use crate::durable::DurableFiles;

/// Finds the object store and the path in it that a location names.
///
/// A location is a plain string, as table metadata holds it: what follows `scheme://authority/` is the object's key as
/// it is, never percent-decoded (a partition's folder may well be named `day=a%2Fb`).
pub trait Stores: Send + Sync + Debug {
    fn resolve(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)>;
}

/// Local files, written durably, and the object stores that `object_store` knows, with credentials from the environment.
#[derive(Debug, Default)]
pub struct ObjectStores {
    by_root: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl Stores for ObjectStores {
    fn resolve(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let url = parse_location(location)?;
        let root = format!("{}://{}", url.scheme(), url.authority());
        let path = Path::parse(literal_path(location)?)
            .map_err(|e| Error::usage("not a path of an object store").with("url", redacted(&url)).caused_by(e))?;
        let mut stores = self.by_root.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&root) {
            return Ok((store.clone(), path));
        }
        let store = open(&url)?;
        stores.insert(root, store.clone());
        Ok((store, path))
    }
}

/// The part of a location after the authority, as it is written.
fn literal_path(location: &str) -> Result<String> {
    if let Some((_, rest)) = location.split_once("://") {
        return Ok(rest.find('/').map_or_else(String::new, |at| rest[at..].to_owned()));
    }
    let invalid = || Error::usage("not a local path in UTF-8").with("location", location);
    let absolute = std::path::absolute(location.strip_prefix("file:").unwrap_or(location)).map_err(|e| invalid().caused_by(e))?;
    absolute.into_os_string().into_string().map_err(|_| invalid())
}

fn open(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    if url.scheme() == "file" {
        return Ok(Arc::new(DurableFiles::new()));
    }
    let settings = std::env::vars().filter(|(key, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| key.starts_with(prefix)));
    let (store, _) = object_store::parse_url_opts(url, settings.map(|(key, value)| (key.to_ascii_lowercase(), value)))
        .map_err(|e| Error::usage("cannot open the object store").with("url", redacted(url)).caused_by(e))?;
    Ok(Arc::from(store))
}

/// A URL, or a local path made absolute. Paths with `..` are refused in URLs.
pub fn parse_location(location: &str) -> Result<Url> {
    let invalid = || Error::usage("neither a path nor a URL of a store").with("location", location);
    if let Some((scheme, rest)) = location.split_once("://") {
        let known = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !known || rest.split('/').any(|part| part == "..") {
            return Err(invalid());
        }
        return Url::parse(location).map_err(|e| invalid().caused_by(e));
    }
    let path = location.strip_prefix("file:").unwrap_or(location);
    let absolute = std::path::absolute(path).map_err(|e| invalid().caused_by(e))?;
    Url::from_file_path(absolute).map_err(|()| invalid())
}

/// The URL without what may be secret: user information and query.
pub fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.into()
}
