//! `ingest`, `merge` and `run`: events go into changelogs, and from there into tables.

use std::time::Duration;

use futures::{StreamExt, stream};
use waterline_core::error::Result;
use waterline_engine::ingest::{IngestOptions, Mode, OnError as EngineOnError, TableOutcome, ingest};
use waterline_engine::lake::Lake;
use waterline_engine::progress::Progress;
use waterline_engine::runs::{TableRun, keep_run};

use crate::args::{RunArgs, SyncArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_lake;
use crate::printer::{FailedSource, StageTime, SyncReport, TableCounts, TableReport};
use crate::settings::request::{SourceSelection, Stage, SyncRequest};
use crate::settings::{LakeSettings, OnError};

const CONCURRENT_PUTS: usize = 8;

pub(crate) async fn run(context: &mut Context<'_>, args: &RunArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let lake = settings.lake.clone();
    let request = SyncRequest::run(args, settings)?;
    sync(context, &lake, request, "run").await
}

pub(crate) async fn take(context: &mut Context<'_>, stage: Stage, args: &SyncArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let lake = settings.lake.clone();
    let request = SyncRequest::resolve(stage, args, settings, &context.cwd)?;
    let verb = match stage {
        Stage::Log => "ingest",
        Stage::Merge => "merge",
    };
    sync(context, &lake, request, verb).await
}

/// Source by source; one that cannot be read does not keep the others from going on.
pub(super) async fn sync(context: &mut Context<'_>, settings: &LakeSettings, request: SyncRequest, verb: &str) -> Result<(), Failure> {
    let started_us = context.env.clock.now_us();
    let progress = context.printer.progress();
    let lake = open_lake(settings, &context.env).await?;
    let mut report = SyncReport::default();
    let mut decoding = Duration::ZERO;
    for selection in &request.sources {
        let source = job::source(selection, &request.tables)?;
        match ingest(&lake, &source, &options(&request, selection), &progress as &dyn Progress).await {
            Ok(done) => {
                decoding += done.decode_time;
                keep_runs(&lake, verb, started_us, &done.tables).await;
                report.tables.extend(done.tables.into_iter().map(table_report));
            }
            Err(error) => report.failed_sources.push(FailedSource {
                source: selection.source.name.clone(),
                error: match &selection.table {
                    Some(table) => error.without("table", table),
                    None => error,
                },
                table: selection.table.clone(),
            }),
        }
    }
    report.stages.push(stage("read and decode", decoding));
    report.elapsed = Duration::from_micros(u64::try_from(context.env.clock.now_us() - started_us).unwrap_or(0));
    context.printer.report(&report)
}

/// Keeps what was done to each table beside it, for `status`.
async fn keep_runs(lake: &Lake, verb: &str, started_us: i64, tables: &[TableOutcome]) {
    let ended_us = lake.env.clock.now_us();
    let keep = |outcome: &TableOutcome| {
        let (report, merge) = (&outcome.report, &outcome.report.merge);
        let run = TableRun {
            verb: verb.into(),
            started_us,
            ended_us,
            rows_read: report.rows_read,
            inserted: merge.inserted,
            updated: merge.updated,
            deleted: merge.deleted,
            error: outcome.result.as_ref().err().map(|error| error.to_string()),
        };
        let own_folder = report.own_folder.clone();
        async move { keep_run(lake, &own_folder, &run).await }
    };
    stream::iter(tables.iter().map(keep)).for_each_concurrent(CONCURRENT_PUTS, |kept| kept).await;
}

fn options(request: &SyncRequest, selection: &SourceSelection) -> IngestOptions {
    IngestOptions {
        mode: match request.stage {
            Stage::Log => Mode::Log,
            Stage::Merge => Mode::Merge,
        },
        on_error: match selection.source.on_error {
            OnError::Stop => EngineOnError::Stop,
            OnError::Quarantine => EngineOnError::Quarantine,
            OnError::QuarantineAgain => EngineOnError::QuarantineAgain,
        },
        limits: job::limits(&selection.source.limits),
        complete_until_us: request.complete_until_us,
    }
}

fn table_report(outcome: TableOutcome) -> TableReport {
    let TableOutcome { report, result } = outcome;
    let merge = report.merge;
    TableReport {
        counts: TableCounts {
            rows_read: report.rows_read,
            inserted: merge.inserted,
            updated: merge.updated,
            deleted: merge.deleted,
            late: report.late,
            repeated: report.repeated,
            quarantined: report.quarantined,
            below_watermark: report.below_watermark,
            torn: report.torn,
            unresolved: merge.unresolved,
            files_written: report.log_files + merge.files,
            bytes_written: report.log_bytes + merge.bytes,
        },
        stages: vec![
            stage("log", report.log_time),
            stage("collapse", merge.stages.collapse),
            stage("locate", merge.stages.locate),
            stage("write", merge.stages.write),
            stage("commit", merge.stages.commit),
        ],
        complete_until_us: report.watermark_us,
        // The report names the table.
        error: result.err().map(|error| error.without("table", &report.table)),
        table: report.table,
    }
}

pub(super) fn stage(name: &str, elapsed: Duration) -> StageTime {
    StageTime { stage: name.into(), elapsed }
}
