//! What a commit adds and what the table holds then, in the words of Iceberg's summaries, which the seam has for both formats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use waterline_core::error::Result;

use crate::actions::Action;
use crate::paths;
use crate::snapshot::{LiveFile, Snapshot};

/// Files, rows in them, rows that deletion vectors remove, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    files: u64,
    records: u64,
    deletes: u64,
    bytes: u64,
}

const FILES: &str = "total-data-files";
const RECORDS: &str = "total-records";
const DELETES: &str = "total-position-deletes";
const BYTES: &str = "total-files-size";

impl Totals {
    /// `None` when the log does not say how many rows a file has.
    fn of<'a>(files: impl Iterator<Item = &'a LiveFile>) -> Result<Option<Self>> {
        let mut totals = Self::default();
        for file in files {
            let Some(records) = file.known()?.record_count else { return Ok(None) };
            let deletes = file.add.deletion_vector.as_ref().map_or(0, |vector| vector.cardinality.cast_unsigned());
            totals.files += 1;
            totals.records += records;
            totals.deletes += deletes;
            totals.bytes += file.add.size.cast_unsigned();
        }
        Ok(Some(totals))
    }

    fn from_summary(summary: &BTreeMap<String, String>) -> Option<Self> {
        let count = |key: &str| summary.get(key)?.parse().ok();
        Some(Self { files: count(FILES)?, records: count(RECORDS)?, deletes: count(DELETES)?, bytes: count(BYTES)? })
    }
}

/// The counts of a commit that makes `after` of `before`, whose own summary is `parent`.
pub(crate) fn summary(
    before: &Snapshot,
    after: &Snapshot,
    actions: &[Action],
    parent: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>> {
    let named = actions
        .iter()
        .filter_map(|action| action.add.as_ref().map(|add| &add.path).or_else(|| action.remove.as_ref().map(|remove| &remove.path)));
    let (mut were, mut are, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for path in named.collect::<BTreeSet<_>>() {
        let path = paths::absolute(&before.root, path)?;
        let (was, is) = (before.file(&path), after.file(&path));
        new.extend(is.filter(|_| was.is_none()));
        were.extend(was);
        are.extend(is);
    }
    let left = were.len() + new.len() - are.len();
    let counted = |files: &[&Arc<LiveFile>]| Totals::of(files.iter().map(|file| file.as_ref()));
    let (Some(gone), Some(here), Some(new)) = (counted(&were)?, counted(&are)?, counted(&new)?) else { return Ok(BTreeMap::new()) };
    let mut summary: BTreeMap<String, String> = BTreeMap::new();
    let mut count = |key: &str, number: u64| drop(summary.insert(key.to_owned(), number.to_string()));
    count("added-data-files", new.files);
    count("added-records", new.records);
    count("added-files-size", new.bytes);
    count("deleted-data-files", left as u64);
    let known = match parent.and_then(Totals::from_summary) {
        Some(known) => Some(known),
        None => Totals::of(before.files.values().map(AsRef::as_ref))?,
    };
    if let Some(known) = known {
        let moved = |known: u64, gone: u64, here: u64| (known + here).saturating_sub(gone);
        count(FILES, moved(known.files, gone.files, here.files));
        count(RECORDS, moved(known.records, gone.records, here.records));
        count(DELETES, moved(known.deletes, gone.deletes, here.deletes));
        count(BYTES, moved(known.bytes, gone.bytes, here.bytes));
        count("total-equality-deletes", 0);
    }
    Ok(summary)
}
