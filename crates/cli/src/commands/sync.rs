//! `ingest`, `merge` and `run`: events go into changelogs, and from there into tables.

use std::time::Duration;

use waterline_core::error::Result;

use crate::args::{RunArgs, SyncArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::not_connected;
use crate::printer::{Progress, SyncReport};
use crate::settings::CatalogSettings;
use crate::settings::request::{Stage, SyncRequest};

pub(crate) async fn run(context: &mut Context<'_>, args: &RunArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let catalog = settings.catalog.clone();
    let request = SyncRequest::run(args, settings)?;
    sync(context, &catalog, request).await
}

pub(crate) async fn take(context: &mut Context<'_>, stage: Stage, args: &SyncArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let catalog = settings.catalog.clone();
    let request = SyncRequest::resolve(stage, args, settings, &context.cwd)?;
    sync(context, &catalog, request).await
}

async fn sync(context: &mut Context<'_>, catalog: &CatalogSettings, request: SyncRequest) -> Result<(), Failure> {
    let started_us = context.env.clock.now_us();
    let progress = context.printer.progress();
    let report = call(catalog, request, &progress).await?;
    let elapsed = Duration::from_micros(u64::try_from(context.env.clock.now_us() - started_us).unwrap_or(0));
    context.printer.report(&SyncReport { elapsed, ..report })
}

/// The call into the engine, source by source.
async fn call(_catalog: &CatalogSettings, _request: SyncRequest, _progress: &dyn Progress) -> Result<SyncReport> {
    Err(not_connected())
}
