//! Status for people: what fits a line of a terminal, and below it what needs their attention.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use waterline_core::error::Result;
use waterline_core::text::{Zone, format_timestamp};
use waterline_engine::runs::TableRun;

use super::{Facts, Row};
use crate::printer::counted;

const SECOND_US: i64 = 1_000_000;

pub(super) fn batch(rows: &[Row], now_us: i64) -> Result<RecordBatch> {
    let number =
        |value: fn(&Facts) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(|row| row.fact(value)).collect::<Int64Array>()) };
    // Whole seconds, towards the inside of what can be answered.
    let seconds = |value: fn(&Facts) -> Option<i64>| -> ArrayRef {
        let text = |us: i64| format_timestamp(us - us.rem_euclid(SECOND_US), Zone::Utc).to_string();
        Arc::new(rows.iter().map(|row| row.fact(value).map(text)).collect::<StringArray>())
    };
    let runs = rows.iter().map(|row| row.fact(|facts| facts.runs.newest().map(|run| last_run(run, now_us))));
    Ok(RecordBatch::try_from_iter([
        ("table", Arc::new(rows.iter().map(|row| Some(row.table.to_string())).collect::<StringArray>()) as ArrayRef),
        ("rows", number(Facts::total_rows)),
        ("lag", number(|facts| Some(facts.lag()))),
        ("complete_until", seconds(|facts| facts.log.watermark_us)),
        ("earliest", seconds(|facts| Some(facts.earliest_us()? + SECOND_US - 1))),
        ("last_run", Arc::new(runs.collect::<StringArray>())),
        ("late", number(|facts| i64::try_from(facts.log.counts.late).ok())),
        ("quarantined", number(|facts| i64::try_from(facts.quarantined).ok())),
    ])?)
}

/// A line for each table that cannot be read, whose last job failed, or whose answers are not whole.
pub(super) fn troubles(rows: &[Row], now_us: i64) -> String {
    let mut out = String::new();
    for row in rows {
        let newest = row.facts.as_ref().map(|facts| facts.runs.newest());
        let _ = match newest {
            Err(error) => writeln!(out, "{}: {error}", row.table),
            Ok(Some(TableRun { verb, ended_us, error: Some(error), .. })) => {
                writeln!(out, "{}: {verb} failed {}: {error}", row.table, age(now_us - ended_us))
            }
            Ok(_) => Ok(()),
        };
        if let Some(torn) = row.fact(|facts| Some(facts.log.counts.torn)).filter(|torn| *torn > 0) {
            let _ = writeln!(out, "{}: {} of transactions that a moment may show in part", row.table, counted(torn, "event"));
        }
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

fn last_run(run: &TableRun, now_us: i64) -> String {
    let age = age(now_us - run.ended_us);
    if run.error.is_some() { format!("FAILED {age}") } else { age }
}

/// `3m ago`, in the largest unit of which it is at least one.
fn age(elapsed_us: i64) -> String {
    let seconds = elapsed_us.max(0) / SECOND_US;
    let (count, unit) = match seconds {
        ..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "m"),
        3_600..86_400 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count}{unit} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_their_largest_unit() {
        let of = |seconds: i64| age(seconds * SECOND_US);
        assert_eq!(
            [-5, 0, 59, 60, 3_599, 3_600, 86_399, 86_400 * 3].map(of),
            ["0s", "0s", "59s", "1m", "59m", "1h", "23h", "3d"].map(|age| format!("{age} ago"))
        );
    }
}
