//! Commits of file groups. A group counts only as it is when the commit lands: what others deleted since it was read is deleted
//! in its new files too, and when that cannot be told, the group has to be written again. No row comes back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringTreemap;
use waterline_core::error::Result;
use waterline_core::format::{Commit, DataFile, KeepAll, NewDataFile, Operation, Removal, TableFormat, TableState, Target, VersionId};
use waterline_core::maintain::compact::FileGroup;
use waterline_core::record::{Kind, LOG, RECORD, Record, record_of};

use super::rewrite::Rewritten;
use super::{GivenUp, MANY_SMALL_LISTS, Planned, Report, Totals};
use crate::commit::{Attempt, MAX_ATTEMPTS, attempt, given_up};
use crate::lake::Lake;
use crate::read::Deletes;

pub(super) struct Committer {
    lake: Lake,
    format: Arc<dyn TableFormat>,
    /// What the next commit goes onto.
    base: TableState,
    /// The newest version that holds nothing of others since the groups were read.
    own: Option<VersionId>,
    planned: TableState,
    lost: Vec<Lost>,
    report: Report,
}

/// A file group that could not be committed as it was written.
struct Lost {
    group: FileGroup,
    why: &'static str,
}

/// What file groups change in a state.
#[derive(Default)]
struct Change {
    groups: Vec<Rewritten>,
    /// Rows of the new files that others deleted in the old ones.
    carried: BTreeMap<String, RoaringTreemap>,
}

impl Committer {
    pub(super) fn new(lake: &Lake, planned: &Planned) -> Self {
        Self {
            lake: lake.clone(),
            format: planned.format.clone(),
            base: planned.state.clone(),
            own: planned.state.version,
            planned: planned.state.clone(),
            lost: Vec::new(),
            report: Report {
                table: planned.format.name().clone(),
                commits: 0,
                before: Totals::default(),
                after: Totals::default(),
                carried_deletes: 0,
                given_up: Vec::new(),
                left_files: planned.plan.left_files as u64,
                left_bytes: planned.plan.left_bytes,
            },
        }
    }

    /// Groups that were lost since the last time, with what is left of their files, and the newest state, in which they are to be
    /// read again. Gives up those that are not worth it any more.
    pub(super) async fn take_lost(&mut self) -> Result<(TableState, Vec<FileGroup>)> {
        let lost = std::mem::take(&mut self.lost);
        let mut again = Vec::new();
        if !lost.is_empty() {
            let live = self.format.data_files(&self.base, &KeepAll).await?;
            let live: HashMap<&str, &DataFile> = live.iter().map(|file| (file.path.as_str(), file)).collect();
            for Lost { group, why } in lost {
                let files = group.files.iter().filter_map(|file| live.get(file.path.as_str()).copied().cloned()).collect();
                let rest = FileGroup { files, ..group.clone() };
                match rest.is_worth() && self.base.partition_by == self.planned.partition_by {
                    true => again.push(rest),
                    false => self.report.given_up.push(GivenUp::of(&group, why)),
                }
            }
        }
        self.own = self.base.version;
        Ok((self.base.clone(), again))
    }

    pub(super) fn into_report(mut self) -> Report {
        self.report.given_up.extend(self.lost.iter().map(|lost| GivenUp::of(&lost.group, lost.why)));
        self.report
    }

    /// Commits as many of the groups as still can be.
    pub(super) async fn commit(&mut self, groups: Vec<Rewritten>) -> Result<()> {
        groups.iter().try_for_each(Rewritten::check)?;
        let mut change = Change { groups, ..Change::default() };
        for _ in 0..MAX_ATTEMPTS {
            if self.base.version != self.own || self.base.partition_by != self.planned.partition_by {
                change = self.revised(change).await?;
            }
            if change.groups.is_empty() {
                return Ok(());
            }
            let commit = self.commit_of(&change)?;
            match attempt(&self.format, &self.base, &commit).await? {
                Attempt::Committed(state) => {
                    self.landed(state);
                    self.count(change);
                    return Ok(());
                }
                Attempt::Lost(state) => self.base = state,
            }
        }
        Err(given_up(&self.format))
    }

