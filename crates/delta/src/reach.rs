//! Which files a table needs: the log from where it begins, of each version the data files and deletion vectors, the ledgers that
//! the log names, and the folders of snapshots aside. Anything that cannot be read is an error, since a file that is not in the
//! answer may be deleted.

use std::collections::{BTreeSet, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use waterline_core::error::{Error, Result};
use waterline_core::format::{StoredFiles, VersionId};
use waterline_env::location;

use crate::actions::{Action, DeletionVector};
use crate::log::{FOLDER, Listing, version_of};
use crate::snapshot::{LiveFile, Snapshot};
use crate::state::Head;
use crate::table::DeltaTable;
use crate::{checkpoint, features, ledger, past, paths, vector};

const CONCURRENT_READS: usize = 16;
const SIDECARS: &str = "_sidecars";

impl DeltaTable {
    /// The files that the table needs when it has these versions alone. A table that is not written to may have files that only
    /// its features tell of.
    pub(crate) async fn needed_files(&self, head: &Head, versions: &HashSet<VersionId>) -> Result<StoredFiles> {
        head.log.snapshot.ensure_writable()?;
        let unknown = |version: &VersionId| Error::not_found("the table has no such version").with("version", version.0);
        let history: HashSet<VersionId> = head.history().iter().map(|info| info.version).collect();
        versions.iter().find(|version| !history.contains(version)).map_or(Ok(()), |version| Err(unknown(version)))?;
        if let Some((tag, version)) = head.ledger.tags.iter().find(|(_, version)| !history.contains(&VersionId(**version))) {
            let error = Error::corrupt("a tag names a version that the log does not lead to any more");
            return Err(error.with("tag", tag).with("version", version));
        }

        let names = self.log.files.list(&format!("{}/{FOLDER}", self.log.root)).await?;
        let listing = self.log.list(0).await?;
        let begin = self.log_begin(head, versions, &listing);
        let mut needed = Needed { root: &self.log.root, files: StoredFiles::new() };
        needed.files.extend(
            names
                .files
                .iter()
                .filter(|name| number_of(name).is_none_or(|version| version >= begin))
                .map(|name| (self.log.location(name), None)),
        );
        if names.folders.iter().any(|folder| folder == SIDECARS) {
            self.add_sidecars(&listing, begin, &mut needed).await?;
        }
        needed.files.extend(past::files(&self.log, begin).await?.into_iter().map(|file| (file, None)));
        self.add_main(head, versions, begin, &listing, &mut needed).await?;
        for aside in head.ledger.asides.iter().filter(|aside| versions.contains(&VersionId(aside.version))) {
            needed.files.insert(self.log_of(aside).commit_location(0), None);
            needed.add_all(self.snapshot(head, VersionId(aside.version)).await?.as_ref())?;
        }
        needed.add_tombstones(head, self.env.clock.now_ms())?;
        Ok(needed.files)
    }

    /// The first version that the log has to lead to. What another writer left below its own clean-ups stays.
    fn log_begin(&self, head: &Head, versions: &HashSet<VersionId>, listing: &Listing) -> i64 {
        let begins_now = head.ledger.begin.as_ref().map_or(0, |begin| begin.version);
        let newest = head.newest().map(|info| info.version);
        let is_kept = |version| versions.contains(&version) || Some(version) == newest;
        let begin = match head.begin_of(is_kept) {
            // As an expiry would make it.
            Some(first) if head.main().first() != Some(first) => first.version.0,
            _ => begins_now,
        };
        let will_be_there = begin != begins_now && !head.log.snapshot.protocol.supports(features::V2_CHECKPOINT);
        let checkpoint = || listing.checkpoints.range(..=begin).next_back().map_or(0, |(version, _)| *version);
        if will_be_there { begin } else { checkpoint() }
    }

    /// The versions of the main branch.
    async fn add_main(
        &self,
        head: &Head,
        versions: &HashSet<VersionId>,
        begin: i64,
        listing: &Listing,
        needed: &mut Needed<'_>,
    ) -> Result<()> {
        let main = head.main().iter().map(|info| info.version).filter(|version| versions.contains(version));
        let wanted: BTreeSet<i64> = main.map(|version| version.0).chain([head.version()]).collect();
        let steps = steps(listing, &wanted).map_err(|e| e.with("table", &self.log.root))?;
        let reads: Vec<_> = steps.into_iter().map(|step| self.read_step(step, listing)).collect();
        let mut reads = stream::iter(reads).buffered(CONCURRENT_READS);
        let mut before: Option<Snapshot> = None;
        // Since the last wanted version: what was live there is needed already.
        let mut come: Vec<String> = Vec::new();
        while let Some((step, actions)) = reads.try_next().await? {
            let snapshot = step.after(before.take(), &self.log.root, &actions).map_err(|e| e.with("version", step.version()))?;
            for add in actions.iter().filter_map(|action| action.add.as_ref()) {
                come.push(paths::absolute(&self.log.root, &add.path)?);
            }
            if snapshot.version >= begin {
                needed.add_ledger(&snapshot);
            }
            if wanted.contains(&snapshot.version) {
                needed.add_live(&snapshot, come.drain(..))?;
            }
            before = Some(snapshot);
        }
        needed.add_ledger(&head.log.snapshot);
        needed.add_all(&head.log.snapshot)
    }

    async fn read_step(&self, step: Step, listing: &Listing) -> Result<(Step, Vec<Action>)> {
        let actions = match step {
            Step::Checkpoint(version) => checkpoint::read(&self.log, &listing.checkpoints[&version]).await?,
            Step::Commit(version) => {
                let gone = || Error::not_found("a commit of the log is gone").with("version", version);
                self.log.read(version, None).await?.ok_or_else(gone)?.actions
            }
        };
        Ok((step, actions))
    }

    async fn add_sidecars(&self, listing: &Listing, begin: i64, needed: &mut Needed<'_>) -> Result<()> {
        for names in listing.checkpoints.range(begin..).map(|(_, names)| names) {
            let sidecars = checkpoint::sidecars(&self.log, names).await?;
            needed.files.extend(sidecars.into_iter().map(|location| (location, None)));
        }
        Ok(())
    }
}

/// The version that a file of the log is of; `None` for other files.
fn number_of(name: &str) -> Option<i64> {
    version_of(name.split_once('.')?.0)
}

/// What is read to come by all wanted versions, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Checkpoint(i64),
    Commit(i64),
}

