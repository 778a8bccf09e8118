//! A table as DataFusion sees it in a sweep: at each moment another state, out of what was read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use futures::stream::{StreamExt, TryStreamExt};
use tokio::task::JoinHandle;
use waterline_core::as_of::{Cut, Plan};
use waterline_core::conform::conform_batch;
use waterline_core::error::{Error, Result};
use waterline_core::format::TableState;
use waterline_core::side_by_side::side_by_side;
use waterline_core::table::TableName;

use super::as_of_table::AsOfTable;
use super::error::{external, from_datafusion};
use super::prune::pruner;
use super::scan::{FileScan, live_files};
use super::stable::{Budget, Kept, StableExec};
use super::sweep::Moments;
use crate::as_of::{AsOf, Gone, Images, Sweep, SweptMoment};
use crate::lake::{Lake, Limits};
use crate::parquet_io::Rows;

/// Rows of a batch read for a sweep.
const BATCH_ROWS: usize = 1 << 16;

/// A table at the moments of a sweep.
#[derive(Debug)]
pub(super) struct SweepTable {
    /// At the first moment; what it fixed holds for all of them.
    first: AsOfTable,
    /// By moment.
    plans: Vec<Plan>,
    moments: Arc<Moments>,
    limits: Limits,
    /// What may be kept from moment to moment.
    memory_bytes: usize,
    /// Moments of one epoch that are read together.
    leg: tokio::sync::Mutex<Option<Leg>>,
}

struct Leg {
    /// Number of the moment after its last.
    end: usize,
    moments: Arc<Moments>,
    sweep: Arc<Mutex<Sweep>>,
    base: Option<TableState>,
    base_rows: Images,
    event_rows: Images,
    gone: Gone,
    now: Option<(usize, Arc<Moment>)>,
    /// The moment after it, made while the query reads this one.
    next: Option<(usize, JoinHandle<Result<Moment>>)>,
    /// Memory of rows that are kept from moment to moment.
    budget: Arc<Budget>,
    columns: HashMap<ColumnsKey, Arc<Columns>>,
}

/// Projection, and filters as text.
type ColumnsKey = (Vec<usize>, String);

/// One moment, and the rows of it for the columns that were read at the moment before.
struct Moment {
    swept: SweptMoment,
    live: HashMap<ColumnsKey, LiveRows>,
}

/// Rows that are there at one moment but not at every one, and that single events or the base hold.
#[derive(Clone)]
struct LiveRows {
    base: RecordBatch,
    events: RecordBatch,
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leg").field("end", &self.end).finish_non_exhaustive()
    }
}

/// Some columns of all rows that any moment of a leg may have.
struct Columns {
    schema: SchemaRef,
    /// Rows of the base that are there at every moment.
    stable: Option<Arc<dyn ExecutionPlan>>,
    /// Rows of the base that some event touches.
    base: RecordBatch,
    /// Rows of the plain events.
    events: RecordBatch,
}

impl SweepTable {
    pub(super) async fn open(
        lake: &Lake,
        table: &TableName,
        cut: &Cut,
        moments: Arc<Moments>,
        limits: &Limits,
        memory_bytes: usize,
    ) -> Result<Self> {
        let at = AsOf::open(lake, table, cut, limits).await?;
        let plans = moments.at_us.iter().map(|at_us| at.plan_at(&Cut { at_us: *at_us, ..*cut })).collect::<Result<_>>()?;
        Ok(Self { first: AsOfTable::new(at)?, plans, moments, limits: *limits, memory_bytes, leg: tokio::sync::Mutex::default() })
    }

    pub(super) fn first(&self) -> &AsOfTable {
        &self.first
    }

    /// A leg from a moment on, with as many moments as have their events in memory together.
    async fn leg_from(&self, number: usize) -> Result<Leg> {
        let (at, plan) = (self.first.as_of(), &self.plans[number]);
        let same_epoch = self.plans[number..].iter().take_while(|other| other.baseline == plan.baseline).count();
        let mut end = number + same_epoch;
        while end > number + 1 && at.events_until(plan, self.moments.at_us[end - 1]).await? > self.limits.batch_rows as u64 {
            end = number + (end - number) / 2;
        }
        let sweep = Sweep::open(&at.past(), plan, self.moments.at_us[end - 1]).await?;
        Ok(Leg::new(end, self.moments.clone(), sweep, self.memory_bytes))
    }

