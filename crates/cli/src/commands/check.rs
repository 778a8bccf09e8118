//! `check`: what is not as it must be in a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use waterline_core::error::{ErrorKind, Result};
use waterline_core::maintain::check::Finding;
use waterline_engine::maintain::check::{Depth, Request, check};

use crate::args::CheckArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_lake;
use crate::selection::selected;
use crate::settings::request::memory_bytes;

pub(crate) async fn run(context: &mut Context<'_>, args: &CheckArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let lake = open_lake(&settings.lake, &context.env).await?;
    let request = Request {
        depth: if args.deep { Depth::Rows } else { Depth::Footers },
        limits: job::limits(&settings.limits),
        memory_bytes: memory_bytes(&settings, &args.memory)?,
    };
    let mut findings = Vec::new();
    for table in selected(&lake.catalog.list().await?, &args.tables)? {
        findings.extend(check(&lake, &table, &request).await?);
    }
    context.printer.batch(&rows(&findings)?)?;
    if findings.is_empty() { Ok(()) } else { Err(Failure::Reported(ErrorKind::Corrupt)) }
}

fn rows(findings: &[Finding]) -> Result<RecordBatch> {
    let text = |of: fn(&Finding) -> String| Arc::new(findings.iter().map(|finding| Some(of(finding))).collect::<StringArray>()) as ArrayRef;
    Ok(RecordBatch::try_from_iter([
        ("table", text(|finding| finding.table.to_string())),
        ("problem", text(|finding| finding.problem.as_str().to_owned())),
        ("place", text(|finding| finding.place.clone())),
        ("detail", text(|finding| finding.detail.clone())),
    ])?)
}