impl Step {
    fn version(self) -> i64 {
        match self {
            Self::Checkpoint(version) | Self::Commit(version) => version,
        }
    }

    /// The snapshot that its actions make, of the one before where it is a commit.
    fn after(self, before: Option<Snapshot>, root: &str, actions: &[Action]) -> Result<Snapshot> {
        match (self, before) {
            (Self::Commit(version), Some(mut snapshot)) => {
                snapshot.apply(version, actions)?;
                Ok(snapshot)
            }
            (Self::Checkpoint(version), _) | (Self::Commit(version), None) => Snapshot::first(root, version, actions),
        }
    }
}

/// From the last checkpoint before the first of the versions on, and over gaps of the log from one to the next.
fn steps(listing: &Listing, wanted: &BTreeSet<i64>) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut next = 0;
    for target in wanted {
        while next <= *target {
            let has_begun = !steps.is_empty();
            let checkpoint = || listing.checkpoints.range(next..=*target).next_back().map(|(version, _)| Step::Checkpoint(*version));
            let commit = listing.commits.contains_key(&next).then_some(Step::Commit(next)).filter(|_| has_begun || next == 0);
            let step = if has_begun { commit.or_else(checkpoint) } else { checkpoint().or(commit) };
            let missing = || Error::not_found("the log does not lead to a version of the table").with("missing commit", next);
            let step = step.ok_or_else(missing)?;
            next = step.version() + 1;
            steps.push(step);
        }
    }
    Ok(steps)
}

/// The files that were found to be needed.
struct Needed<'a> {
    root: &'a str,
    files: StoredFiles,
}

impl Needed<'_> {
    fn add_all(&mut self, snapshot: &Snapshot) -> Result<()> {
        snapshot.files.values().try_for_each(|file| self.add_file(snapshot, file))
    }

    /// Those of the files that are live, by their paths.
    fn add_live(&mut self, snapshot: &Snapshot, mut paths: impl Iterator<Item = String>) -> Result<()> {
        paths.try_for_each(|path| snapshot.file(&path).map_or(Ok(()), |file| self.add_file(snapshot, file)))
    }

    fn add_file(&mut self, snapshot: &Snapshot, file: &LiveFile) -> Result<()> {
        self.add(&snapshot.root, &file.path, Some(file.add.size), file.add.deletion_vector.as_ref())
    }

    /// Files that left, for as long as the table's owner wants them to stay for those who still read older versions.
    fn add_tombstones(&mut self, head: &Head, now_ms: i64) -> Result<()> {
        let snapshot = &head.log.snapshot;
        let Some(retention_ms) = checkpoint::own_retention_ms(snapshot) else { return Ok(()) };
        let is_young = |at_ms: i64| at_ms > now_ms.saturating_sub(retention_ms);
        for remove in snapshot.removed.values().filter(|remove| remove.deletion_timestamp.is_none_or(is_young)) {
            let path = paths::absolute(&snapshot.root, &remove.path)?;
            self.add(&snapshot.root, &path, remove.size, remove.deletion_vector.as_ref())?;
        }
        Ok(())
    }

    fn add_ledger(&mut self, snapshot: &Snapshot) {
        self.files.extend(ledger::number_of(snapshot).map(|number| (ledger::location(self.root, number), None)));
    }

    /// A file and its deletion vector, as the log in `root` names it.
    fn add(&mut self, root: &str, path: &str, size: Option<i64>, vector: Option<&DeletionVector>) -> Result<()> {
        self.files.insert(absolute(path), size.and_then(|size| u64::try_from(size).ok()));
        if let Some(vector) = vector.map(|vector| vector::location(root, vector)).transpose()?.flatten() {
            self.files.insert(absolute(&vector), None);
        }
        Ok(())
    }
}

/// One name for one file, however writers call it.
fn absolute(path: &str) -> String {
    location::absolute(&location::key(path))
}
