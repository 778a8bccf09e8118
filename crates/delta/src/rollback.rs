//! Going back: a commit that puts the files of an older snapshot, with their deletion vectors, in the place of the newest ones. To
//! other readers it is what RESTORE does.

use waterline_core::error::Result;
use waterline_core::format::{Commit, VersionId};

use crate::actions::{Action, Add};
use crate::commit::{self, Changes, ensure_allowed};
use crate::snapshot::{LiveFile, Snapshot, vector_id};
use crate::state::Head;
use crate::table::DeltaTable;

impl DeltaTable {
    /// Stages a commit on top of the rows of `to`.
    pub(crate) async fn stage_rollback(&self, head: &Head, to: VersionId, commit: &Commit, at_ms: i64) -> Result<Changes> {
        let newest = &head.log.snapshot;
        let rows = self.rows_under(head, Some(to)).await?;
        let Changes { actions, files } = commit::stage(&self.log.files, &rows, commit, at_ms, self.env.ids.uuid()).await?;
        let after = rows.next(newest.version + 1, &actions)?;
        let actions = between(newest, &after, at_ms);
        ensure_allowed(newest, true, &actions)?;
        Ok(Changes { actions, files })
    }
}

/// What makes the files of one snapshot those of another.
fn between(before: &Snapshot, after: &Snapshot, at_ms: i64) -> Vec<Action> {
    let lacks = |snapshot: &Snapshot, file: &LiveFile| {
        let same = snapshot.file(&file.path).map(|same| vector_id(same.add.deletion_vector.as_ref()));
        same != Some(vector_id(file.add.deletion_vector.as_ref()))
    };
    let gone = before.files.values().filter(|file| lacks(after, file)).map(|file| file.removal(at_ms, true).into());
    let come = after
        .files
        .values()
        .filter(|file| lacks(before, file))
        .map(|file| Add { stats: file.stats().map(str::to_owned), parsed_stats: None, data_change: true, ..file.add.clone() }.into());
    gone.chain(come).collect()
}
