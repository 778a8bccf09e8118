//! How the log names files: a URI, relative to the table's folder or absolute, percent-encoded. The stores take keys as
//! they are, so paths are decoded on the way in and encoded on the way out.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use waterline_core::error::{Error, Result};
use waterline_env::location;

use crate::ledger::FOLDER;

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

/// The absolute location of a file that the log of the table at `root` names. It lies below the table's folder, or is absolute
/// itself; only the log of a snapshot aside leads back into the table that it is of.
pub(crate) fn absolute(root: &str, path: &str) -> Result<String> {
    let invalid = || Error::corrupt("not a path of a file in the log").with("path", path);
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    if is_absolute(path) {
        let has_parents = decoded.split('/').any(|part| part == "..");
        return if has_parents { Err(invalid()) } else { Ok(location::absolute(&decoded)) };
    }
    below(root, &decoded).ok_or_else(invalid)
}

/// A path below a table's folder; `None` when it leads out of it.
pub(crate) fn below(root: &str, path: &str) -> Option<String> {
    let (root, path) = match path.strip_prefix(BACK) {
        Some(rest) => (table_of_aside(root)?, rest),
        None => (root, path),
    };
    let leads_out = path.split('/').any(|part| part == "..");
    (!leads_out).then(|| format!("{root}/{path}"))
}

/// The table that a snapshot aside is of, whose own folder is `root`.
fn table_of_aside(root: &str) -> Option<&str> {
    root.rsplit_once('/')?.0.strip_suffix(FOLDER)?.strip_suffix('/')
}

/// The name of a file in the log of the table at `root`, relative where it lies below it.
pub(crate) fn named(root: &str, location: &str) -> String {
    let below = location.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
    encoded(below.unwrap_or(location))
}

/// The name of a file in the log of a snapshot aside, which is in a `folder` of the table at `root`.
pub(crate) fn named_aside(root: &str, folder: &str, location: &str) -> String {
    let Some(below) = location.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) else { return encoded(location) };
    match below.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
        Some(own) => encoded(own),
        None => format!("{BACK}{}", encoded(below)),
    }
}

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, ENCODED).to_string()
}

/// From the folder of a snapshot aside to that of its table.
pub(crate) const BACK: &str = "../../";

fn is_absolute(path: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    path.starts_with('/') || path.split_once(":/").is_some_and(|(scheme, _)| is_scheme(scheme))
}

#[cfg(test)]
mod tests {
    use super::{absolute, named, named_aside};

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
        assert!(absolute(ROOT, "../../other/a").is_err() && absolute(ROOT, "../other/a").is_err() && absolute(ROOT, "%2E%2E/a").is_err());
    }
    #[test]
    fn a_snapshot_aside_leads_back_into_its_table_and_no_further() {
        let aside = format!("{ROOT}/_waterline/7-00ff");
        let file = format!("{ROOT}/data/a b.parquet");
        assert_eq!(named_aside(ROOT, "_waterline/7-00ff", &file), "../../data/a%20b.parquet");
        assert_eq!(named_aside(ROOT, "_waterline/7-00ff", &format!("{aside}/a b.parquet")), "a%20b.parquet");
        assert_eq!(absolute(&aside, "../../data/a%20b.parquet").unwrap(), file);
        assert!(absolute(&aside, "../../../other/a").is_err() && absolute(&aside, "../a").is_err());
    }
}
