//! Baselines that are not loaded from a dump: a complete run of snapshot reads, and a table taken over from another
//! writer (DESIGN.md rules 7 and 11).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;
use waterline_core::change::{ChangeBatch, OP, Op};
use waterline_core::error::{Error, Result};
use waterline_core::format::{
    Bounds, Commit, FilePruner, FileSummary, NewDataFile, Operation, Removal, TableFormat, TableState, Target, key_property,
};
use waterline_core::place::anchor_of;
use waterline_core::record::{Baseline, Kind, RECORD, Record, SnapshotRun, log_header, newest_lineage};
use waterline_core::rollbacks::Rollbacks;
use waterline_core::schema::TableSchema;
use waterline_core::sequence::position_of;
use waterline_core::trim::Trim;
use waterline_core::value::Value;

use super::Pair;
use crate::commit::{Attempt, attempt};
use crate::lake::Lake;
use crate::parquet_io::{Rows, TableColumns};
use crate::read::Deletes;
use crate::write::DataWriter;

/// Makes the run the mirror's baseline. Where the mirror holds just the run, its rows stay; else they are written anew,
/// and everything newer is folded again.
pub(super) async fn take_run(lake: &Lake, pair: &Pair, base: &TableState, record: &Record, run: &SnapshotRun) -> Result<()> {
    let holds_just_the_run = record.is_initial() && live_rows(lake, &pair.mirror, base).await? == run.reads;
    let baseline = |upto| Baseline::of_run(run, upto, Some(anchor_of(run.at_us)));
    if holds_just_the_run {
        let record = Record { kind: Kind::Baseline, baseline: baseline(record.folded), ..record.clone() };
        return commit(lake, &pair.mirror, base, &record, BaselineRows::Kept).await;
    }
    let log = pair.changelog.head().await?;
    let add = write_run(lake, pair, &log, base, run).await?;
    let baseline = baseline(log_header(&log)?.batch);
    let record = Record { kind: Kind::Baseline, lineage: record.lineage, baseline, ..Record::initial() };
    commit(lake, &pair.mirror, base, &record, BaselineRows::Replaced(&add)).await
}

/// Takes the rows that a table has now as its baseline, of a known moment or of an unknown one. `keys` are for a table that has
/// none, and else empty.
pub(crate) async fn adopt(
    lake: &Lake,
    mirror: &Arc<dyn TableFormat>,
    base: &TableState,
    at_us: Option<i64>,
    keys: &[String],
) -> Result<()> {
    let version =
        base.version.ok_or_else(|| Error::not_found("the table is empty; there is nothing to adopt").with("table", mirror.name()))?;
    // Fails for a table whose rows we could not write later.
    DataWriter::new(&lake.env, base)?;
    let lineage = newest_lineage(base)?;
    let anchor = at_us.map_or_else(|| format!("waterline/adopted-{}", version.0), anchor_of);
    let baseline = Baseline { at_us, until_us: None, anchor: Some(anchor), run: None };
    let record = Record { kind: Kind::Baseline, lineage, baseline, ..Record::initial() };
    let mut taken = baseline_commit(lake, base, &record, &BaselineRows::Kept)?;
    if !keys.is_empty() {
        TableSchema::new(base.schema.fields().to_vec(), keys.to_vec())?;
        taken.properties.extend([key_property(keys)?]);
    }
    settle(mirror, base, &taken).await
}

/// Late events fold onto the baseline of a trim from now on. The rows stay, since everything that was trimmed is in them.
pub(super) async fn follow(lake: &Lake, pair: &Pair, base: &TableState, record: &Record, trim: &Trim) -> Result<()> {
    if record.folded < trim.settled {
        let error = Error::corrupt("the changelog was trimmed although its events had not all been merged");
        return Err(error.with("table", pair.mirror.name()).with("merged up to batch", record.folded.0));
    }
    let record = Record { kind: Kind::Trim, baseline: trim.baseline(), ..record.clone() };
    commit(lake, &pair.mirror, base, &record, BaselineRows::FoldedUpon).await
}

