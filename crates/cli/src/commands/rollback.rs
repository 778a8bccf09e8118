//! `rollback`: a table goes back to an older snapshot.

use waterline_core::as_of::time_text;
use waterline_core::error::{Error, Result};
use waterline_core::format::{TableState, VersionId};
use waterline_core::table::TableName;
use waterline_engine::maintain::Action;
use waterline_engine::maintain::rollback::{Events, Goal, RollbackRequest, RolledBack, roll_back};

use super::upkeep::{Step, print};
use crate::args::RollbackArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::settings::{parse_moment, parse_zone};

pub(crate) async fn run(context: &mut Context<'_>, args: &RollbackArgs) -> Result<(), Failure> {
    let lake = open_lake(&context.settings()?.lake, &context.env).await?;
    let table: TableName = args.table.parse()?;
    let goal = goal(args, &lake.table(&table).await?.head().await?)?;
    let request = RollbackRequest {
        goal,
        events: if args.replay { Events::Replayed } else { Events::Dropped },
        action: if args.dry_run { Action::Plan } else { Action::Do },
    };
    match roll_back(&lake, &table, &request).await? {
        Some(done) => print(context, request.action, &steps_of(&table, &done), Vec::new()),
        None => {
            context.printer.note("The table is like that already.");
            print(context, Action::Do, &[], Vec::new())
        }
    }
}

fn goal(args: &RollbackArgs, mirror: &TableState) -> Result<Goal> {
    if let Some(time) = &args.committed_by {
        let by_us = parse_moment(time, parse_zone(args.timezone.as_deref())?).map_err(|e| e.with("option", "--committed-by"))?;
        return Ok(Goal::CommittedBy(by_us.div_euclid(1000)));
    }
    let name = args.snapshot.as_deref().unwrap_or_default();
    let version = name.parse().ok().map(VersionId).or_else(|| mirror.refs.get(name).map(|reference| reference.version));
    version.map(Goal::Snapshot).ok_or_else(|| Error::not_found("the table has no such snapshot or tag").with("snapshot", name))
}

fn steps_of(table: &TableName, done: &RolledBack) -> Vec<Step> {
    let rollback = &done.rollback;
    let to = format!("to snapshot {}, committed at {}; lineage {}", rollback.to.0, time_text(rollback.to_ms * 1000), rollback.lineage);
    let void = format!("log batches {} to {}", rollback.above.0 + 1, rollback.upto.0);
    let mut steps = vec![Step::of(table, "rollback", to)];
    if rollback.upto > rollback.above {
        steps.push(Step { rows: done.events, ..Step::of(&table.changelog(), "void", void) });
    }
    steps
}
