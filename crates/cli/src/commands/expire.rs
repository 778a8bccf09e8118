//! `expire`: old snapshots go, of tables and of their changelogs.

use waterline_core::as_of::time_text;
use waterline_core::error::Result;
use waterline_core::table::TableName;
use waterline_engine::lake::Lake;
use waterline_engine::maintain::Action;
use waterline_engine::maintain::expire::{Asked, ExpireRequest, Expired, expire};
use waterline_engine::maintain::trim::{TrimRequest, trim};

use super::upkeep::{Step, action, age_ms, caution, print, with_changelogs};
use crate::args::ExpireArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_lake;
use crate::printer::counted;
use crate::selection::selected;
use crate::settings::Settings;

pub(crate) async fn run(context: &mut Context<'_>, args: &ExpireArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let lake = open_lake(&settings.lake, &context.env).await?;
    let tables = selected(&lake.catalog.list().await?, &args.tables)?;
    let older_than_ms = args.older_than.as_deref().map(|text| age_ms(text, "--older-than")).transpose()?;
    let asked = Asked { older_than_ms, retain_last: args.retain_last };
    let request = ExpireRequest { asked, caution: caution(&args.care), action: action(&args.care) };
    let (mut steps, mut failed) = (Vec::new(), Vec::new());
    for table in &tables {
        match trimmed(&lake, &settings, table, request.action).await {
            Ok(trimmed) => steps.extend(trimmed),
            Err(error) => failed.push((table.clone(), error)),
        }
    }
    for table in with_changelogs(lake.catalog.as_ref(), &tables).await? {
        match expire(&lake, &table, &request).await {
            Ok(expired) => steps.extend(steps_of(&expired)),
            Err(error) => failed.push((table, error)),
        }
    }
    print(context, request.action, &steps, failed)
}

pub(super) fn steps_of(expired: &Expired) -> Vec<Step> {
    let mut what = format!("{}, {} stay", counted(expired.versions.len() as u64, "snapshot"), expired.kept);
    if expired.deleted.left > 0 {
        what += &format!("; {} files could not be deleted", expired.deleted.left);
    }
    let step = Step { is_something: !expired.versions.is_empty(), ..Step::of(&expired.table, "expire", what) };
    let mut steps = vec![step.with_files(expired.deleted.files, expired.deleted.bytes)];
    steps.extend(expired.refs.iter().map(|name| Step::of(&expired.table, "expire", format!("branch or tag {name}"))));
    steps.extend(expired.unknown.iter().map(|times| {
        let what = format!("committed by {} until {}", time_text(times.from_ms * 1000), time_text(times.until_ms * 1000));
        Step::of(&expired.table, "unanswerable", what)
    }));
    steps
}

/// Trims the changelog of a table that has a policy.
pub(super) async fn trimmed(lake: &Lake, settings: &Settings, table: &TableName, action: Action) -> Result<Vec<Step>> {
    let Some(retention) = settings.table(table).retention else { return Ok(Vec::new()) };
    if lake.catalog.open(&table.changelog()).await?.is_none() {
        return Ok(Vec::new());
    }
    let trimmed = trim(lake, table, &TrimRequest { retention, limits: job::limits(&settings.limits), action }).await?;
    let mut steps: Vec<Step> = trimmed.kept.iter().map(|at_us| Step::of(table, "keep", format!("as of {}", time_text(*at_us)))).collect();
    if let Some((from_us, until_us)) = trimmed.unanswerable {
        let what = format!("as of {} until {}, but what is kept", time_text(from_us), time_text(until_us));
        steps.push(Step::of(table, "unanswerable", what));
        let what = format!("events up to {}", time_text(until_us));
        let step = Step { rows: trimmed.events, ..Step::of(&table.changelog(), "trim", what) };
        steps.push(step.with_files(trimmed.files, trimmed.bytes));
    }
    steps.extend(trimmed.dropped.iter().map(|at_us| Step::of(table, "unanswerable", format!("as of {}", time_text(*at_us)))));
    Ok(steps)
}
