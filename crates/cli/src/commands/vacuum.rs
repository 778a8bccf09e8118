//! `vacuum`: files that nothing refers to go.

use waterline_engine::maintain::vacuum::{VacuumRequest, Vacuumed, vacuum};

use super::upkeep::{Step, action, age_ms, caution, print, with_changelogs};
use crate::args::VacuumArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::selection::selected;

pub(crate) async fn run(context: &mut Context<'_>, args: &VacuumArgs) -> Result<(), Failure> {
    let lake = open_lake(&context.settings()?.lake, &context.env).await?;
    let tables = selected(&lake.catalog.list().await?, &args.tables)?;
    let older_than_ms = age_ms(&args.older_than, "--older-than")?;
    let request = VacuumRequest { older_than_ms, caution: caution(&args.care), action: action(&args.care) };
    let (mut steps, mut failed) = (Vec::new(), Vec::new());
    for table in with_changelogs(lake.catalog.as_ref(), &tables).await? {
        match vacuum(&lake, &table, &request).await {
            Ok(vacuumed) => steps.extend(steps_of(&vacuumed)),
            Err(error) => failed.push((table, error)),
        }
    }
    print(context, request.action, &steps, failed)
}

/// Files by name in a plan, then all together.
pub(super) fn steps_of(vacuumed: &Vacuumed) -> Vec<Step> {
    let deleted = &vacuumed.deleted;
    let what = match deleted.left {
        0 => format!("of {} files", vacuumed.listed),
        left => format!("of {} files; {left} could not be deleted", vacuumed.listed),
    };
    let mut steps: Vec<Step> = vacuumed.files.iter().map(|file| Step::of(&vacuumed.table, "file", file)).collect();
    let step = Step { is_something: deleted.files + deleted.left > 0, ..Step::of(&vacuumed.table, "vacuum", what) };
    steps.push(step.with_files(deleted.files, deleted.bytes));
    steps
}