/// What a baseline does to the rows of the table.
pub(crate) enum BaselineRows<'a> {
    /// They are the baseline's.
    Kept,
    /// They are those of the baseline, whose anchor is there, with later events folded onto it.
    FoldedUpon,
    /// These are there instead.
    Replaced(&'a [NewDataFile]),
    /// Nothing: these lie beside them.
    Aside(&'a [NewDataFile]),
}

/// A snapshot with the record of a baseline. The table has the same record in its properties, but not that of a snapshot aside.
pub(crate) fn baseline_commit(lake: &Lake, base: &TableState, record: &Record, rows: &BaselineRows<'_>) -> Result<Commit> {
    let is_empty = base.version.is_none();
    let (target, operation, add, remove) = match rows {
        BaselineRows::Kept | BaselineRows::FoldedUpon => (Target::Main, Operation::Replace, [].as_slice(), Removal::Nothing),
        BaselineRows::Replaced(add) if is_empty => (Target::Main, Operation::Append, *add, Removal::Nothing),
        BaselineRows::Replaced(add) => (Target::Main, Operation::Overwrite, *add, Removal::All),
        BaselineRows::Aside(add) => (Target::Aside { parent: None }, Operation::Append, *add, Removal::Nothing),
    };
    let recorded = BTreeMap::from([(RECORD.to_owned(), record.to_json()?)]);
    Ok(Commit {
        commit_id: lake.env.ids.uuid().to_string(),
        target,
        operation,
        add: add.to_vec(),
        delete_rows: BTreeMap::new(),
        remove,
        properties: if target == Target::Main { recorded.clone() } else { BTreeMap::new() },
        summary: recorded,
        tags: record.baseline.anchor.iter().filter(|_| !matches!(rows, BaselineRows::FoldedUpon)).cloned().collect(),
        now_ms: lake.env.clock.now_ms(),
    })
}

async fn commit(lake: &Lake, mirror: &Arc<dyn TableFormat>, base: &TableState, record: &Record, rows: BaselineRows<'_>) -> Result<()> {
    settle(mirror, base, &baseline_commit(lake, base, record, &rows)?).await
}

/// A lost race leaves the decision to the caller's next look.
async fn settle(mirror: &Arc<dyn TableFormat>, base: &TableState, commit: &Commit) -> Result<()> {
    match attempt(mirror, base, commit).await? {
        Attempt::Committed(_) | Attempt::Lost(_) => Ok(()),
    }
}

/// Live rows of a state.
pub(super) async fn live_rows(lake: &Lake, mirror: &Arc<dyn TableFormat>, state: &TableState) -> Result<u64> {
    let deletes = Deletes::new(mirror.clone(), state, lake.files.clone())?;
    let mut rows = 0;
    for file in mirror.data_files(state, &waterline_core::format::KeepAll).await? {
        rows += file.record_count - deletes.of(&file).await?.len();
    }
    Ok(rows)
}

/// Writes the rows of a run from the changelog. The log holds each read once.
async fn write_run(lake: &Lake, pair: &Pair, log: &TableState, base: &TableState, run: &SnapshotRun) -> Result<Vec<NewDataFile>> {
    let (columns, header) = (TableColumns::of(log)?, log_header(log)?);
    let mut writer = DataWriter::new(&lake.env, base)?;
    for file in pair.changelog.data_files(log, &ReadsAt(run.at_us)).await? {
        let opened = lake.files.open_data_file(log, &file).await?;
        let mut batches = opened.read(&columns, Rows::All, 1 << 14).await?;
        while let Some(batch) = batches.try_next().await? {
            let reads = reads_of(run, &header.rollbacks, batch)?;
            writer.write(&reads.source_columns()?).await?;
        }
    }
    writer.finish().await
}

fn reads_of(run: &SnapshotRun, rollbacks: &Rollbacks, batch: RecordBatch) -> Result<ChangeBatch> {
    let events = ChangeBatch::try_new(batch)?;
    let batches = events.batches()?;
    let is_read = |row: usize| {
        events.ops().value(row) == Op::Read.as_str()
            && events.domains().value(row) == run.domain.0
            && position_of(events.sequences().value(row)) == run.position
            && !rollbacks.void(batches.value(row))
    };
    let wanted: BooleanArray = (0..events.len()).map(|row| Some(is_read(row))).collect();
    ChangeBatch::try_new(filter_record_batch(events.batch(), &wanted)?)
}

/// Files that may hold reads of a moment.
struct ReadsAt(i64);

impl FilePruner for ReadsAt {
    fn keep(&self, file: &FileSummary) -> bool {
        let outside = |bounds: &Bounds| {
            matches!(bounds.lower, Some(Value::Int(first)) if first > self.0)
                || matches!(bounds.upper, Some(Value::Int(last)) if last < self.0)
        };
        let no_read = |bounds: &Bounds| matches!(&bounds.lower, Some(Value::Text(first)) if first.as_str() > Op::Read.as_str());
        !file.bounds.get(waterline_core::change::EVENT_TIME).is_some_and(outside) && !file.bounds.get(OP).is_some_and(no_read)
    }
}
