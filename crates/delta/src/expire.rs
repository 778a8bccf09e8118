//! Forgetting versions. The log is a line, so the main branch begins later, behind a checkpoint, from where on all of its versions
//! are kept; those that are kept from before become snapshots aside. What lies before is not looked at any more, and nothing is
//! deleted.

use waterline_core::error::{Error, Result};
use waterline_core::format::{CommitOutcome, Expiry, VersionId, VersionInfo};
use waterline_env::files::NewFile;

use crate::aside::{folder_of, shallow_clone};
use crate::checkpoint::Place;
use crate::history::Done;
use crate::ledger::{Aside, Begin};
use crate::log;
use crate::state::{DeltaState, Head};
use crate::table::DeltaTable;
use crate::{checkpoint, features};

const EXPIRE: &str = "EXPIRE";

impl DeltaTable {
    pub(crate) async fn forget(&self, base: &DeltaState, expiry: &Expiry) -> Result<CommitOutcome> {
        let head = &base.head;
        ensure_unnamed(head, expiry)?;
        let newest = self.newest().await?;
        if newest.version() != head.version() {
            return Ok(CommitOutcome::Conflict(newest.state()));
        }
        head.log.snapshot.ensure_writable()?;
        let mut ledger = head.ledger.as_ref().clone();
        ledger.properties.extend(expiry.properties.clone());
        ledger.asides.retain(|aside| !is_expired(expiry, aside.version));
        let expires_some = head.main().iter().any(|info| is_expired(expiry, info.version.0));
        if let Some(first) = head.begin_of(|version| !expiry.versions.contains(&version)).filter(|_| expires_some) {
            self.ensure_checkpoint(head, first.version.0).await?;
            let before = head.main().iter().take_while(|info| info.version != first.version);
            for kept in before.filter(|info| !is_expired(expiry, info.version.0)) {
                ledger.asides.push(self.set_aside(head, kept).await?);
            }
            ledger.begin = Some(Begin { version: first.version.0, parent: first.parent.map(|parent| parent.0) });
        }
        let is_done = |head: &Head| {
            let is_set = |(key, value): (&String, &String)| head.ledger.properties.get(key) == Some(value);
            !head.history().iter().any(|info| expiry.versions.contains(&info.version)) && expiry.properties.iter().all(is_set)
        };
        self.change(base, EXPIRE, Vec::new(), ledger, is_done).await
    }

    /// Makes a version one that can be read without the log before it. In tables with version 2 checkpoints only other writers
    /// make them, and the log stays as far back as the last one.
    async fn ensure_checkpoint(&self, head: &Head, version: i64) -> Result<()> {
        let checkpoints = self.log.list(version).await?.checkpoints;
        if checkpoints.contains_key(&version) || head.log.snapshot.protocol.supports(features::V2_CHECKPOINT) {
            return Ok(());
        }
        let snapshot = self.main_snapshot(head, version).await?;
        let place = if checkpoints.is_empty() { Place::Newest } else { Place::BelowOthers };
        checkpoint::save(&self.log, &snapshot, self.env.clock.now_ms(), place).await
    }

    /// Writes a snapshot of the main branch as a table of its own.
    async fn set_aside(&self, head: &Head, info: &VersionInfo) -> Result<Aside> {
        let snapshot = self.main_snapshot(head, info.version.0).await?;
        let done = Done { operation: info.operation, summary: info.summary.clone(), goes_on_from: None };
        let aside = Aside {
            version: info.version.0,
            parent: info.parent.map(|parent| parent.0),
            committed_at_ms: info.committed_at_ms,
            folder: folder_of(info.version.0, &self.env.ids.uuid().to_string()),
            done,
        };
        let actions = shallow_clone(&snapshot, &aside)?;
        self.log
            .files
            .write(&NewFile { location: self.log_of(&aside).commit_location(0), bytes: log::write_actions(&actions)?.into() })
            .await?;
        Ok(aside)
    }
}

fn is_expired(expiry: &Expiry, version: i64) -> bool {
    expiry.versions.contains(&VersionId(version))
}

fn ensure_unnamed(head: &Head, expiry: &Expiry) -> Result<()> {
    let named = head.ledger.tags.iter().map(|(tag, version)| (tag.as_str(), *version));
    let main = head.newest().map(|info| ("main", info.version.0));
    match named.chain(main).find(|(_, version)| is_expired(expiry, *version)) {
        None => Ok(()),
        Some((name, version)) => {
            let error = Error::internal("a version that is to expire is named by a branch or tag");
            Err(error.with("version", version).with("ref", name))
        }
    }
}
