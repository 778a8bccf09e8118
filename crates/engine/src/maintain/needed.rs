//! Every file that versions of a table need: what the format knows, and what Waterline wrote beside it.

use std::collections::HashSet;
use std::sync::Arc;

use waterline_core::error::Result;
use waterline_core::format::{StoredFiles, TableFormat, TableState, VersionId};
use waterline_core::log_times::LOG_TIMES;
use waterline_core::maintain::root::Root;
use waterline_core::record::{log_header, own_header};

/// Fails when anything cannot be read, or a file lies outside of the table's folder.
pub(super) async fn needed(format: &Arc<dyn TableFormat>, state: &TableState, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
    let mut files = format.reachable(state, versions).await?;
    for info in state.history.iter().filter(|info| versions.contains(&info.version)) {
        files.extend(own_header(info)?.and_then(|header| header.positions).map(|url| (url, None)));
    }
    files.extend(log_header(state)?.positions.map(|url| (url, None)));
    files.extend(state.properties.get(LOG_TIMES).map(|url| (url.clone(), None)));
    let root = Root::new(&state.location)?;
    files.keys().try_for_each(|file| root.relative(file).map(drop))?;
    Ok(files)
}

/// All versions that a state still has.
pub(super) fn versions_of(state: &TableState) -> HashSet<VersionId> {
    state.history.iter().map(|info| info.version).collect()
}
