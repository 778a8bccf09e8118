//! Compact: file groups are written anew, several at a time, and committed as they are done. Merges go on beside it: what they
//! deleted meanwhile is carried over, and a group where that cannot be told is written again from what is left of its files.

mod commit;
mod rewrite;
mod sorted;

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::DFSchema;
use futures::stream::{self, StreamExt};
use waterline_core::change::{BATCH, EVENT_TIME};
use waterline_core::error::{Error, Result};
use waterline_core::format::{FilePruner, FileSummary, KeepAll, Leftovers, TableFormat, TableState};
use waterline_core::maintain::compact::{FileGroup, Plan, Policy, SortOrder, Strategy, plan as plan_files};
use waterline_core::record::BatchOrdinal;
use waterline_core::table::TableName;
use waterline_core::value::Value;

use self::commit::Committer;
use self::rewrite::{Rewrite, Rewritten};
use crate::lake::Lake;
use crate::merge::mirror_record;
use crate::read::{ReadAt, SessionOptions, from_datafusion, pruner, session};
use crate::write::target_file_size_bytes;

/// What to compact, and how.
#[derive(Clone, Debug)]
pub struct Request {
    pub choice: StrategyChoice,
    /// A predicate in SQL: files without rows that match it are left alone, and so is the changelog.
    pub only: Option<String>,
    /// `None`: what the table's properties say.
    pub target_file_bytes: Option<u64>,
    pub min_input_files: usize,
    pub delete_ratio_threshold: f64,
    pub max_bytes: Option<u64>,
    /// Input bytes of the file groups that are committed together, at least.
    pub commit_bytes: u64,
    /// For sorting; what does not fit is spilled.
    pub memory_bytes: usize,
    /// File groups that are worked on at the same time; `None` for one per core.
    pub lanes: Option<NonZeroUsize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StrategyChoice {
    #[default]
    Binpack,
    /// By these columns; by the key where there are none.
    Sort(SortOrder),
}

impl Default for Request {
    fn default() -> Self {
        Self {
            choice: StrategyChoice::Binpack,
            only: None,
            target_file_bytes: None,
            min_input_files: 5,
            delete_ratio_threshold: 0.3,
            max_bytes: None,
            commit_bytes: 4 << 30,
            memory_bytes: 1 << 30,
            lanes: None,
        }
    }
}

/// A table with what is due.
#[derive(Debug)]
pub struct Planned {
    pub format: Arc<dyn TableFormat>,
    /// The state that was planned on.
    pub state: TableState,
    pub plan: Plan,
    pub policy: Policy,
    pub leftovers: Leftovers,
}

/// Times that a lost file group is written again.
const MAX_RETRIES: usize = 3;
/// Small lists from this many on are worth a commit of their own.
const MANY_SMALL_LISTS: usize = 10;

impl Planned {
    pub fn is_due(&self) -> bool {
        !self.plan.groups.is_empty() || !self.leftovers.dangling_deletes.is_empty() || self.leftovers.small_lists >= MANY_SMALL_LISTS
    }
}

/// What a compaction did to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub table: TableName,
    pub commits: u64,
    /// Of what was rewritten and committed.
    pub before: Totals,
    pub after: Totals,
    /// Rows that were deleted by others while it ran, and stay so.
    pub carried_deletes: u64,
    pub given_up: Vec<GivenUp>,
    /// Due as well, but beyond the limit.
    pub left_files: u64,
    pub left_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: u64,
    pub bytes: u64,
    /// Rows in files, deleted ones too.
    pub rows: u64,
}

/// A file group that stays as it is, since another job changed its files meanwhile, and changed them again as often as it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub files: u64,
    pub bytes: u64,
    pub why: &'static str,
}

/// Plans the compaction of a table, and of its changelog where it has one; of a changelog alone where that is named. Reads
/// metadata only.
pub async fn plan(lake: &Lake, table: &TableName, request: &Request) -> Result<Vec<Planned>> {
    let format = lake.table(table).await?;
    let state = format.head().await?;
    if let Some(mirror) = table.mirror() {
        let folded = match lake.catalog.open(&mirror).await? {
            Some(mirror) => folded(&mirror, &mirror.head().await?),
            None => BatchOrdinal(0),
        };
        return Ok(vec![plan_changelog(format, folded, request).await?]);
    }
    let changelog = if request.only.is_none() { lake.catalog.open(&table.changelog()).await? } else { None };
    let folded = folded(&format, &state);
    let mut tables = vec![plan_mirror(lake, format, state, request).await?];
    if let Some(changelog) = changelog {
        tables.push(plan_changelog(changelog, folded, request).await?);
    }
    Ok(tables)
}

