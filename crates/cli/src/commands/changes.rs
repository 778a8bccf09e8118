//! `changes`: what happened to a table's rows between two moments of its source.

use futures::TryStreamExt;
use waterline_core::error::Result;
use waterline_engine::changes::Changes;
use waterline_engine::lake::Lake;
use waterline_engine::read::{ReadAt, SessionOptions, from_datafusion, session};

use crate::args::ChangesArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job::limits;
use crate::lake::open_catalog;
use crate::settings::request::ChangesRequest;

pub(crate) async fn run(context: &mut Context<'_>, args: &ChangesArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let request = ChangesRequest::resolve(args, &settings)?;
    let catalog = open_catalog(&settings.lake, &context.env).await?;
    let lake = Lake::new(catalog.clone(), context.env.clone());
    let limits = limits(&request.limits);
    let options = SessionOptions { memory_bytes: request.limits.memory_bytes, limits, ..SessionOptions::default() };
    let session = session(catalog, &context.env, ReadAt::Head, &options)?;
    let changes = Changes::open(&lake, &request.table, &request.span, request.detail, &limits).await?;
    let mut rows = context.printer.rows(changes.schema());
    let mut batches = changes.stream(&session).await?;
    while let Some(batch) = batches.try_next().await.map_err(from_datafusion)? {
        rows.write(&batch)?;
    }
    rows.finish()
}
