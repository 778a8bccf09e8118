//! `compact`: small files and deletes of a table into fewer files.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use waterline_core::error::Result;
use waterline_core::maintain::compact::{FileGroup, Place};
use waterline_core::partition::PartitionField;
use waterline_engine::maintain::compact::{Planned, Report, execute, plan};

use super::upkeep::Step;
use crate::args::CompactArgs;
use crate::commands::files::partition;
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_lake;
use crate::printer::counted;
use crate::settings::request::CompactRequest;

const COMPACT: &str = "compact";
const DANGLING: &str = "delete files that apply to nothing";

pub(crate) async fn run(context: &mut Context<'_>, args: &CompactArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let CompactRequest { table, request } = CompactRequest::resolve(args, &settings)?;
    let lake = open_lake(&settings.lake, &context.env).await?;
    let tables = plan(&lake, &table, &request).await?;
    if args.dry_run {
        for planned in &tables {
            left(context, &planned.format.name().to_string(), planned.plan.left_files as u64);
        }
        return context.printer.batch(&groups(&tables)?);
    }
    let mut reports = Vec::new();
    for planned in tables {
        let report = execute(&lake, planned, &request).await?;
        for group in &report.given_up {
            context.printer.note(&format!("{}: {} stay as they are: {}", report.table, counted(group.files, "file"), group.why));
        }
        left(context, &report.table.to_string(), report.left_files);
        reports.push(report);
    }
    context.printer.batch(&done(&reports)?)
}

fn left(context: &mut Context<'_>, table: &str, files: u64) {
    if files > 0 {
        context.printer.note(&format!("{table}: {} more are due, beyond --max-bytes", counted(files, "file")));
    }
}

/// A step for each file group, and for what else is due of a table of which something is.
pub(super) fn steps_of_plan(planned: &Planned) -> Vec<Step> {
    let table = planned.format.name();
    let step = |group: &FileGroup| {
        let step = Step { rows: group.rows(), ..Step::of(table, COMPACT, group.why.as_str()) };
        step.with_files(group.files.len() as u64, group.bytes())
    };
    let mut steps: Vec<Step> = planned.plan.groups.iter().map(step).collect();
    let dangling = planned.leftovers.dangling_deletes.len() as u64;
    if dangling > 0 {
        steps.push(Step::of(table, COMPACT, DANGLING).with_files(dangling, 0));
    }
    if steps.is_empty() {
        steps.push(Step::of(table, COMPACT, "many small lists of files"));
    }
    steps
}

/// What was done, with what it was done to; then what stays as it is.
pub(super) fn steps_of(report: &Report) -> Vec<Step> {
    let (before, after) = (report.before, report.after);
    let what = match before.files {
        0 => "metadata only".to_owned(),
        _ => format!("into {}, {} bytes, {}", counted(after.files, "file"), after.bytes, counted(after.rows, "row")),
    };
    let step = Step { rows: before.rows, is_something: report.commits > 0, ..Step::of(&report.table, COMPACT, what) };
    let mut steps = vec![step.with_files(before.files, before.bytes)];
    steps.extend(report.given_up.iter().map(|group| Step::of(&report.table, "skip", group.why).with_files(group.files, group.bytes)));
    steps
}

/// A row for each file group, and for what else is due.
fn groups(tables: &[Planned]) -> Result<RecordBatch> {
    let mut rows: Vec<GroupRow> = Vec::new();
    for planned in tables {
        let table = planned.format.name().to_string();
        rows.extend(planned.plan.groups.iter().map(|group| GroupRow::of(&table, group, planned)));
        let dangling = planned.leftovers.dangling_deletes.len();
        if dangling > 0 {
            rows.push(GroupRow { table, why: DANGLING.into(), files: dangling as u64, ..GroupRow::default() });
        }
    }
    let text = |of: fn(&GroupRow) -> Option<&str>| Arc::new(rows.iter().map(of).collect::<StringArray>()) as ArrayRef;
    let number = |of: fn(&GroupRow) -> u64| Arc::new(rows.iter().map(|row| Some(of(row))).collect::<UInt64Array>()) as ArrayRef;
    Ok(RecordBatch::try_from_iter([
        ("table", text(|row| Some(&row.table))),
        ("why", text(|row| Some(&row.why))),
        ("partition", text(|row| row.partition.as_deref())),
        ("files", number(|row| row.files)),
        ("bytes", number(|row| row.bytes)),
        ("rows", number(|row| row.rows)),
        ("deleted_rows", number(|row| row.deleted_rows)),
    ])?)
}

#[derive(Default)]
struct GroupRow {
    table: String,
    why: String,
    partition: Option<String>,
    files: u64,
    bytes: u64,
    rows: u64,
    deleted_rows: u64,
}

impl GroupRow {
    fn of(table: &str, group: &FileGroup, planned: &Planned) -> Self {
        let of_place = |values: &Vec<_>| {
            let fields: Vec<(PartitionField, _)> = planned.state.partition_by.iter().cloned().zip(values.iter().cloned()).collect();
            partition(&fields)
        };
        Self {
            table: table.to_owned(),
            why: group.why.as_str().to_owned(),
            partition: match &group.place {
                Place::Partition(values) => of_place(values),
                Place::EachRow => None,
            },
            files: group.files.len() as u64,
            bytes: group.bytes(),
            rows: group.rows(),
            deleted_rows: group.deleted_rows(),
        }
    }
}

type Count = fn(&Report) -> u64;

/// A row for each table.
fn done(reports: &[Report]) -> Result<RecordBatch> {
    let tables: StringArray = reports.iter().map(|report| Some(report.table.to_string())).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("table", Arc::new(tables))];
    let numbers: [(&str, Count); 10] = [
        ("commits", |report| report.commits),
        ("files_before", |report| report.before.files),
        ("files_after", |report| report.after.files),
        ("bytes_before", |report| report.before.bytes),
        ("bytes_after", |report| report.after.bytes),
        ("rows_before", |report| report.before.rows),
        ("rows_after", |report| report.after.rows),
        ("carried_deletes", |report| report.carried_deletes),
        ("given_up_files", |report| report.given_up.iter().map(|group| group.files).sum()),
        ("left_files", |report| report.left_files),
    ];
    for (name, of) in numbers {
        columns.push((name, Arc::new(reports.iter().map(|report| Some(of(report))).collect::<UInt64Array>())));
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}
