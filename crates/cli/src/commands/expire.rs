//! `expire`: old snapshots go, of tables and of their changelogs.

use waterline_core::as_of::time_text;
use waterline_engine::maintain::expire::{Asked, ExpireRequest, Expired, expire};

use super::upkeep::{Step, action, age_ms, caution, print, with_changelogs};
use crate::args::ExpireArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::printer::counted;
use crate::selection::selected;

pub(crate) async fn run(context: &mut Context<'_>, args: &ExpireArgs) -> Result<(), Failure> {
    let lake = open_lake(&context.settings()?.catalog, &context.env).await?;
    let tables = selected(&lake.catalog.list().await?, &args.tables)?;
    let older_than_ms = args.older_than.as_deref().map(|text| age_ms(text, "--older-than")).transpose()?;
    let asked = Asked { older_than_ms, retain_last: args.retain_last };
    let request = ExpireRequest { asked, caution: caution(&args.care), action: action(&args.care) };
    let (mut steps, mut failed) = (Vec::new(), Vec::new());
    for table in with_changelogs(lake.catalog.as_ref(), &tables).await? {
        match expire(&lake, &table, &request).await {
            Ok(expired) => steps.extend(steps_of(&expired)),
            Err(error) => failed.push((table, error)),
        }
    }
    print(context, request.action, &steps, failed)
}

pub(super) fn steps_of(expired: &Expired) -> Vec<Step> {
    let what = format!("{}, {} stay", counted(expired.versions.len() as u64, "snapshot"), expired.kept);
    let mut steps = vec![Step::of(&expired.table, "expire", what).with_files(expired.deleted.files, expired.deleted.bytes)];
    steps.extend(expired.unknown.iter().map(|times| {
        let what = format!("committed by {} until {}", time_text(times.from_ms * 1000), time_text(times.until_ms * 1000));
        Step::of(&expired.table, "unanswerable", what)
    }));
    steps
}
