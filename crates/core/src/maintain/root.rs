//! The folder of a table, outside of which nothing is ever deleted.

use crate::error::{Error, Result};

/// A table's folder by its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    scheme: String,
    /// Authority and path, without a trailing slash.
    path: String,
}

impl Root {
    pub fn new(location: &str) -> Result<Self> {
        let (scheme, path) = split(location)?;
        let path = path.trim_end_matches('/').to_owned();
        match path.split_once('/') {
            Some((_, folder)) if !folder.is_empty() => Ok(Self { scheme, path }),
            _ => Err(refused("a table without a folder of its own is never cleaned up", location)),
        }
    }

    /// The path of a file below the folder. Fails for every name that might be of another file than it seems.
    pub fn relative<'a>(&self, file: &'a str) -> Result<&'a str> {
        let (scheme, path) = split(file)?;
        let outside = || refused("a file of the table lies outside of the table's folder, so nothing is deleted", file);
        if scheme != self.scheme {
            return Err(outside());
        }
        let below = path.strip_prefix(self.path.as_str()).and_then(|rest| rest.strip_prefix('/')).ok_or_else(outside)?;
        match below.split('/').any(|part| matches!(part, "" | "." | "..")) {
            true => Err(refused("the name of a file of the table is no plain path, so nothing is deleted", file)),
            false => Ok(below),
        }
    }
}

/// Scheme, and what follows it. Stores of one kind that writers call by several names count as one.
fn split(url: &str) -> Result<(String, &str)> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("not a URL, so nothing is deleted", url))?;
    let scheme = scheme.to_ascii_lowercase();
    let scheme = if ["s3a", "s3n"].contains(&scheme.as_str()) { "s3".to_owned() } else { scheme };
    Ok((scheme, rest))
}

fn refused(problem: &str, file: &str) -> Error {
    Error::unsupported(problem).with("file", file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_the_folder_are_known_by_their_path() {
        let root = Root::new("file:///lake/shop/orders").unwrap();
        assert_eq!(root.relative("file:///lake/shop/orders/data/a%2Fb=1/x.parquet").unwrap(), "data/a%2Fb=1/x.parquet");
        let bucket = Root::new("s3://lake/shop/orders/").unwrap();
        assert_eq!(bucket.relative("s3a://lake/shop/orders/data/x.parquet").unwrap(), "data/x.parquet");
    }

    #[test]
    fn names_that_may_mean_another_file_are_refused() {
        let root = Root::new("s3://lake/shop/orders").unwrap();
        for file in [
            "s3://lake/shop/orders2/x",
            "s3://lake/shop/orders",
            "s3://other/shop/orders/x",
            "gs://lake/shop/orders/x",
            "file:///lake/shop/orders/x",
            "/lake/shop/orders/x",
            "s3://lake/shop/orders/../customers/x",
            "s3://lake/shop/orders//x",
            "s3://lake/shop/orders/./x",
            "s3://lake/shop/orders/data/",
        ] {
            assert!(root.relative(file).is_err(), "{file}");
        }
        for location in ["s3://lake", "s3://lake/", "lake/shop", "file:///"] {
            assert!(Root::new(location).is_err(), "{location}");
        }
    }
}
