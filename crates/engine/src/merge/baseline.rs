//! Baselines that are not loaded from a dump: a complete run of snapshot reads, and a table taken over from another
//! writer (DESIGN.md rules 7 and 11).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;
use waterline_core::change::{ChangeBatch, OP, Op};
use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, Commit, FilePruner, FileSummary, NewDataFile, Operation, Removal, TableFormat, TableState};
use waterline_core::record::{Baseline, Kind, RECORD, Record, RunBaseline, SnapshotRun, log_header, record_of};
use waterline_core::sequence::position_of;
use waterline_core::value::Value;

use super::Pair;
use crate::commit::{Attempt, attempt};
use crate::lake::Lake;
use crate::parquet_io::{Rows, TableColumns};
use crate::read::Deletes;
use crate::write::DataWriter;

/// Makes the run the mirror's baseline. Where the mirror holds just the run, its rows stay; else they are written anew,
/// and everything newer is folded again. A lost race leaves the decision to the caller's next look.
pub(super) async fn take_run(lake: &Lake, pair: &Pair, base: &TableState, record: &Record, run: &SnapshotRun) -> Result<()> {
    let holds_just_the_run = record.is_initial() && live_rows(lake, &pair.mirror, base).await? == run.reads;
    let baseline = |upto| Baseline {
        at_us: Some(run.at_us),
        until_us: None,
        anchor: Some(anchor_of(run.at_us)),
        run: Some(RunBaseline { domain: run.domain.clone(), position: run.position.clone(), upto }),
    };
    if holds_just_the_run {
        let record = Record { kind: Kind::Baseline, baseline: baseline(record.folded), ..record.clone() };
        return commit(lake, &pair.mirror, base, &record, Vec::new(), Removal::Nothing).await;
    }
    let log = pair.changelog.head().await?;
    let add = write_run(lake, pair, &log, base, run).await?;
    let baseline = baseline(log_header(&log)?.batch);
    let record = Record { kind: Kind::Baseline, lineage: record.lineage, baseline, ..Record::initial() };
    commit(lake, &pair.mirror, base, &record, add, Removal::All).await
}

/// Takes the rows that a table has now as its baseline, of a known moment or of an unknown one.
pub(crate) async fn adopt(lake: &Lake, mirror: &Arc<dyn TableFormat>, base: &TableState, at_us: Option<i64>) -> Result<()> {
    let version =
        base.version.ok_or_else(|| Error::not_found("the table is empty; there is nothing to adopt").with("table", mirror.name()))?;
    let lineage = record_of(base)?.map_or(1, |record| record.lineage);
    let anchor = at_us.map_or_else(|| format!("waterline/adopted-{}", version.0), anchor_of);
    let baseline = Baseline { at_us, until_us: None, anchor: Some(anchor), run: None };
    let record = Record { kind: Kind::Baseline, lineage, baseline, ..Record::initial() };
    commit(lake, mirror, base, &record, Vec::new(), Removal::Nothing).await
}

/// Tag of the anchor of a baseline.
pub(crate) fn anchor_of(at_us: i64) -> String {
    format!("waterline/baseline-{at_us}")
}

async fn commit(
    lake: &Lake,
    mirror: &Arc<dyn TableFormat>,
    base: &TableState,
    record: &Record,
    add: Vec<NewDataFile>,
    remove: Removal,
) -> Result<()> {
    let json = record.to_json()?;
    let keeps_rows = remove == Removal::Nothing;
    let commit = Commit {
        commit_id: lake.env.ids.uuid().to_string(),
        operation: if keeps_rows { Operation::Replace } else { Operation::Overwrite },
        add,
        delete_rows: BTreeMap::new(),
        remove,
        summary: BTreeMap::from([(RECORD.to_owned(), json.clone())]),
        properties: BTreeMap::from([(RECORD.to_owned(), json)]),
        tags: record.baseline.anchor.iter().cloned().collect(),
        now_ms: lake.env.clock.now_ms(),
    };
    match attempt(mirror, base, &commit).await? {
        Attempt::Committed | Attempt::Lost(_) => Ok(()),
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
    let columns = TableColumns::of(log)?;
    let mut writer = DataWriter::new(&lake.env, base)?;
    for file in pair.changelog.data_files(log, &ReadsAt(run.at_us)).await? {
        let opened = lake.files.open_data_file(log, &file).await?;
        let mut batches = opened.read(&columns, Rows::All, 1 << 14).await?;
        while let Some(batch) = batches.try_next().await? {
            let reads = reads_of(run, batch)?;
            writer.write(&reads.source_columns()?).await?;
        }
    }
    writer.finish().await
}

fn reads_of(run: &SnapshotRun, batch: RecordBatch) -> Result<ChangeBatch> {
    let events = ChangeBatch::try_new(batch)?;
    let is_read = |row: usize| {
        events.ops().value(row) == Op::Read.as_str()
            && events.domains().value(row) == run.domain.0
            && position_of(events.sequences().value(row)) == run.position
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