    /// A commit for the leftovers alone, where no other has swept them away.
    pub(super) async fn tidy(&mut self) -> Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            let leftovers = self.format.leftovers(&self.base).await?;
            if leftovers.dangling_deletes.is_empty() && leftovers.small_lists < MANY_SMALL_LISTS {
                return Ok(());
            }
            let commit = self.commit_of(&Change::default())?;
            match attempt(&self.format, &self.base, &commit).await? {
                Attempt::Committed(state) => {
                    self.landed(state);
                    self.report.commits += 1;
                    return Ok(());
                }
                Attempt::Lost(state) => self.base = state,
            }
        }
        Err(given_up(&self.format))
    }

    fn landed(&mut self, state: TableState) {
        if self.base.version == self.own {
            self.own = state.version;
        }
        self.base = state;
    }

    fn count(&mut self, change: Change) {
        self.report.commits += 1;
        self.report.carried_deletes += change.carried.values().map(RoaringTreemap::len).sum::<u64>();
        for rewritten in change.groups {
            self.report.before.add_files(rewritten.group.files.iter().map(|file| (file.size_bytes, file.record_count)));
            self.report.after.add_files(rewritten.add.iter().map(|file| (file.size_bytes, file.record_count)));
        }
    }

    /// The groups whose files are all in the newest state, with what was deleted of them since they were read.
    async fn revised(&mut self, change: Change) -> Result<Change> {
        let files = self.format.data_files(&self.base, &KeepAll).await?;
        let files: HashMap<&str, &DataFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
        let deletes = Deletes::new(self.format.clone(), &self.base, self.lake.files.clone())?;
        let mut revised = Change::default();
        for rewritten in change.groups {
            match self.still_valid(&rewritten, &files, &deletes).await? {
                Ok(carried) => {
                    revised.carried.extend(carried);
                    revised.groups.push(rewritten);
                }
                Err(why) => self.lost.push(Lost { group: rewritten.group, why }),
            }
        }
        Ok(revised)
    }

    /// The rows of a group's new files that are deleted by now; or why the group cannot be committed.
    async fn still_valid(
        &self,
        rewritten: &Rewritten,
        live: &HashMap<&str, &DataFile>,
        deletes: &Deletes,
    ) -> Result<Result<BTreeMap<String, RoaringTreemap>, &'static str>> {
        if self.base.partition_by != self.planned.partition_by {
            return Ok(Err("the table is partitioned otherwise now"));
        }
        let now: Option<Vec<&DataFile>> = rewritten.group.files.iter().map(|file| live.get(file.path.as_str()).copied()).collect();
        let Some(now) = now else { return Ok(Err("another job replaced some of its files")) };
        let gone: Vec<RoaringTreemap> = deletes.of_all(now.iter().copied().cloned().collect()).await?;
        let mut carried: BTreeMap<String, RoaringTreemap> = BTreeMap::new();
        for ((file, before), gone) in now.iter().zip(&rewritten.gone).zip(gone) {
            let new = gone - before;
            if new.is_empty() {
                continue;
            }
            let Some(moves) = &rewritten.moves else {
                return Ok(Err("another job deleted rows of it, and its rows were put into another order"));
            };
            for (path, rows) in moves.places(&file.path, &new) {
                *carried.entry(path).or_default() |= rows;
            }
        }
        Ok(Ok(carried))
    }

    fn commit_of(&self, change: &Change) -> Result<Commit> {
        let removed: Vec<String> = change.groups.iter().flat_map(|done| &done.group.files).map(|file| file.path.clone()).collect();
        let add: Vec<NewDataFile> = change.groups.iter().flat_map(|done| done.add.iter().cloned()).collect();
        let (summary, properties) = self.words()?;
        Ok(Commit {
            commit_id: self.lake.env.ids.uuid().to_string(),
            target: Target::Main,
            operation: Operation::Replace,
            add,
            delete_rows: change.carried.clone(),
            remove: if removed.is_empty() { Removal::Nothing } else { Removal::Files(removed) },
            summary,
            properties,
            tags: Vec::new(),
            now_ms: self.lake.env.clock.now_ms(),
        })
    }

    /// What the snapshot says of itself: what its actual parent says (DESIGN.md rule 13).
    fn words(&self) -> Result<(BTreeMap<String, String>, BTreeMap<String, String>)> {
        if let Some(header) = self.base.properties.get(LOG) {
            return Ok((BTreeMap::from([(LOG.to_owned(), header.clone())]), BTreeMap::new()));
        }
        let Some(record) = record_of(&self.base)? else { return Ok(Default::default()) };
        let record = Record { kind: Kind::Compaction, ..record }.to_json()?;
        let words = BTreeMap::from([(RECORD.to_owned(), record)]);
        Ok((words.clone(), words))
    }
}

impl Totals {
    fn add_files(&mut self, files: impl Iterator<Item = (u64, u64)>) {
        for (bytes, rows) in files {
            self.files += 1;
            self.bytes += bytes;
            self.rows += rows;
        }
    }
}

impl GivenUp {
    fn of(group: &FileGroup, why: &'static str) -> Self {
        Self { files: group.files.len() as u64, bytes: group.bytes(), why }
    }
}