    async fn columns(&self, session: &dyn Session, leg: &Leg, projection: &Vec<usize>, filters: &[Expr]) -> Result<Columns> {
        let at = self.first.as_of();
        let schema = Arc::new(self.first.schema().project(projection)?);
        let events = read_images(&self.first.changelog, at.log(), &leg.event_rows, projection, &schema);
        let base = async {
            match &leg.base {
                Some(base) => read_images(&self.first.base, base, &leg.base_rows, projection, &schema).await,
                None => Ok(RecordBatch::new_empty(schema.clone())),
            }
        };
        let stable = self.stable(session, leg, projection, filters, &schema);
        let (events, base, stable) = tokio::try_join!(events, base, stable)?;
        Ok(Columns { schema, stable, base, events })
    }

    async fn stable(
        &self,
        session: &dyn Session,
        leg: &Leg,
        projection: &Vec<usize>,
        filters: &[Expr],
        schema: &SchemaRef,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(mut plan) = self.stable_plan(session, leg, projection, filters).await? else { return Ok(None) };
        // What does not fit into memory is read again for each moment.
        if let Some(rows) = collect(session, plan.clone(), &leg.budget).await? {
            plan = memory(&rows, schema).map_err(from_datafusion)?;
        }
        Ok(Some(Arc::new(StableExec::new(plan, Kept::new(leg.budget.clone())))))
    }

    /// The rows of the base that no event of the leg touches.
    async fn stable_plan(
        &self,
        session: &dyn Session,
        leg: &Leg,
        projection: &Vec<usize>,
        filters: &[Expr],
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(base) = &leg.base else { return Ok(None) };
        let scan = &self.first.base;
        let pruner = pruner(session, &scan.schema, filters);
        let mirror = &self.first.as_of().pair().mirror;
        let files = live_files(mirror, base, &scan.files, &leg.gone, pruner.as_ref(), None).await?;
        scan.plan(session, &files, Some(projection), None).map(Some).map_err(from_datafusion)
    }
}

#[async_trait]
impl TableProvider for SweepTable {
    fn schema(&self) -> SchemaRef {
        self.first.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        self.first.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let number = self.moments.now();
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema().fields().len()).collect());
        let mut held = self.leg.lock().await;
        if held.as_ref().is_none_or(|leg| number >= leg.end) {
            *held = Some(self.leg_from(number).await.map_err(external)?);
        }
        let leg = held.as_mut().ok_or_else(|| external(Error::internal("a sweep has no leg")))?;
        let now = leg.moment(number).await.map_err(external)?;
        let key = (projection.clone(), format!("{filters:?}"));
        let columns = match leg.columns.get(&key) {
            Some(columns) => columns.clone(),
            None => {
                let columns = Arc::new(self.columns(session, leg, &projection, filters).await.map_err(external)?);
                leg.columns.insert(key.clone(), columns.clone());
                columns
            }
        };
        let mut parts = Vec::new();
        if !now.swept.emptied {
            parts.extend(columns.stable.clone());
        }
        let live = match now.live.get(&key) {
            Some(live) => live.clone(),
            None => columns.live(&now.swept).map_err(external)?,
        };
        let rows = now.swept.rows(live, &self.schema(), &projection).map_err(external)?;
        if !rows.is_empty() {
            parts.push(memory(&rows, &columns.schema)?);
        }
        match parts.len() {
            0 => Ok(Arc::new(EmptyExec::new(columns.schema.clone()))),
            1 => Ok(parts.swap_remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}

impl Leg {
    fn new(end: usize, moments: Arc<Moments>, sweep: Sweep, memory_bytes: usize) -> Self {
        Self {
            end,
            moments,
            base: sweep.base.clone(),
            base_rows: sweep.base_rows.clone(),
            event_rows: sweep.event_rows.clone(),
            gone: sweep.gone(),
            sweep: Arc::new(Mutex::new(sweep)),
            now: None,
            next: None,
            budget: Arc::new(Budget::new(memory_bytes)),
            columns: HashMap::new(),
        }
    }

    async fn moment(&mut self, number: usize) -> Result<Arc<Moment>> {
        if let Some((_, now)) = self.now.as_ref().filter(|(known, _)| *known == number) {
            return Ok(now.clone());
        }
        let begun = self.next.take().filter(|(known, _)| *known == number);
        let swept = begun.map_or_else(|| self.begin(number), |(_, swept)| swept).await;
        let now = Arc::new(swept.map_err(|e| Error::internal("the folding of a moment stopped").caused_by(e))??);
        self.now = Some((number, now.clone()));
        let following = number + 1;
        self.next = (following < self.end).then(|| (following, self.begin(following)));
        Ok(now)
    }

    fn begin(&self, number: usize) -> JoinHandle<Result<Moment>> {
        let (sweep, at_us, columns) = (self.sweep.clone(), self.moments.at_us[number], self.columns.clone());
        tokio::task::spawn_blocking(move || {
            let swept = sweep.lock().unwrap_or_else(PoisonError::into_inner).advance(at_us)?;
            let live = columns.into_iter().map(|(key, columns)| Ok((key, columns.live(&swept)?))).collect::<Result<_>>()?;
            Ok(Moment { swept, live })
        })
    }
}

impl Columns {
    fn live(&self, now: &SweptMoment) -> Result<LiveRows> {
        let live = |rows: &RecordBatch, mask: &BooleanBuffer| filter_record_batch(rows, &BooleanArray::new(mask.clone(), None));
        let (base, events) = side_by_side(|| live(&self.base, &now.base), || live(&self.events, &now.events))?;
        Ok(LiveRows { base: base?, events: events? })
    }
}

impl SweptMoment {
    /// The rows of a moment but for the stable ones, by partition.
    fn rows(&self, live: LiveRows, table: &SchemaRef, projection: &[usize]) -> Result<Vec<Vec<RecordBatch>>> {
        let mut partitions = vec![vec![live.base], vec![live.events]];
        for made in &self.made {
            partitions.push(vec![conform_batch(made, table)?.project(projection)?]);
        }
        partitions.retain(|batches| batches.iter().any(|batch| batch.num_rows() > 0));
        Ok(partitions)
    }
}

fn memory(partitions: &[Vec<RecordBatch>], schema: &SchemaRef) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    Ok(MemorySourceConfig::try_new_exec(partitions, schema.clone(), None)?)
}

