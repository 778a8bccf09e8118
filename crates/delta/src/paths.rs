//! How the log names files: a URI, relative to the table's folder or absolute, percent-encoded. The stores take keys as
//! they are, so paths are decoded on the way in and encoded on the way out.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use waterline_core::error::{Error, Result};
use waterline_env::location;

/// What a path in a URI does not hold as it is.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The absolute location of a file that the log of the table at `root` names.
pub(crate) fn absolute(root: &str, path: &str) -> Result<String> {
    let invalid = || Error::corrupt("not a path of a file in the log").with("path", path);
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    if decoded.split('/').any(|part| part == "..") {
        return Err(invalid());
    }
    if is_absolute(path) {
        return Ok(location::absolute(&decoded));
    }
    Ok(format!("{root}/{decoded}"))
}

/// The name of a file in the log of the table at `root`, relative where it lies below it.
pub(crate) fn named(root: &str, location: &str) -> String {
    let below = location.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
    encoded(below.unwrap_or(location))
}

/// An absolute name, for the log of another table.
pub(crate) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, ENCODED).to_string()
}

fn is_absolute(path: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    path.starts_with('/') || path.split_once(":/").is_some_and(|(scheme, _)| is_scheme(scheme))
}

#[cfg(test)]
mod tests {
    use super::{absolute, named};

    const ROOT: &str = "file:///lake/my table";

    #[test]
    fn names_are_encoded_once_and_decoded_once() {
        for (location, name) in [
            ("file:///lake/my table/data/a.parquet", "data/a.parquet"),
            ("file:///lake/my table/p=a%2Fb c/ä.parquet", "p=a%252Fb%20c/%C3%A4.parquet"),
            ("file:///other/x y.parquet", "file:///other/x%20y.parquet"),
        ] {
            assert_eq!(named(ROOT, location), name);
            assert_eq!(absolute(ROOT, name).unwrap(), location);
        }
    }

    #[test]
    fn names_of_other_writers_are_found() {
        assert_eq!(absolute(ROOT, "s3://bucket/a%20b").unwrap(), "s3://bucket/a b");
        assert_eq!(absolute(ROOT, "/lake/a").unwrap(), "file:///lake/a");
        assert_eq!(absolute(ROOT, "p=12:30/a").unwrap(), "file:///lake/my table/p=12:30/a");
        assert!(absolute(ROOT, "../other/a").is_err() && absolute(ROOT, "%2E%2E/a").is_err());
    }
}
