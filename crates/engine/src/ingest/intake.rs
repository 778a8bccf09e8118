//! One table while its source is read: events are gathered until a batch is full, then logged and, where asked for, merged.

use std::sync::Arc;

use waterline_core::change::ChangeBatch;
use waterline_core::decode::{Change, DecodeSettings};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::normalise::{ChangeBuilder, Pushed, RecordAt, RunState};
use waterline_core::positions::{FilePosition, FileVersion, SourcePositions};
use waterline_core::record::{LogHeader, log_header};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;
use waterline_core::transactions::Atomicity;

use super::lines::Cursor;
use super::records::Records;
use super::report::TableReport;
use super::{Mode, OnError};
use crate::bytes_in::InputFile;
use crate::lake::{Lake, Limits};
use crate::log::{LogEntry, Logged, Progress, is_news, log, misplaced, read_positions};
use crate::merge::{Pair, catch_up};
use crate::quarantine::{BadRecord, Quarantine};
use crate::tables::{grow_pair, with_declarations};

pub(super) struct Intake {
    lake: Lake,
    table: TableName,
    pair: Pair,
    settings: IntakeSettings,
    declared: Option<TableSchema>,
    builder: ChangeBuilder,
    /// What reading goes on from.
    header: LogHeader,
    positions: SourcePositions,
    /// Whether some of them are not in the header's.
    has_new_positions: bool,
    run: RunState,
    /// How far the file at hand was read before this job.
    skip_to: Option<FilePosition>,
    /// Where that ended, once it is reached.
    skipped_bytes: Option<u64>,
    bad: Vec<BadRecord>,
    /// Of the events logged and gathered.
    domains: Vec<Arc<str>>,
    /// Behind the events gathered, while there are several domains.
    records: Records,
    /// Changes taken whose transaction may be logged under more than one time.
    torn: u64,
    /// Reads of the snapshot run that the last event ended.
    ended_run: Option<u64>,
    pub state: IntakeState,
    pub report: TableReport,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct IntakeSettings {
    pub mode: Mode,
    pub on_error: OnError,
    pub limits: Limits,
}

/// Whether a table still takes events.
#[derive(Debug)]
pub(super) enum IntakeState {
    Open,
    /// Another process logged meanwhile: reading starts over from its position.
    Moved,
    Failed(Error),
}

impl Intake {
    pub(super) async fn open(
        lake: &Lake,
        table: &TableName,
        pair: Pair,
        declared: Option<TableSchema>,
        decode: &DecodeSettings,
        settings: IntakeSettings,
    ) -> Result<Self> {
        if let Some(declared) = &declared {
            grow_pair(&pair, declared).await.map_err(|e| e.with("table", table))?;
        }
        let mirror = pair.mirror.head().await?;
        let schema = with_declarations(&mirror, declared.as_ref())?;
        let header = log_header(&pair.changelog.head().await?)?;
        let positions = read_positions(lake, &header).await?;
        Ok(Self {
            lake: lake.clone(),
            table: table.clone(),
            builder: ChangeBuilder::new(&schema, decode)?,
            pair,
            settings,
            declared,
            positions,
            has_new_positions: false,
            run: RunState::default(),
            skip_to: None,
            skipped_bytes: None,
            bad: Vec::new(),
            domains: header.sequence_max.domains().map(Arc::from).collect(),
            records: Records::default(),
            torn: 0,
            header,
            ended_run: None,
            state: IntakeState::Open,
            report: TableReport::new(table, &mirror),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, IntakeState::Open)
    }

    pub(super) fn has_read(&self, file: &InputFile) -> bool {
        let now = FileVersion { size_bytes: file.size_bytes, mark: file.mark.clone(), complete: true };
        self.positions.is_done(&file.url, &now)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.builder.memory_bytes() + self.records.memory_bytes()
    }

    /// Bytes of a file that earlier jobs read.
    pub(super) fn read_bytes(&self, file: &InputFile) -> u64 {
        self.positions.files.get(&file.url).map_or(0, |position| position.offset_bytes)
    }

    /// How the changelog stands.
    pub(super) fn header(&self) -> &LogHeader {
        &self.header
    }

    pub(super) fn begin_file(&mut self, file: &InputFile) {
        self.skip_to = self.positions.files.get(&file.url).cloned();
        self.skipped_bytes = None;
        self.run = self.skip_to.as_ref().map_or_else(|| self.run.for_next_file(), |position| position.run.clone());
    }

    /// Whether the line that ends at the cursor was read before. Checks the bytes before the old position on reaching it.
    pub(super) fn skips(&mut self, cursor: &Cursor, file: &InputFile) -> Result<bool> {
        let Some(known) = &self.skip_to else { return Ok(self.skipped_bytes.is_some_and(|bytes| cursor.offset_bytes <= bytes)) };
        if cursor.offset_bytes < known.offset_bytes {
            return Ok(true);
        }
        if cursor.offset_bytes != known.offset_bytes || cursor.prefix_hash() != known.prefix_hash {
            return Err(Error::bad_input("the file changed before the position up to which it was read; files may only be appended to")
                .with("file", &file.url));
        }
        self.skipped_bytes = Some(known.offset_bytes);
        self.skip_to = None;
        Ok(true)
    }

    pub(super) fn end_file(&mut self, file: &InputFile, cursor: &Cursor) -> Result<()> {
        if self.skip_to.as_ref().is_some_and(|known| known.offset_bytes > cursor.offset_bytes) {
            return Err(
                Error::bad_input("the file is shorter than when it was read; files may only be appended to").with("file", &file.url)
            );
        }
        self.skip_to = None;
        self.mark_position(file, cursor, true);
        Ok(())
    }

    fn mark_position(&mut self, file: &InputFile, cursor: &Cursor, complete: bool) {
        let position = cursor.position(file, complete, self.run.clone());
        self.has_new_positions |= !cursor.is_blank() && self.positions.files.get(&file.url) != Some(&position);
        self.positions.files.insert(file.url.clone(), position);
    }

    /// Takes files for read that were, when nobody knew of this table yet.
    pub(super) fn has_nothing_in(&mut self, files: &[(String, FilePosition)]) {
        for (url, position) in files {
            self.positions.files.entry(url.clone()).or_insert_with(|| position.clone());
            self.has_new_positions = true;
        }
    }

    /// Takes a change. The cursor stands before its line, so that a batch that is full ends there.
    pub(super) async fn push(
        &mut self,
        change: &Change<'_>,
        atomicity: Atomicity,
        line: &[u8],
        file: &InputFile,
        before: &Cursor,
        decode: &DecodeSettings,
    ) {
        self.report.rows_read += 1;
        let at = RecordAt { file: &file.url, record: before.records + 1 };
        self.meet_domain(change, file, before).await;
        let pushed = self.push_growing(change, at, line, file, before, decode).await;
        let Err(error) = pushed else {
            self.torn += u64::from(atomicity == Atomicity::Torn);
            return;
        };
        let error = if error.context().iter().any(|(key, _)| *key == "record") {
            error
        } else {
            error.with("file", at.file).with("record", at.record)
        };
        self.reject(error.with("table", &self.table), line, file, before).await;
    }

    /// A record that cannot be taken: aside, or the end of this table's part of the job.
    pub(super) async fn reject(&mut self, error: Error, line: &[u8], file: &InputFile, before: &Cursor) {
        let is_bad_record = matches!(error.kind(), ErrorKind::BadInput | ErrorKind::SchemaChange);
        if is_bad_record && self.settings.on_error != OnError::Stop {
            self.bad.push(BadRecord::new(&file.url, before.records + 1, before.next_line_bytes(), line, &error));
            self.positions.run.break_off();
            return;
        }
        if error.kind() == ErrorKind::SchemaChange {
            // The batch ends before the record whose schema cannot be taken.
            self.flush(Some((file, before)), Progress::default()).await;
        }
        self.fail(error);
    }

    async fn push_growing(
        &mut self,
        change: &Change<'_>,
        at: RecordAt<'_>,
        line: &[u8],
        file: &InputFile,
        before: &Cursor,
        decode: &DecodeSettings,
    ) -> Result<()> {
        for _ in 0..2 {
            if !self.is_open() {
                return Ok(());
            }
            let first = self.builder.len();
            match self.builder.push(change, at, &mut self.run)? {
                Pushed::Added => {
                    if self.domains.len() > 1 {
                        self.records.push(file, before, line, first..self.builder.len());
                    }
                    // Positions that are made of columns differ from read to read.
                    if decode.sequence_by.is_empty() {
                        self.ended_run = self.positions.run.read(change.snapshot(), self.run.position());
                    }
                    return Ok(());
                }
                Pushed::Grow(schema) => self.grow(&schema, file, before, decode).await?,
            }
        }
        Err(Error::internal("a table does not hold a record's columns even after it grew"))
    }

    /// A second domain begins a batch: from then on events may turn out to have no place in the table's order.
    async fn meet_domain(&mut self, change: &Change<'_>, file: &InputFile, before: &Cursor) {
        let domain = self.builder.domain(change);
        if self.domains.contains(&domain) {
            return;
        }
        if self.domains.len() == 1 && !self.builder.is_empty() {
            self.flush(Some((file, before)), Progress::default()).await;
        }
        self.domains.push(domain);
    }

    /// Ends the batch and changes the schema of both tables.
    pub(super) async fn grow(&mut self, schema: &TableSchema, file: &InputFile, before: &Cursor, decode: &DecodeSettings) -> Result<()> {
        self.flush(Some((file, before)), Progress::default()).await;
        if !self.is_open() {
            return Ok(());
        }
        let state = grow_pair(&self.pair, schema).await?;
        self.declared = Some(match &self.declared {
            Some(declared) => declared.evolve(schema).ok().flatten().unwrap_or_else(|| declared.clone()),
            None => schema.clone(),
        });
        self.builder = ChangeBuilder::new(&with_declarations(&state, Some(schema))?, decode)?;
        Ok(())
    }

    /// The schema that the source says the table has now, by an event of its own.
    pub(super) async fn adopt_schema(&mut self, schema: &TableSchema, file: &InputFile, before: &Cursor, decode: &DecodeSettings) {
        let current = self.pair.mirror.head().await.and_then(|state| waterline_core::format::table_schema(&state));
        let grown = match current.and_then(|current| current.evolve(schema)) {
            Ok(None) => return,
            Ok(Some(_)) => self.grow(schema, file, before, decode).await,
            Err(error) => Err(error),
        };
        if let Err(error) = grown {
            let error = error.with("file", &file.url).with("record", before.records + 1).with("table", &self.table);
            self.reject(error, &[], file, before).await;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        // A batch ends with a run of snapshot reads, so that the mirror then holds just the run.
        self.ended_run.is_some()
            || self.builder.len() >= self.settings.limits.batch_rows
            || self.memory_bytes() >= self.settings.limits.batch_bytes
    }

    /// Logs what was gathered, and merges it where asked for.
    pub(super) async fn flush(&mut self, at: Option<(&InputFile, &Cursor)>, progress: Progress) {
        if !self.is_open() {
            return;
        }
        if let Some((file, cursor)) = at.filter(|_| self.skip_to.is_none()) {
            self.mark_position(file, cursor, false);
        }
        if let Err(error) = self.try_flush(progress, at.is_none()).await {
            self.fail(error.with("table", &self.table));
        }
    }

    async fn try_flush(&mut self, progress: Progress, is_end: bool) -> Result<()> {
        let events = self.builder.finish()?;
        let entry = LogEntry {
            events: self.without_misplaced(events).await?,
            planned_on: self.header.clone(),
            positions: self.positions.clone(),
            progress,
            quarantined: if self.settings.on_error == OnError::QuarantineAgain { 0 } else { self.bad.len() as u64 },
            torn: std::mem::take(&mut self.torn),
            ended_run: self.ended_run.take(),
        };
        let bad = std::mem::take(&mut self.bad);
        let put_aside = bad.len() as u64;
        if !bad.is_empty() {
            Quarantine::of(&self.lake, &self.pair.mirror.head().await?).put(bad).await?;
        }
        // At the end of a job it is news, too, that files were read which hold nothing for the table: else each job reads them.
        let has_news = is_news(&self.header, &entry) || is_end && self.has_new_positions;
        if !has_news {
            self.report.quarantined += put_aside;
            return Ok(());
        }
        let started = self.lake.env.clock.now_us();
        let logged = match log(&self.lake, &self.pair.changelog, &entry).await? {
            Logged::Moved => {
                self.state = IntakeState::Moved;
                return Ok(());
            }
            Logged::Committed(batch) => batch,
        };
        self.report.quarantined += put_aside;
        self.report.logged(&self.header, &logged, self.lake.env.clock.now_us() - started);
        self.header = logged.header.clone();
        self.has_new_positions = false;
        if self.settings.mode == Mode::Merge {
            self.report.merged(catch_up(&self.lake, &self.pair, Some(&logged), &self.settings.limits).await?);
        }
        Ok(())
    }

    /// Puts aside the records of events that have no place in the table's order, or fails with the first of them.
    async fn without_misplaced(&mut self, events: ChangeBatch) -> Result<ChangeBatch> {
        let records = std::mem::take(&mut self.records);
        let mut misplaced = misplaced(&self.lake, &self.pair.changelog, &self.header, &events).await?;
        if misplaced.is_empty() {
            return Ok(events);
        }
        if self.settings.on_error == OnError::Stop {
            return Err(records.place(misplaced.swap_remove(0)));
        }
        let (events, bad) = records.take_out(&misplaced, &events)?;
        self.bad.extend(bad);
        self.positions.run.break_off();
        self.ended_run = None;
        Ok(events)
    }

    /// Merges what earlier jobs only logged.
    pub(super) async fn merge_rest(&mut self) {
        if !self.is_open() || self.settings.mode != Mode::Merge {
            return;
        }
        match catch_up(&self.lake, &self.pair, None, &self.settings.limits).await {
            Ok(counts) => self.report.merged(counts),
            Err(error) => self.fail(error.with("table", &self.table)),
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        if self.is_open() {
            self.state = IntakeState::Failed(error);
        }
    }
}
