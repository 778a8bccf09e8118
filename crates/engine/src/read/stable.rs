//! Rows that are there at every moment of a sweep, and what a query makes of them, which is therefore kept from moment to moment.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::stream::{StreamExt, unfold};

/// Memory that may still be taken, in bytes.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Whether there was room for the batch, which is then taken.
    pub(super) fn take(&self, batch: &RecordBatch) -> bool {
        let bytes = batch.get_array_memory_size();
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    pub(super) fn give_back(&self, batches: &[RecordBatch]) {
        self.0.fetch_add(batches.iter().map(RecordBatch::get_array_memory_size).sum(), Ordering::Relaxed);
    }
}

/// What a plan gave, by partition, once it was read to its end; `None` when there was no room for it.
type Given = Vec<OnceLock<Option<Vec<RecordBatch>>>>;

/// What plans over the same stable rows gave.
#[derive(Debug)]
pub(super) struct Kept {
    by_plan: Mutex<HashMap<String, Arc<Given>>>,
    budget: Arc<Budget>,
}

impl Kept {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { by_plan: Mutex::default(), budget }
    }

    fn of(&self, plan: String, partitions: usize) -> Arc<Given> {
        let mut by_plan = self.by_plan.lock().unwrap_or_else(PoisonError::into_inner);
        by_plan.entry(plan).or_insert_with(|| Arc::new((0..partitions).map(|_| OnceLock::new()).collect())).clone()
    }
}

/// A source of rows that are the same at every moment.
#[derive(Debug)]
pub(super) struct StableExec {
    rows: Arc<dyn ExecutionPlan>,
    pub(super) kept: Kept,
}

impl StableExec {
    pub(super) fn new(rows: Arc<dyn ExecutionPlan>, kept: Kept) -> Self {
        Self { rows, kept }
    }
}

impl DisplayAs for StableExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StableExec: partitions={}", self.rows.output_partitioning().partition_count())
    }
}

impl ExecutionPlan for StableExec {
    fn name(&self) -> &'static str {
        "StableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.rows.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>, _: ReplaceChildrenOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.rows.execute(partition, context)
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.rows.statistics_from_inputs(inputs, args)
    }
}

/// A plan over stable rows only: runs once, and after that gives what it gave.
#[derive(Debug)]
pub(super) struct KeptExec {
    plan: Arc<dyn ExecutionPlan>,
    given: Arc<Given>,
    budget: Arc<Budget>,
}

impl KeptExec {
    /// `text` tells the plan from all others over these rows.
    pub(super) fn new(plan: Arc<dyn ExecutionPlan>, text: String, kept: &Kept) -> Self {
        let given = kept.of(text, plan.output_partitioning().partition_count());
        Self { plan, given, budget: kept.budget.clone() }
    }
}

impl DisplayAs for KeptExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptExec")
    }
}

impl ExecutionPlan for KeptExec {
    fn name(&self) -> &'static str {
        "KeptExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.plan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.plan]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = children.pop().unwrap_or_else(|| self.plan.clone());
        Ok(Arc::new(Self { plan, given: self.given.clone(), budget: self.budget.clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        match self.given.get(partition).map(OnceLock::get) {
            Some(Some(Some(batches))) => Ok(Box::pin(MemoryStream::try_new(batches.clone(), self.schema(), None)?)),
            Some(None) => {
                let rows = self.plan.execute(partition, context)?;
                let recording =
                    Recording { rows, seen: Some(Vec::new()), given: self.given.clone(), partition, budget: self.budget.clone() };
                Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), unfold(recording, Recording::next))))
            }
            Some(Some(None)) | None => self.plan.execute(partition, context),
        }
    }
}

/// Rows on their way, remembered until they end or there is no room.
struct Recording {
    rows: SendableRecordBatchStream,
    seen: Option<Vec<RecordBatch>>,
    given: Arc<Given>,
    partition: usize,
    budget: Arc<Budget>,
}

impl Recording {
    async fn next(mut self) -> Option<(Result<RecordBatch>, Self)> {
        let item = self.rows.next().await;
        match (&item, &mut self.seen) {
            (Some(Ok(batch)), Some(seen)) if self.budget.take(batch) => seen.push(batch.clone()),
            (Some(Ok(_)), Some(seen)) => {
                self.budget.give_back(seen);
                self.end(None);
            }
            (None, Some(_)) => {
                let seen = self.seen.take();
                self.end(seen);
            }
            _ => {}
        }
        Some((item?, self))
    }

    fn end(&mut self, seen: Option<Vec<RecordBatch>>) {
        self.seen = None;
        if let Some(given) = self.given.get(self.partition) {
            // Another run of the same plan may have been first; it gave the same.
            drop(given.set(seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_plan::collect;

    use super::*;

    fn rows() -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as _)]).unwrap()
    }

    /// Runs a plan over the same rows twice; what it gave, and whether that was kept.
    async fn run_twice(budget: Budget) -> (Vec<Vec<RecordBatch>>, bool) {
        let rows = MemorySourceConfig::try_new_exec(&[vec![rows()]], rows().schema(), None).unwrap();
        let stable = Arc::new(StableExec::new(rows, Kept::new(Arc::new(budget))));
        let mut given = Vec::new();
        for _ in 0..2 {
            let plan = Arc::new(KeptExec::new(stable.clone(), "all".into(), &stable.kept));
            given.push(collect(plan, Arc::default()).await.unwrap());
        }
        let kept = stable.kept.of("all".into(), 1);
        (given, kept[0].get().unwrap().is_some())
    }

    #[tokio::test]
    async fn what_has_no_room_is_made_again() {
        assert_eq!(run_twice(Budget::new(1 << 20)).await, (vec![vec![rows()], vec![rows()]], true));
        assert_eq!(run_twice(Budget::new(1)).await, (vec![vec![rows()], vec![rows()]], false));
    }
}
