//! `history`: the snapshots of a table, newest first.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use waterline_core::error::{Error, Result};
use waterline_core::format::{TableState, VersionId, VersionInfo};
use waterline_core::record::{Kind, RECORD, Record};

use crate::args::{OutputFormat, TableArgs};
use crate::context::Context;
use crate::failure::Failure;

const OWN_TAGS: &str = "waterline/";

pub(crate) async fn run(context: &mut Context<'_>, args: &TableArgs) -> Result<(), Failure> {
    let state = context.head(&args.table).await?;
    let history = history(&state)?;
    match context.printer.format() {
        OutputFormat::Table => context.printer.batch(&brief(&history)?),
        OutputFormat::Json | OutputFormat::Csv => context.printer.batch(&history),
    }
}

/// What fits a terminal. The newest moment of the source in a snapshot is that of its events or of its dump; tags that Waterline
/// sets for itself are long, and `kind` says what they mark.
fn brief(history: &RecordBatch) -> Result<RecordBatch> {
    let column = |name: &str| history.column_by_name(name).cloned().ok_or_else(|| Error::internal("the history lacks a column"));
    let (events, baselines) = (column("event_time_max")?, column("baseline_at")?);
    let moments = events.as_primitive::<TimestampMicrosecondType>().iter().zip(baselines.as_primitive::<TimestampMicrosecondType>());
    let as_of: TimestampMicrosecondArray = moments.map(|(event, baseline)| event.max(baseline)).collect();
    let refs = column("refs")?;
    let others = |refs: &str| refs.split(", ").filter(|name| !name.starts_with(OWN_TAGS)).collect::<Vec<_>>().join(", ");
    let others: StringArray = refs.as_string::<i32>().iter().map(|refs| refs.map(others).filter(|refs| !refs.is_empty())).collect();
    Ok(RecordBatch::try_from_iter([
        ("snapshot_id", column("snapshot_id")?),
        ("committed_at", column("committed_at")?),
        ("kind", column("kind")?),
        ("as_of", Arc::new(as_of.with_timezone("UTC")) as ArrayRef),
        ("added_rows", column("added_rows")?),
        ("total_rows", column("total_rows")?),
        ("refs", Arc::new(others)),
    ])?)
}

fn history(state: &TableState) -> Result<RecordBatch> {
    let lineage: HashSet<VersionId> = state.lineage().map(|info| info.version).collect();
    let rows: Vec<Row<'_>> = state.history.iter().rev().map(|info| Row::new(state, info, &lineage)).collect();
    let text = |value: fn(&Row<'_>) -> Option<String>| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<StringArray>()) };
    let number = |value: fn(&Row<'_>) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<Int64Array>()) };
    let moment = |value: fn(&Row<'_>) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    Ok(RecordBatch::try_from_iter([
        ("snapshot_id", number(|row| Some(row.info.version.0))),
        ("parent_id", number(|row| row.info.parent.map(|parent| parent.0))),
        ("committed_at", moment(|row| row.info.committed_at_ms.checked_mul(1000))),
        ("operation", text(|row| Some(row.info.operation.as_str().into()))),
        ("kind", text(|row| row.record.as_ref().map(|record| kind_name(record.kind).into()))),
        ("is_current_ancestor", Arc::new(rows.iter().map(|row| Some(row.is_ancestor)).collect::<BooleanArray>()) as ArrayRef),
        ("refs", text(|row| (!row.refs.is_empty()).then(|| row.refs.join(", ")))),
        ("folded_batch", number(|row| row.record.as_ref().map(|record| record.folded.0))),
        ("event_time_max", moment(|row| row.record.as_ref()?.event_time_max_us)),
        ("baseline_at", moment(|row| row.record.as_ref()?.baseline.at_us)),
        ("added_rows", number(|row| row.summary("added-records"))),
        ("total_rows", number(|row| live_rows(row.info))),
        ("added_files", number(|row| row.summary("added-data-files"))),
        ("deleted_files", number(|row| row.summary("deleted-data-files"))),
        ("added_bytes", number(|row| row.summary("added-files-size"))),
    ])?)
}

/// Rows of a snapshot. Its summary counts those in data files, deleted ones too; unknown where equality deletes may hide some.
pub(super) fn live_rows(info: &VersionInfo) -> Option<i64> {
    let count = |key| info.summary.get(key).map_or(Some(0), |text| text.parse::<i64>().ok());
    let stored = info.summary.get("total-records")?.parse::<i64>().ok()?;
    (count("total-equality-deletes") == Some(0)).then_some(())?;
    Some(stored - count("total-position-deletes")?)
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Baseline => "baseline",
        Kind::Merge => "merge",
        Kind::Compaction => "compaction",
        Kind::Rollback => "rollback",
        Kind::Trim => "trim",
    }
}

struct Row<'a> {
    info: &'a VersionInfo,
    /// Absent in other writers' snapshots.
    record: Option<Record>,
    refs: Vec<String>,
    is_ancestor: bool,
}

impl<'a> Row<'a> {
    fn new(state: &TableState, info: &'a VersionInfo, lineage: &HashSet<VersionId>) -> Self {
        Self {
            info,
            record: info.summary.get(RECORD).and_then(|json| serde_json::from_str(json).ok()),
            refs: state.refs.iter().filter(|(_, to)| to.version == info.version).map(|(name, _)| name.clone()).collect(),
            is_ancestor: lineage.contains(&info.version),
        }
    }

    fn summary(&self, key: &str) -> Option<i64> {
        self.info.summary.get(key)?.parse().ok()
    }
}