/// Chosen rows of files in the order of path and position.
async fn read_images(
    scan: &FileScan,
    state: &TableState,
    images: &Images,
    projection: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let fields = scan.columns.schema().project(projection)?;
    let columns = scan.columns.with_fields(fields.fields().clone());
    let read = |(file, rows): (waterline_core::format::DataFile, roaring::RoaringTreemap)| {
        let (files, state, columns) = (scan.files.clone(), state.clone(), columns.clone());
        tokio::spawn(async move {
            let opened = files.open_data_file(&state, &file).await?;
            opened.read(&columns, Rows::Only(&rows), BATCH_ROWS).await?.try_collect::<Vec<RecordBatch>>().await
        })
    };
    let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
    let chosen: Vec<_> = images.iter().map(|(file, rows)| (file.clone(), rows.clone())).collect();
    let mut reads = futures::stream::iter(chosen.into_iter().map(read)).buffered(concurrency);
    let mut batches = Vec::new();
    while let Some(read) = reads.next().await {
        for batch in read.map_err(|e| Error::internal("the reading of a file stopped").caused_by(e))?? {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            batches.push(RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)?);
        }
    }
    Ok(concat_batches(schema, &batches)?)
}

/// All rows of a plan by partition; `None` when there is no room for them.
async fn collect(session: &dyn Session, plan: Arc<dyn ExecutionPlan>, budget: &Arc<Budget>) -> Result<Option<Vec<Vec<RecordBatch>>>> {
    let read = |partition: usize| {
        let (plan, context, budget) = (plan.clone(), session.task_ctx(), budget.clone());
        tokio::spawn(async move {
            let mut stream = plan.execute(partition, context)?;
            let mut batches = Vec::new();
            while let Some(batch) = stream.try_next().await? {
                if !budget.take(&batch) {
                    budget.give_back(&batches);
                    return Ok(None);
                }
                batches.push(batch);
            }
            Ok::<_, datafusion::error::DataFusionError>(Some(batches))
        })
    };
    let reads: Vec<_> = (0..plan.properties().output_partitioning().partition_count()).map(read).collect();
    let mut partitions = Vec::new();
    for read in reads {
        let batches = read.await.map_err(|e| Error::internal("the reading of a table stopped").caused_by(e))?.map_err(from_datafusion)?;
        partitions.push(batches);
    }
    if partitions.iter().any(Option::is_none) {
        partitions.into_iter().flatten().for_each(|batches| budget.give_back(&batches));
        return Ok(None);
    }
    Ok(Some(partitions.into_iter().flatten().collect()))
}
