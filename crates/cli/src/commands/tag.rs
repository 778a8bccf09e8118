//! `tag`: past moments as tags, for any engine.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use waterline_core::as_of::{Beyond, Cut};
use waterline_core::error::Result;
use waterline_engine::lake::Lake;
use waterline_engine::tags::{self, ListedTag, TagFiles, TagRequest, Tagged};

use crate::args::{TagArgs, TagCommand, TagCreateArgs, TagDeleteArgs, TagListArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_lake;
use crate::selection::selected;
use crate::settings::request::with_memory;
use crate::settings::{Settings, parse_moment, parse_zone};

pub(crate) async fn run(context: &mut Context<'_>, args: &TagArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let lake = open_lake(&settings.lake, &context.env).await?;
    match &args.command {
        TagCommand::Create(args) => create(context, &lake, &settings, args).await,
        TagCommand::List(args) => list(context, &lake, args).await,
        TagCommand::Delete(args) => delete(context, &lake, args).await,
    }
}

async fn create(context: &mut Context<'_>, lake: &Lake, settings: &Settings, args: &TagCreateArgs) -> Result<(), Failure> {
    let at_us = parse_moment(&args.as_of, parse_zone(args.timezone.as_deref())?).map_err(|e| e.with("option", "--as-of"))?;
    let request = TagRequest {
        name: args.name.clone(),
        tables: selected(&lake.catalog.list().await?, &args.tables)?,
        cut: Cut { beyond: if args.allow_incomplete { Beyond::AsLogged } else { Beyond::Refuse }, ..Cut::at(at_us) },
        files: if args.copy { TagFiles::Copied } else { TagFiles::Shared },
        limits: job::limits(&with_memory(settings.limits, args.memory_limit.as_deref())?),
    };
    let tagged = tags::create(lake, &request).await?;
    context.printer.batch(&made(&tagged)?)
}

fn made(tagged: &[Tagged]) -> Result<RecordBatch> {
    let texts = |of: fn(&Tagged) -> Option<String>| Arc::new(tagged.iter().map(of).collect::<StringArray>()) as ArrayRef;
    Ok(RecordBatch::try_from_iter([
        ("table", texts(|tagged| Some(tagged.table.to_string()))),
        ("snapshot_id", Arc::new(tagged.iter().map(|tagged| Some(tagged.version.0)).collect::<Int64Array>())),
        ("metadata", texts(|tagged| tagged.metadata.clone())),
    ])?)
}

async fn list(context: &mut Context<'_>, lake: &Lake, args: &TagListArgs) -> Result<(), Failure> {
    let tables = selected(&lake.catalog.list().await?, &args.tables)?;
    context.printer.batch(&listed(&tags::list(lake, &tables).await?)?)
}

fn listed(tags: &[ListedTag]) -> Result<RecordBatch> {
    let texts = |of: fn(&ListedTag) -> String| Arc::new(tags.iter().map(|tag| Some(of(tag))).collect::<StringArray>()) as ArrayRef;
    let counts = |of: fn(&ListedTag) -> usize| Arc::new(tags.iter().map(|tag| Some(of(tag) as u64)).collect::<UInt64Array>()) as ArrayRef;
    let moments = tags.iter().map(|tag| Some(tag.at_us)).collect::<TimestampMicrosecondArray>().with_timezone("UTC");
    Ok(RecordBatch::try_from_iter([
        ("tag", texts(|tag| tag.name.clone())),
        ("as_of", Arc::new(moments) as ArrayRef),
        ("table", texts(|tag| tag.table.to_string())),
        ("snapshot_id", Arc::new(tags.iter().map(|tag| Some(tag.version.0)).collect::<Int64Array>())),
        ("batch", Arc::new(tags.iter().map(|tag| Some(tag.upto.0)).collect::<Int64Array>())),
        ("tagged_tables", counts(|tag| tag.tagged)),
        ("all_tables", counts(|tag| tag.tables)),
        ("is_complete", Arc::new(tags.iter().map(|tag| Some(tag.is_complete())).collect::<BooleanArray>())),
    ])?)
}

async fn delete(context: &mut Context<'_>, lake: &Lake, args: &TagDeleteArgs) -> Result<(), Failure> {
    let tables = selected(&lake.catalog.list().await?, &args.tables)?;
    let removed = tags::delete(lake, &args.name, &tables).await?;
    let names: Vec<String> = removed.iter().map(ToString::to_string).collect();
    context.printer.note(&format!("The tag {} is gone from {}.", args.name, names.join(", ")));
    Ok(())
}
