//! Which files below a table's folder nothing refers to.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::format::StoredFiles;
use crate::maintain::expire::{Caution, FLOOR_MS};
use crate::maintain::root::Root;

/// What of its files a vacuum takes without being forced.
const MODEST_SHARE_PERCENT: usize = 20;
/// Folders of ours that no metadata names: records put aside, what the last jobs did, and what old commits did.
const OWN_FOLDERS: [&str; 4] = ["quarantine", "quarantine-retried", "runs", "log-history"];
/// Hidden folders of a Delta table that hold files of its own: its log, parts of checkpoints, and what Waterline keeps.
const DELTA_FOLDERS: [&str; 3] = [DELTA_LOG, "_sidecars", "_waterline"];
const DELTA_LOG: &str = "_delta_log";

/// A file that a list of the table's folder shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Below the table's folder.
    pub path: String,
    pub size_bytes: u64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
}

/// When a vacuum takes place, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub now_ms: i64,
    /// Files that were written then or later stay.
    pub cut_off_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub garbage: Vec<Listed>,
    /// All files of the table.
    pub files: usize,
}

/// Chooses files to delete. Fails where one of the needed files does not lie below the folder, where another table does, and, unless
/// forced, while a commit seems to be under way.
pub fn plan(root: &Root, listed: Vec<Listed>, needed: &StoredFiles, when: When, caution: Caution) -> Result<Plan> {
    let needed = needed.keys().map(|file| root.relative(file)).collect::<Result<HashSet<&str>>>()?;
    let format = Format::of(&needed);
    if let Some(nested) = listed.iter().find(|file| format.is_of_another_table(&file.path)) {
        return Err(Error::unsupported("another table lies in the table's folder, so nothing is deleted").with("file", &nested.path));
    }
    let files = listed.len();
    let is_needed = |file: &Listed| needed.contains(file.path.as_str());
    let newest_commit_ms = listed.iter().filter(|file| is_needed(file)).map(|file| file.modified_ms).max();
    let unneeded: Vec<Listed> = listed.into_iter().filter(|file| !is_needed(file) && format.is_table_file(&file.path)).collect();
    if caution == Caution::Usual {
        ensure_quiet(&unneeded, newest_commit_ms, when.now_ms)?;
    }
    let garbage = unneeded.into_iter().filter(|file| file.modified_ms < when.cut_off_ms).collect();
    Ok(Plan { garbage, files })
}

impl Plan {
    /// Fails for a plan that takes so much that something may be wrong with it.
    pub fn ensure_modest(&self, caution: Caution) -> Result<()> {
        let is_modest = self.garbage.len() * 100 <= self.files * MODEST_SHARE_PERCENT;
        if is_modest || caution == Caution::Forced {
            return Ok(());
        }
        let error = Error::unsupported("more than 20 % of the table's files would go; look at --dry-run, then --force does it");
        Err(error.with("files", self.files).with("of which would go", self.garbage.len()))
    }
}

/// A file that nothing refers to and that is younger than the newest commit is that of a job which is about to commit.
fn ensure_quiet(unneeded: &[Listed], newest_commit_ms: Option<i64>, now_ms: i64) -> Result<()> {
    let is_in_flight = |file: &&Listed| file.modified_ms >= newest_commit_ms.unwrap_or(i64::MIN) && file.modified_ms > now_ms - FLOOR_MS;
    match unneeded.iter().find(is_in_flight) {
        None => Ok(()),
        Some(file) => {
            let message = "a job seems to be writing to the table, so nothing is deleted; try again when it has committed";
            Err(Error::unavailable(message).with("file", &file.path))
        }
    }
}

/// Which names a table's own files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Delta,
    Other,
}

impl Format {
    fn of(needed: &HashSet<&str>) -> Self {
        if needed.iter().any(|path| top(path) == DELTA_LOG) { Self::Delta } else { Self::Other }
    }

    /// Whether the file is one that such tables are made of. Other hidden ones are left to whoever made them.
    fn is_table_file(self, path: &str) -> bool {
        let is_own = |part: &str| self == Self::Delta && DELTA_FOLDERS.contains(&part);
        let is_hidden = |part: &str| part.starts_with('.') || part.starts_with('_') && !part.contains('=') && !is_own(part);
        !OWN_FOLDERS.contains(&top(self.below_own(path))) && !path.split('/').any(is_hidden)
    }

    /// Another table may lie below, or in the same folder in another format. Snapshots aside are Delta tables among our files.
    fn is_of_another_table(self, path: &str) -> bool {
        let is_log = path.split('/').any(|part| part == DELTA_LOG);
        let is_metadata = path.ends_with(".metadata.json") || path.ends_with(".metadata.json.gz");
        match self {
            Self::Delta => is_metadata || is_log && top(path) != DELTA_LOG && self.below_own(path) == path,
            Self::Other => is_log || is_metadata && path.strip_prefix("metadata/").is_none_or(|name| name.contains('/')),
        }
    }

    fn below_own(self, path: &str) -> &str {
        if self == Self::Delta { path.strip_prefix("_waterline/").unwrap_or(path) } else { path }
    }
}

fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
