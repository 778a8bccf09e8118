//! `load`: a dump becomes the state of a table at its moment.

use std::time::Duration;

use waterline_core::error::Result;

use crate::args::LoadArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::not_connected;
use crate::printer::{Progress, SyncReport, TableReport};
use crate::settings::CatalogSettings;
use crate::settings::request::DumpRequest;

pub(crate) async fn run(context: &mut Context<'_>, args: &LoadArgs) -> Result<(), Failure> {
    let started_us = context.env.clock.now_us();
    let settings = context.settings()?;
    let request = DumpRequest::resolve(args, &settings, &context.cwd, started_us)?;
    let progress = context.printer.progress();
    let table = load(&settings.catalog, request, &progress).await?;
    let elapsed = Duration::from_micros(u64::try_from(context.env.clock.now_us() - started_us).unwrap_or(0));
    context.printer.report(&SyncReport { tables: vec![table], stages: Vec::new(), elapsed })
}

/// The call into the engine.
async fn load(_catalog: &CatalogSettings, _request: DumpRequest, _progress: &dyn Progress) -> Result<TableReport> {
    Err(not_connected())
}
