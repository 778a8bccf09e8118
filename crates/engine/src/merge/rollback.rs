//! The mirror follows a rollback that the changelog tells of (DESIGN.md rule 22).

use std::collections::BTreeMap;

use waterline_core::error::{Error, Result};
use waterline_core::format::{Commit, Operation, TableState, Target};
use waterline_core::record::{Kind, RECORD, Record, record_of};
use waterline_core::rollbacks::Rollback;

use super::Pair;
use crate::commit::{Attempt, attempt};
use crate::lake::Lake;

/// Goes on from the older snapshot in the rollback's lineage. A lost race leaves the decision to the caller's next look.
pub(crate) async fn go_back(lake: &Lake, pair: &Pair, base: &TableState, rollback: &Rollback) -> Result<()> {
    let gone = || Error::corrupt("the snapshot that the table is to go back to has no record any more").with("snapshot", rollback.to.0);
    let record = record_of(&pair.mirror.at(base, rollback.to).await?)?.ok_or_else(gone)?;
    let record = Record { kind: Kind::Rollback, lineage: rollback.lineage, ..record }.to_json()?;
    let commit = Commit {
        target: Target::Rollback { to: rollback.to },
        summary: BTreeMap::from([(RECORD.to_owned(), record.clone())]),
        properties: BTreeMap::from([(RECORD.to_owned(), record)]),
        ..lake.draft(Operation::Replace)
    };
    match attempt(&pair.mirror, base, &commit).await? {
        Attempt::Committed(_) | Attempt::Lost(_) => Ok(()),
    }
}