/// Carries out what was planned for a table, with a commit for some file groups at a time.
pub async fn execute(lake: &Lake, planned: Planned, request: &Request) -> Result<Report> {
    let mut committer = Committer::new(lake, &planned);
    let rewrite = |state: TableState| Rewrite {
        lake: lake.clone(),
        format: planned.format.clone(),
        state,
        policy: planned.policy.clone(),
        memory_bytes: request.memory_bytes / planned.policy.lanes.max(1),
    };
    let first = Arc::new(rewrite(planned.state.clone()));
    let start = |group: FileGroup| {
        let rewrite = first.clone();
        tokio::spawn(async move { rewrite.group(group).await })
    };
    let mut done = stream::iter(planned.plan.groups.into_iter().map(start)).buffer_unordered(planned.policy.lanes.max(1));
    let mut waiting: Vec<Rewritten> = Vec::new();
    while let Some(rewritten) = done.next().await {
        waiting.push(rewritten.map_err(|e| Error::internal("the rewrite of a file group stopped").caused_by(e))??);
        if waiting.iter().map(|rewritten| rewritten.group.bytes()).sum::<u64>() >= request.commit_bytes {
            committer.commit(std::mem::take(&mut waiting)).await?;
        }
    }
    committer.commit(waiting).await?;
    for _ in 0..MAX_RETRIES {
        let (state, lost) = committer.take_lost().await?;
        if lost.is_empty() {
            break;
        }
        let rewrite = rewrite(state);
        for group in lost {
            committer.commit(vec![rewrite.group(group).await?]).await?;
        }
    }
    committer.tidy().await?;
    Ok(committer.into_report())
}

/// The last batch that the mirror holds; none of one that another writer's rows are in.
fn folded(mirror: &Arc<dyn TableFormat>, state: &TableState) -> BatchOrdinal {
    mirror_record(mirror, state).ok().flatten().map_or(BatchOrdinal(0), |record| record.folded)
}

async fn plan_mirror(lake: &Lake, format: Arc<dyn TableFormat>, state: TableState, request: &Request) -> Result<Planned> {
    let order = match &request.choice {
        StrategyChoice::Sort(order) if !order.0.is_empty() => order.clone(),
        _ => SortOrder::ascending(state.keys.clone()),
    };
    let strategy = match &request.choice {
        StrategyChoice::Binpack => Strategy::Binpack(order),
        StrategyChoice::Sort(_) => Strategy::Sort(checked(order, &state)?),
    };
    let pruner = only(lake, &state, request.only.as_deref())?;
    plan_table(format, state, strategy, pruner.as_ref(), request).await
}

async fn plan_table(
    format: Arc<dyn TableFormat>,
    state: TableState,
    strategy: Strategy,
    pruner: &dyn FilePruner,
    request: &Request,
) -> Result<Planned> {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let policy = Policy {
        strategy,
        target_file_bytes: request.target_file_bytes.map_or_else(|| target_file_size_bytes(&state), Ok)?,
        min_input_files: request.min_input_files,
        delete_ratio_threshold: request.delete_ratio_threshold,
        max_bytes: request.max_bytes,
        lanes: request.lanes.unwrap_or_else(cores).get(),
    };
    let files = format.data_files(&state, pruner).await?;
    let leftovers = format.leftovers(&state).await?;
    Ok(Planned { plan: plan_files(files, &state.partition_by, &policy), format, state, policy, leftovers })
}

/// Events stay in the order in which they were logged, by which reads of a span of time or of batches leave files out; keys are
/// found by Bloom filters. Batches that the mirror lacks are left alone: a merge takes them file by file.
async fn plan_changelog(changelog: Arc<dyn TableFormat>, folded: BatchOrdinal, request: &Request) -> Result<Planned> {
    let state = changelog.head().await?;
    let strategy = Strategy::Binpack(SortOrder::ascending([EVENT_TIME, BATCH]));
    plan_table(changelog, state, strategy, &Folded(folded), request).await
}

struct Folded(BatchOrdinal);

impl FilePruner for Folded {
    fn keep(&self, file: &FileSummary) -> bool {
        let Some(bounds) = file.bounds.get(BATCH) else { return true };
        !matches!(bounds.upper, Some(Value::Int(last)) if last > self.0.0)
    }
}

fn checked(order: SortOrder, state: &TableState) -> Result<SortOrder> {
    if order.0.is_empty() {
        return Err(Error::usage("the table has no key; say by which columns to sort").with("option", "--sort-order"));
    }
    match order.0.iter().find(|column| state.schema.field_with_name(&column.name).is_err()) {
        Some(column) => Err(Error::usage("the sort order names no column of the table").with("column", &column.name)),
        None => Ok(order),
    }
}

/// The files that may hold rows which match a predicate.
fn only(lake: &Lake, state: &TableState, predicate: Option<&str>) -> Result<Box<dyn FilePruner>> {
    let Some(predicate) = predicate else { return Ok(Box::new(KeepAll)) };
    let session = session(lake.catalog.clone(), &lake.env, ReadAt::Head, &SessionOptions::default())?;
    let invalid = |e| Error::usage("not a predicate of the table's columns").with("option", "--where").caused_by(e);
    let schema = crate::parquet_io::TableColumns::of(state)?.plain_schema();
    let columns = DFSchema::try_from(schema.as_ref().clone()).map_err(from_datafusion)?;
    let expression = session.parse_sql_expr(predicate, &columns).map_err(invalid)?;
    Ok(pruner(&session.state(), &schema, &[expression]))
}
