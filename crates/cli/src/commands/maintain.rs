//! `maintain`: what is due for the upkeep of tables.

use waterline_core::error::{ErrorKind, Result};
use waterline_core::table::TableName;
use waterline_engine::lake::Lake;
use waterline_engine::maintain::Action;
use waterline_engine::maintain::compact::{Planned, Request, execute, plan};
use waterline_engine::maintain::expire::{Asked, Caution, ExpireRequest, expire};
use waterline_engine::maintain::vacuum::{VacuumRequest, vacuum};

use super::upkeep::{Step, print, with_changelogs};
use super::{compact, expire, vacuum};
use crate::args::MaintainArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::selection::selected;
use crate::settings::{Settings, span_ms};

/// Age of files that nothing refers to.
const VACUUM_AGE: &str = "3d";

pub(crate) async fn run(context: &mut Context<'_>, args: &MaintainArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let lake = open_lake(&settings.lake, &context.env).await?;
    let tables = selected(&lake.catalog.list().await?, &args.tables)?;
    let action = if args.dry_run { Action::Plan } else { Action::Do };
    let (mut steps, mut failed) = (Vec::new(), Vec::new());
    for table in tables {
        let mut done = Vec::new();
        if let Err(error) = maintain(&lake, &settings, &table, action, &mut done).await {
            failed.push((table, error));
        }
        steps.extend(done.into_iter().filter(|step| step.is_something));
    }
    if steps.is_empty() && failed.is_empty() {
        context.printer.note("Nothing is due.");
    }
    print(context, action, &steps, failed)
}

/// What comes first makes more for what comes after it.
async fn maintain(lake: &Lake, settings: &Settings, table: &TableName, action: Action, steps: &mut Vec<Step>) -> Result<()> {
    steps.extend(expire::trimmed(lake, settings, table, action).await?);
    later(compacted(lake, settings, table, action, steps).await, "files are compacted another time")?;
    let both = with_changelogs(lake.catalog.as_ref(), &[table.clone()].into()).await?;
    for table in &both {
        let request = ExpireRequest { asked: Asked::default(), caution: Caution::Usual, action };
        steps.extend(expire::steps_of(&expire(lake, table, &request).await?));
    }
    for table in &both {
        let request = VacuumRequest { older_than_ms: span_ms(VACUUM_AGE)?, caution: Caution::Usual, action };
        let vacuumed = vacuum(lake, table, &request).await.map(|vacuumed| steps.extend(vacuum::steps_of(&vacuumed)));
        later(vacuumed, "files are cleaned up another time")?;
    }
    Ok(())
}

async fn compacted(lake: &Lake, settings: &Settings, table: &TableName, action: Action, steps: &mut Vec<Step>) -> Result<()> {
    let request = Request { memory_bytes: settings.limits.memory_bytes, ..Request::default() };
    for planned in plan(lake, table, &request).await?.into_iter().filter(Planned::is_due) {
        match action {
            Action::Plan => steps.extend(compact::steps_of_plan(&planned)),
            Action::Do => steps.extend(compact::steps_of(&execute(lake, planned, &request).await?)),
        }
    }
    Ok(())
}

/// What the jobs that write to a table now stand in the way of is done another time.
fn later(done: Result<()>, what: &str) -> Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            tracing::warn!(%error, "{what}");
            Ok(())
        }
        done => done,
    }
}
