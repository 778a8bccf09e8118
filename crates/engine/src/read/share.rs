//! In a sweep: aggregates over rows that are the same at every moment are taken once.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NegativeExpr, NotExpr, TryCastExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, displayable, replace_children_if_necessary};

use super::stable::{KeptExec, StableExec};

/// Divides the partial aggregate of a union that has stable rows: one of these rows, which is kept, and one of all others.
#[derive(Debug)]
pub(super) struct ShareStable;

impl PhysicalOptimizerRule for ShareStable {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mut found = 0;
        let shared = plan.transform_up(|node| {
            let Some(aggregate) = Shared::of(&node)? else { return Ok(Transformed::no(node)) };
            found += 1;
            aggregate.divide(found).map(Transformed::yes)
        });
        shared.data()
    }

    fn name(&self) -> &'static str {
        "share_stable"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A partial aggregate, and what is between it and a union with stable rows: operators that work on each partition by itself.
struct Shared {
    /// From the aggregate downwards.
    operators: Vec<Arc<dyn ExecutionPlan>>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
}

impl Shared {
    fn of(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        if !is_partial_aggregate(node) {
            return Ok(None);
        }
        let (mut operators, mut at) = (Vec::new(), node);
        while is_by_partition(at) && gives_the_same(at)? {
            let [below] = at.children()[..] else { return Ok(None) };
            operators.push(at.clone());
            at = below;
        }
        let inputs = match at.downcast_ref::<UnionExec>() {
            Some(union) => union.inputs().clone(),
            None => vec![at.clone()],
        };
        for input in &inputs {
            if stable_rows(input)?.is_some() {
                return Ok(Some(Self { operators, inputs }));
            }
        }
        Ok(None)
    }

    /// `number` tells it from other aggregates of the query.
    fn divide(self, number: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        for input in &self.inputs {
            match stable_rows(input)? {
                Some(stable) => {
                    let plan = self.over(input.clone())?;
                    let text = format!("{number} {} {:?}", displayable(plan.as_ref()).indent(true), plan.schema());
                    parts.push(Arc::new(KeptExec::new(plan, text, &stable.kept)) as Arc<dyn ExecutionPlan>);
                }
                None => rest.push(input.clone()),
            }
        }
        if !rest.is_empty() {
            parts.push(self.over(union(rest)?)?);
        }
        union(parts)
    }

    /// The operators over another input.
    fn over(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        self.operators.iter().rev().try_fold(input, |below, operator| replace_children_if_necessary(operator.clone(), vec![below]))
    }
}

/// The source of a plan's rows, where these are the same at every moment.
fn stable_rows(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<&StableExec>> {
    let mut at = plan;
    while is_by_partition(at) && gives_the_same(at)? {
        let [below] = at.children()[..] else { return Ok(None) };
        at = below;
    }
    Ok(at.downcast_ref::<StableExec>())
}

fn union(mut inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    if inputs.len() == 1 { Ok(inputs.swap_remove(0)) } else { UnionExec::try_new(inputs) }
}

fn is_partial_aggregate(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<AggregateExec>().is_some_and(|aggregate| *aggregate.mode() == AggregateMode::Partial)
}

fn is_by_partition(node: &Arc<dyn ExecutionPlan>) -> bool {
    is_partial_aggregate(node)
        || node.is::<ProjectionExec>()
        || node.is::<CooperativeExec>()
        || node.downcast_ref::<FilterExec>().is_some_and(|filter| filter.fetch().is_none())
}

/// Whether an operator makes the same of the same rows at each moment: none of its expressions is volatile, or filled while the
/// query runs, as a subquery is. Those that are not known to be so count as if they were.
fn gives_the_same(node: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut same = true;
    node.apply_expressions(&mut |root| {
        same &= !is_volatile(root);
        root.apply(|expression| {
            same &= is_fixed(expression);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(same)
}

fn is_fixed(expression: &Arc<dyn PhysicalExpr>) -> bool {
    expression.is::<Column>()
        || expression.is::<Literal>()
        || expression.is::<BinaryExpr>()
        || expression.is::<CastExpr>()
        || expression.is::<TryCastExpr>()
        || expression.is::<CaseExpr>()
        || expression.is::<InListExpr>()
        || expression.is::<IsNullExpr>()
        || expression.is::<IsNotNullExpr>()
        || expression.is::<LikeExpr>()
        || expression.is::<NegativeExpr>()
        || expression.is::<NotExpr>()
        || expression.is::<ScalarFunctionExpr>()
}
