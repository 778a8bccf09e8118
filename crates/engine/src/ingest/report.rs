//! What a job did, table by table.

use std::time::Duration;

use serde::Serialize;
use waterline_core::error::Result;
use waterline_core::format::TableState;
use waterline_core::record::LogHeader;
use waterline_core::table::TableName;

use crate::log::LoggedBatch;
use crate::merge::MergeCounts;

/// What was done to one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    pub table: TableName,
    /// URL of the table's folder.
    pub location: String,
    /// URL of the folder for what is kept beside it.
    #[serde(skip)]
    pub own_folder: String,
    /// Records of this table that were read from files.
    pub rows_read: u64,
    pub batches: u64,
    pub events_logged: u64,
    pub repeated: u64,
    pub late: u64,
    pub quarantined: u64,
    /// Events that arrived below the watermark of before.
    pub below_watermark: u64,
    /// Events whose transaction may be logged under more than one time.
    pub torn: u64,
    pub watermark_us: Option<i64>,
    pub log_files: u64,
    pub log_bytes: u64,
    pub log_time: Duration,
    pub merge: MergeCounts,
}

/// One table's outcome.
#[derive(Debug)]
pub struct TableOutcome {
    pub report: TableReport,
    pub result: Result<()>,
}

/// A whole job.
#[derive(Debug, Default)]
pub struct RunReport {
    pub tables: Vec<TableOutcome>,
    pub decode_time: Duration,
    pub bytes_read: u64,
}

impl TableReport {
    pub(super) fn new(table: &TableName, mirror: &TableState) -> Self {
        Self {
            table: table.clone(),
            location: mirror.location.clone(),
            own_folder: mirror.own_folder.clone(),
            rows_read: 0,
            batches: 0,
            events_logged: 0,
            repeated: 0,
            late: 0,
            quarantined: 0,
            below_watermark: 0,
            torn: 0,
            watermark_us: None,
            log_files: 0,
            log_bytes: 0,
            log_time: Duration::ZERO,
            merge: MergeCounts::default(),
        }
    }

    pub(super) fn logged(&mut self, before: &LogHeader, batch: &LoggedBatch, took_us: i64) {
        self.batches += u64::from(!batch.events.is_empty());
        self.events_logged += batch.events.len() as u64;
        self.repeated += batch.repeated;
        self.late += batch.header.counts.late - before.counts.late;
        self.below_watermark += batch.header.counts.below_watermark - before.counts.below_watermark;
        self.torn += batch.header.counts.torn - before.counts.torn;
        self.watermark_us = batch.header.watermark_us;
        self.log_files += batch.files;
        self.log_bytes += batch.bytes;
        self.log_time += Duration::from_micros(took_us.max(0).cast_unsigned());
    }

    pub(super) fn merged(&mut self, counts: MergeCounts) {
        self.merge += counts;
    }
}
