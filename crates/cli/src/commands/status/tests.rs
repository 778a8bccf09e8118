use arrow::array::AsArray;

use waterline_core::error::Error;

use super::*;

#[test]
fn a_table_that_cannot_be_read_has_its_row_with_the_reason() {
    let good = Row { table: "a.x".parse().unwrap(), facts: Ok(Facts::default()) };
    let bad = Row { table: "a.y".parse().unwrap(), facts: Err(Error::corrupt("no metadata")) };
    let rows = [good, bad];
    let batch = batch(&rows).unwrap();
    let expected: ArrayRef = Arc::new(StringArray::from(vec![None, Some("no metadata")]));
    assert_eq!(batch.column_by_name("error").unwrap(), &expected);
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), None]));
    assert_eq!(batch.column_by_name("lag_batches").unwrap(), &expected);
    assert_eq!(terminal::troubles(&rows, 0), "\na.y: no metadata\n");
}

fn run(ended_us: i64, error: Option<&str>) -> TableRun {
    let error = error.map(str::to_owned);
    TableRun { verb: "merge".into(), started_us: 0, ended_us, rows_read: 0, inserted: 0, updated: 0, deleted: 0, error }
}

#[test]
fn a_failure_is_shown_to_people_until_a_later_job_succeeds() {
    let row = |done_us: i64| {
        let runs = LastRuns { done: Some(run(done_us, None)), failed: Some(run(2_000_000, Some("no such file"))) };
        [Row { table: "a.x".parse().unwrap(), facts: Ok(Facts { runs, ..Facts::default() }) }]
    };
    let cell = |batch: RecordBatch, name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    let (failed, recovered) = (row(1_000_000), row(3_000_000));
    assert_eq!(cell(terminal::batch(&failed, 62_000_000).unwrap(), "last_run"), "FAILED 1m ago");
    assert_eq!(terminal::troubles(&failed, 62_000_000), "\na.x: merge failed 1m ago: no such file\n");
    assert_eq!(cell(terminal::batch(&recovered, 5_000_000).unwrap(), "last_run"), "2s ago");
    assert_eq!(terminal::troubles(&recovered, 5_000_000), "");
    assert_eq!(cell(batch(&recovered).unwrap(), "last_error"), "no such file");
    assert_eq!(cell(batch(&recovered).unwrap(), "last_run_outcome"), "done");
}

#[test]
fn torn_transactions_are_told_to_people_and_machines() {
    let mut facts = Facts::default();
    facts.log.counts.torn = 3;
    let rows = [Row { table: "a.x".parse().unwrap(), facts: Ok(facts) }];
    assert_eq!(terminal::troubles(&rows, 0), "\na.x: 3 events of transactions that a moment may show in part\n");
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![3]));
    assert_eq!(batch(&rows).unwrap().column_by_name("torn").unwrap(), &expected);
}
