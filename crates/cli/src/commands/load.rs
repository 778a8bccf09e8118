//! `load`: a dump becomes the state of a table at its moment.

use std::collections::BTreeMap;
use std::time::Duration;

use waterline_core::dump::DumpOptions;
use waterline_core::error::{Error, Result};
use waterline_core::moments::parse_dump_moment;
use waterline_core::table::TableName;
use waterline_engine::lake::Lake;
use waterline_engine::load::{Existing, Landed, LoadReport, LoadRequest, adopt_table};
use waterline_engine::progress::Progress;
use waterline_engine::runs::{TableRun, keep_run};

use crate::args::LoadArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_lake;
use crate::printer::{SyncReport, TableCounts, TableReport};
use crate::settings::request::{Disagreement, DumpRequest};
use crate::settings::{Settings, parse_zone};

pub(crate) async fn run(context: &mut Context<'_>, args: &LoadArgs) -> Result<(), Failure> {
    let started_us = context.env.clock.now_us();
    let settings = context.settings()?;
    if args.adopt {
        return adopt(context, args, &settings, started_us).await;
    }
    let request = DumpRequest::resolve(args, &settings, &context.cwd, started_us)?;
    let progress = context.printer.progress();
    let lake = open_lake(&settings.lake, &context.env).await?;
    let loaded = waterline_engine::load::load(&lake, &load_request(&request)?, &progress as &dyn Progress).await;
    keep_load(&lake, &request.table, started_us, &loaded).await;
    let loaded = loaded?;
    let counts = TableCounts {
        rows_read: loaded.rows,
        inserted: inserted(&loaded),
        files_written: loaded.files + loaded.merge.files,
        bytes_written: loaded.bytes + loaded.merge.bytes,
        ..TableCounts::default()
    };
    match loaded.landed {
        Landed::Table => {}
        Landed::Aside => context.printer.note("The dump is kept as an older state; the table's rows are as they were."),
        Landed::Known => context.printer.note("The table has this state of that moment already."),
    }
    let table = TableReport { table: loaded.table, counts, stages: Vec::new(), complete_until_us: None, error: None };
    let elapsed = Duration::from_micros(u64::try_from(context.env.clock.now_us() - started_us).unwrap_or(0));
    context.printer.report(&SyncReport { tables: vec![table], elapsed, ..SyncReport::default() })
}

fn inserted(loaded: &LoadReport) -> u64 {
    if loaded.landed == Landed::Table { loaded.rows } else { 0 }
}

/// Keeps what became of the load beside its table, where there is one.
async fn keep_load(lake: &Lake, table: &TableName, started_us: i64, loaded: &Result<LoadReport>) {
    let state = async { lake.table(table).await?.head().await }.await;
    let Ok(state) = state else { return };
    let (rows, inserted) = loaded.as_ref().map_or((0, 0), |report| (report.rows, inserted(report)));
    let run = TableRun {
        verb: "load".into(),
        started_us,
        ended_us: lake.env.clock.now_us(),
        rows_read: rows,
        inserted,
        updated: 0,
        deleted: 0,
        error: loaded.as_ref().err().map(ToString::to_string),
    };
    keep_run(lake, &state.own_folder, &run).await;
}

/// Rows stay where they are; only the record of the table changes.
async fn adopt(context: &mut Context<'_>, args: &LoadArgs, settings: &Settings, started_us: i64) -> Result<(), Failure> {
    let table: TableName = args.table.parse()?;
    let at = parse_dump_moment(&args.at, parse_zone(args.timezone.as_deref())?).map_err(|e| e.with("option", "--at"))?;
    if at.at_us > started_us {
        return Err(Error::usage("the table cannot have been like this in the future").with("option", "--at").into());
    }
    let lake = open_lake(&settings.lake, &context.env).await?;
    let source = settings.sources.values().find(|source| source.feeds(&table));
    let mut of_table = settings.table(&table);
    of_table.keys = args.schema.keys.clone().or(of_table.keys);
    let of_table = job::table_settings(&of_table, source.and_then(|source| source.keys.as_ref()), settings.table_format);
    adopt_table(&lake, &table, at.at_us, &of_table, &job::limits(&settings.limits)).await?;
    context.printer.note(&format!("{table} is taken over as it is; its state counts from {}.", args.at));
    Ok(())
}

fn load_request(request: &DumpRequest) -> Result<LoadRequest> {
    let tables = BTreeMap::from([(request.table.clone(), request.settings.clone())]);
    let schema = job::schema(&request.schema, &tables)?;
    let except_columns = schema.ddl.as_ref().map(|ddl| ddl.computed_columns(&request.table).to_vec()).unwrap_or_default();
    let general = DumpOptions { timezone: request.timezone, except_columns };
    Ok(LoadRequest {
        table: request.table.clone(),
        paths: request.paths.clone(),
        format: job::dump_format(&request.format, general),
        at: request.at,
        schema,
        settings: job::table_settings(&request.settings, None, request.settings.table_format.unwrap_or_default()),
        existing: match request.disagreement {
            Disagreement::Refuse => Existing::Refuse,
            Disagreement::Supersede => Existing::Supersede,
        },
        limits: job::limits(&request.limits),
    })
}
