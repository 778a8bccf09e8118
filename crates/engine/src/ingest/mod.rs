//! Ingest: reads the files of a source once, from where the last job ended, and feeds the tables that their events name.

mod intake;
mod landing;
mod lines;
mod records;
mod report;
mod schemas;
mod transactions;
mod watermark;

use std::collections::BTreeMap;
use std::time::Duration;

pub use landing::{LandingFile, list as list_files};
pub use report::{RunReport, TableOutcome, TableReport};
use waterline_core::decode::{Change, ChangeFormat, DecodeSettings, Decoder, Message};
use waterline_core::error::{Error, Result};
use waterline_core::normalise::RunState;
use waterline_core::positions::FilePosition;
use waterline_core::table::TableName;
use waterline_core::transactions::{Atomicity, TransactionTimes};

use self::intake::{Intake, IntakeSettings, IntakeState};
use self::lines::{Cursor, Lines};
pub use self::schemas::SchemaSource;
use self::transactions::learn_file;
use self::watermark::Frontiers;
use crate::bytes_in::InputFile;
use crate::commit::MAX_ATTEMPTS;
use crate::lake::{Lake, Limits};
use crate::log::Progress as LogProgress;
use crate::progress::Progress;
use crate::tables::{TableSettings, open_or_create_pair, open_pair};

/// A source as the configuration or the command line describes it.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    /// Paths or URLs of files and folders; one may hold `{table}`.
    pub paths: Vec<String>,
    pub decode: DecodeSettings,
    pub schema: SchemaSource,
    /// How long after its time an event may arrive. Microseconds.
    pub lateness_us: i64,
    pub tables: TableSelection,
    pub table_settings: BTreeMap<TableName, TableSettings>,
    /// For tables that have none of their own.
    pub default_settings: TableSettings,
}

impl Source {
    /// All tables of the events in `paths`, with everything else as it is by default.
    pub fn new(name: impl Into<String>, format: ChangeFormat, paths: Vec<String>) -> Self {
        let name = name.into();
        let decode = DecodeSettings { source_name: name.clone(), ..DecodeSettings::new(format) };
        Self {
            name,
            paths,
            decode,
            schema: SchemaSource::default(),
            lateness_us: 0,
            tables: TableSelection::Matching { patterns: vec!["*".into()], disabled: Vec::new() },
            table_settings: BTreeMap::new(),
            default_settings: TableSettings::default(),
        }
    }
}

/// Which tables of a source are taken.
#[derive(Clone, Debug)]
pub enum TableSelection {
    /// This one; records that do not say their table are its.
    One(TableName),
    /// Those that match a pattern with `*` and are not switched off.
    Matching { patterns: Vec<String>, disabled: Vec<TableName> },
}

impl TableSelection {
    fn admits(&self, table: &TableName) -> bool {
        match self {
            Self::One(only) => only == table,
            Self::Matching { patterns, disabled } => {
                !disabled.contains(table) && patterns.iter().any(|pattern| matches(pattern, &table.to_string()))
            }
        }
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => {
            text.strip_prefix(start).is_some_and(|text| (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..])))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Log,
    Merge,
}

/// What happens to a record that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Its table ends with an error; the other tables go on.
    Stop,
    Quarantine,
    /// As [`Self::Quarantine`], for records that come from there: the log has counted them.
    QuarantineAgain,
}

/// How a job runs.
#[derive(Clone, Copy, Debug)]
pub struct IngestOptions {
    pub mode: Mode,
    pub on_error: OnError,
    pub limits: Limits,
    /// States that the source is complete until then. Microseconds.
    pub complete_until_us: Option<i64>,
}

impl IngestOptions {
    /// Stops a table at its first bad record.
    pub fn new(mode: Mode) -> Self {
        Self { mode, on_error: OnError::Stop, limits: Limits::default(), complete_until_us: None }
    }
}

/// Reads what is new in a source. Goes on with the other tables when one fails; fails itself when none can be read.
pub async fn ingest(lake: &Lake, source: &Source, options: &IngestOptions, progress: &dyn Progress) -> Result<RunReport> {
    let mut files = Vec::new();
    for path in &source.paths {
        files.extend(landing::list(&lake.env, path).await?);
    }
    let mut report = RunReport::default();
    let mut only: Option<Vec<TableName>> = None;
    let mut begun = BTreeMap::new();
    let mut frontiers = Frontiers::new(&source.paths);
    for _ in 0..MAX_ATTEMPTS {
        let mut job = Job::new(lake, source, options, only.as_deref(), std::mem::take(&mut begun));
        job.frontiers = frontiers;
        job.open_known().await?;
        job.read(&files, progress, &mut report).await?;
        job.finish().await;
        frontiers = job.frontiers.clone();
        let again = job.settle(&mut report, &mut begun);
        if again.is_empty() {
            report.tables.sort_by(|a, b| a.report.table.cmp(&b.report.table));
            return Ok(report);
        }
        only = Some(again);
    }
    Err(Error::unavailable("other jobs read the same source all the time; run again").with("source", &source.name))
}

/// One pass over the files.
struct Job<'a> {
    lake: &'a Lake,
    source: &'a Source,
    options: &'a IngestOptions,
    only: Option<&'a [TableName]>,
    /// What earlier passes did to tables that are read again.
    begun: BTreeMap<TableName, TableReport>,
    intakes: BTreeMap<TableName, Intake>,
    frontiers: Frontiers,
    /// Files in which some table may find something new.
    wanted: Vec<LandingFile>,
    transactions: TransactionTimes,
    /// Whether the input was read for its transactions, which it is once an event says only when its statement ran.
    knows_transactions: bool,
    /// Tables that were met after something was passed over: they need the files from their start.
    met_late: Vec<TableName>,
    declared_by_source: BTreeMap<TableName, waterline_core::schema::TableSchema>,
    /// Whether files of mixed tables, or their beginnings, were not looked into, since all tables that were known have read them.
    passed_over: bool,
    /// Files of mixed tables that were read to their end.
    read: Vec<(String, FilePosition)>,
}

impl<'a> Job<'a> {
    fn new(
        lake: &'a Lake,
        source: &'a Source,
        options: &'a IngestOptions,
        only: Option<&'a [TableName]>,
        begun: BTreeMap<TableName, TableReport>,
    ) -> Self {
        Self {
            lake,
            source,
            options,
            only,
            begun,
            intakes: BTreeMap::new(),
            frontiers: Frontiers::new(&source.paths),
            wanted: Vec::new(),
            transactions: TransactionTimes::new(options.limits.batch_bytes),
            knows_transactions: false,
            met_late: Vec::new(),
            declared_by_source: BTreeMap::new(),
            passed_over: false,
            read: Vec::new(),
        }
    }

    fn takes(&self, table: &TableName) -> bool {
        self.source.tables.admits(table) && self.only.is_none_or(|only| only.contains(table))
    }

    /// Opens the tables that exist, so that files which all of them have read are skipped, and quiet ones learn how far
    /// their source is.
    async fn open_known(&mut self) -> Result<()> {
        let known = match &self.source.tables {
            TableSelection::One(table) => vec![table.clone()],
            TableSelection::Matching { .. } => self.lake.catalog.list().await?,
        };
        for table in known.into_iter().filter(|table| table.mirror().is_none()) {
            if self.takes(&table) && open_pair(self.lake, &table, &self.settings_of(&table)).await?.is_some() {
                self.open(&table, None).await?;
            }
        }
        Ok(())
    }

    async fn read(&mut self, files: &[LandingFile], progress: &dyn Progress, report: &mut RunReport) -> Result<()> {
        let wanted: Vec<LandingFile> = files.iter().filter(|file| self.has_news(file)).cloned().collect();
        self.wanted.clone_from(&wanted);
        self.passed_over = files.iter().any(|file| file.table.is_none() && !self.has_news(file));
        progress.begin("reading", Some(wanted.iter().map(|file| file.file.size_bytes).sum()));
        let mut decoder = Decoder::new(self.source.decode.clone())?;
        for file in &wanted {
            let started = self.lake.env.clock.now_us();
            let busy = self.busy_time();
            self.read_file(file, &mut decoder, progress).await?;
            report.bytes_read += file.file.size_bytes;
            let took = Duration::from_micros((self.lake.env.clock.now_us() - started).max(0).cast_unsigned());
            report.decode_time += took.saturating_sub(self.busy_time() - busy);
        }
        progress.end();
        Ok(())
    }

    /// Time spent on logging and merging so far.
    fn busy_time(&self) -> Duration {
        self.intakes.values().map(|intake| intake.report.log_time + intake.report.merge.stages.total()).sum()
    }

    /// Whether a table may find something new in the file.
    fn has_news(&self, file: &LandingFile) -> bool {
        match &file.table {
            Some(table) if !self.takes(table) => false,
            Some(table) => self.intakes.get(table).is_none_or(|intake| !intake.has_read(&file.file)),
            None => self.intakes.is_empty() || self.intakes.values().any(|intake| !intake.has_read(&file.file)),
        }
    }

    async fn read_file(&mut self, landing: &LandingFile, decoder: &mut Decoder, progress: &dyn Progress) -> Result<()> {
        let file = &landing.file;
        let mut lines = Lines::open(&self.lake.env, file)?;
        for intake in self.readers(landing) {
            intake.begin_file(file);
        }
        let mut reported = 0;
        loop {
            let block = match lines.next_block().await {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(error) => return self.reject_all(error),
            };
            let mut rows = 0;
            for line in block.lines() {
                let before = lines.cursor.clone();
                lines.pass(line);
                rows += 1;
                self.read_line(landing, line, &before, &lines.cursor, decoder).await?;
            }
            progress.advance(lines.read_bytes() - reported, rows);
            reported = lines.read_bytes();
        }
        for intake in self.readers(landing).filter(|intake| intake.is_open()) {
            if let Err(error) = intake.end_file(file, &lines.cursor) {
                intake.fail(error);
            }
        }
        if landing.table.is_none() {
            self.read.push((file.url.clone(), lines.cursor.position(file, true, RunState::default())));
        }
        Ok(())
    }

    /// The tables that a file is for: the one that its path names, else all.
    fn readers<'b>(&'b mut self, landing: &'b LandingFile) -> impl Iterator<Item = &'b mut Intake> {
        let is_for = |table: &TableName| landing.table.as_ref().is_none_or(|owner| owner == table);
        self.intakes.iter_mut().filter(move |(table, _)| is_for(table)).map(|(_, intake)| intake)
    }

    async fn read_line(
        &mut self,
        landing: &LandingFile,
        line: &[u8],
        before: &Cursor,
        after: &Cursor,
        decoder: &mut Decoder,
    ) -> Result<()> {
        let file = &landing.file;
        let (mut any_wants, mut any_skips) = (false, false);
        for intake in self.readers(landing).filter(|intake| intake.is_open()) {
            match intake.skips(after, file) {
                Ok(true) => any_skips = true,
                Ok(false) => any_wants = true,
                Err(error) => intake.fail(error),
            }
        }
        if !any_wants && (any_skips || self.all_are_met(landing)) {
            self.passed_over |= any_skips;
            return Ok(());
        }
        let message = match decoder.decode(line.trim_ascii_end()) {
            Ok(message) => message,
            Err(error) => {
                return self.reject(landing, error.with("file", &file.url).with("record", before.records + 1), line, before).await;
            }
        };
        match message {
            Message::Change(mut change) => {
                let atomicity = self.stamp(&mut change).await?;
                self.frontiers.see_change(&landing.partition, &change);
                self.take(&change, atomicity, landing, line, before, after).await
            }
            Message::TransactionEnd { id, time_us } => {
                self.transactions.end(&id);
                self.frontiers.see_end(&landing.partition, time_us);
                Ok(())
            }
            Message::Heartbeat { time_us } => {
                self.frontiers.see_heartbeat(&landing.partition, time_us, self.source.lateness_us);
                Ok(())
            }
            Message::Schema(change) => self.take_schemas(&change, file, before).await,
            Message::Ignored => Ok(()),
        }
    }

    /// Whether the file holds nothing for a table that was not met yet.
    fn all_are_met(&self, landing: &LandingFile) -> bool {
        self.owner(landing).is_some_and(|owner| self.intakes.contains_key(owner))
    }

    /// The table that all records of a file are for.
    fn owner<'b>(&'b self, landing: &'b LandingFile) -> Option<&'b TableName> {
        match &self.source.tables {
            TableSelection::One(table) => Some(table),
            TableSelection::Matching { .. } => landing.table.as_ref(),
        }
    }

    /// Gives the change the time of its transaction, for which all input is read when first asked.
    async fn stamp(&mut self, change: &mut Change<'_>) -> Result<Atomicity> {
        if change.is_statement_stamped() && !self.knows_transactions {
            self.learn_transactions().await?;
        }
        Ok(self.transactions.settle(change))
    }

    async fn learn_transactions(&mut self) -> Result<()> {
        for file in &self.wanted {
            let is_for = |table: &TableName| file.table.as_ref().is_none_or(|owner| owner == table);
            let readers = self.intakes.iter().filter(|(table, _)| is_for(table));
            let read_before_bytes = readers.map(|(_, intake)| intake.read_bytes(&file.file)).min().unwrap_or(0);
            learn_file(&self.lake.env, file, read_before_bytes, &self.source.decode, &mut self.transactions).await?;
        }
        self.knows_transactions = true;
        Ok(())
    }

    /// What is known of the source's progress in the middle of a job.
    fn progress(&self) -> LogProgress {
        LogProgress { newest_transactions: self.transactions.newest(), ..self.frontiers.progress() }
    }

    async fn take(
        &mut self,
        change: &Change<'_>,
        atomicity: Atomicity,
        landing: &LandingFile,
        line: &[u8],
        before: &Cursor,
        after: &Cursor,
    ) -> Result<()> {
        let Some(table) = self.table_of(change, landing) else {
            let error = Error::bad_input("the record does not say which table it is of; name one, or use `{table}` in the source's path");
            return self.reject(landing, error.with("file", &landing.file.url).with("record", before.records + 1), line, before).await;
        };
        if landing.table.as_ref().is_some_and(|owner| *owner != table) {
            let error = Error::bad_input("the record is of another table than its path says").with("record_table", table);
            return self.reject(landing, error.with("file", &landing.file.url).with("record", before.records + 1), line, before).await;
        }
        if !self.takes(&table) {
            return Ok(());
        }
        if !self.intakes.contains_key(&table) {
            if landing.table.is_none() && self.passed_over {
                self.meet_late(&table);
                return Ok(());
            }
            if let Err(error) = self.open(&table, Some(change)).await {
                return Err(error.with("file", &landing.file.url).with("record", before.records + 1));
            }
            if let Some(intake) = self.intakes.get_mut(&table) {
                intake.has_nothing_in(&self.read);
                intake.begin_file(&landing.file);
            }
        }
        let Some(intake) = self.intakes.get_mut(&table) else { return Ok(()) };
        if !intake.is_open() || intake.skips(after, &landing.file)? {
            return Ok(());
        }
        intake.push(change, atomicity, line, &landing.file, before, &self.source.decode).await;
        if intake.is_full() {
            let progress = self.progress();
            if let Some(intake) = self.intakes.get_mut(&table) {
                intake.flush(Some((&landing.file, after)), progress).await;
            }
        } else {
            self.flush_largest_if_over(&landing.file, after).await;
        }
        Ok(())
    }

    fn meet_late(&mut self, table: &TableName) {
        if !self.met_late.contains(table) {
            self.met_late.push(table.clone());
        }
    }

    fn table_of(&self, change: &Change<'_>, landing: &LandingFile) -> Option<TableName> {
        change.table().or_else(|| self.owner(landing)).cloned()
    }

    /// All open batches together stay within the limit.
    async fn flush_largest_if_over(&mut self, file: &InputFile, after: &Cursor) {
        let total: usize = self.intakes.values().map(Intake::memory_bytes).sum();
        if total < self.options.limits.batch_bytes {
            return;
        }
        let progress = self.progress();
        if let Some(largest) = self.intakes.values_mut().max_by_key(|intake| intake.memory_bytes()) {
            largest.flush(Some((file, after)), progress).await;
        }
    }

    /// A record that nobody can attribute: it is the named table's, or everybody's.
    async fn reject(&mut self, landing: &LandingFile, error: Error, line: &[u8], before: &Cursor) -> Result<()> {
        if let Some(table) = self.owner(landing).cloned() {
            if !self.intakes.contains_key(&table) {
                return Err(error.with("table", table));
            }
            if let Some(intake) = self.intakes.get_mut(&table).filter(|intake| intake.is_open()) {
                intake.reject(error.with("table", &table), line, &landing.file, before).await;
            }
            return Ok(());
        }
        self.reject_all(error)
    }

    fn reject_all(&mut self, error: Error) -> Result<()> {
        Err(error)
    }

    fn settings_of(&self, table: &TableName) -> TableSettings {
        self.source.table_settings.get(table).unwrap_or(&self.source.default_settings).clone()
    }

    async fn open(&mut self, table: &TableName, first: Option<&Change<'_>>) -> Result<()> {
        let settings = self.settings_of(table);
        let declared = self.source.schema.declared(table, &settings)?.or_else(|| self.declared_by_source.get(table).cloned());
        let pair = match open_pair(self.lake, table, &settings).await? {
            Some(pair) => pair,
            None => {
                let schema = schemas::of_new_table(declared.as_ref(), first, &settings).map_err(|e| e.with("table", table))?;
                open_or_create_pair(self.lake, table, &schema, &settings).await?
            }
        };
        let options = IntakeSettings { mode: self.options.mode, on_error: self.options.on_error, limits: self.options.limits };
        let mut intake = Intake::open(self.lake, table, pair, declared, &self.source.decode, options).await?;
        if let Some(begun) = self.begun.remove(table) {
            intake.report = begun;
        }
        self.transactions.resume(&intake.header().newest_transactions);
        self.intakes.insert(table.clone(), intake);
        Ok(())
    }

    async fn take_schemas(&mut self, change: &waterline_core::decode::SchemaChange, file: &InputFile, before: &Cursor) -> Result<()> {
        use waterline_core::decode::TableChange;
        for (table, change) in &change.tables {
            let (TableChange::Created(schema) | TableChange::Altered(schema)) = change else { continue };
            match self.intakes.get_mut(table) {
                Some(intake) if intake.is_open() => intake.adopt_schema(schema, file, before, &self.source.decode).await,
                Some(_) => {}
                None => drop(self.declared_by_source.insert(table.clone(), schema.clone())),
            }
        }
        Ok(())
    }

    /// Whether a table is this source's, which a pattern alone does not say where several sources have the same one.
    fn is_fed(&self, intake: &Intake) -> bool {
        let known = &intake.header().frontiers;
        let is_selected = matches!(self.source.tables, TableSelection::One(_));
        is_selected || intake.report.rows_read > 0 || known.is_empty() || known.keys().any(|partition| self.frontiers.is_live(partition))
    }

    /// Logs the last batches with what is now known of the source's progress, and merges what is left.
    async fn finish(&mut self) {
        let fed: Vec<TableName> = self.intakes.iter().filter(|(_, intake)| self.is_fed(intake)).map(|(table, _)| table.clone()).collect();
        for (_, intake) in self.intakes.iter().filter(|(table, _)| fed.contains(table)) {
            self.frontiers.merge(intake.header());
        }
        let mut progress = self.progress();
        progress.complete_until_us = self.options.complete_until_us;
        progress.watermark_us =
            self.frontiers.watermark(self.source.lateness_us, self.transactions.open_us()).max(self.options.complete_until_us);
        for (table, intake) in self.intakes.iter_mut().filter(|(table, _)| fed.contains(table)) {
            intake.flush(None, progress.clone()).await;
            intake.merge_rest().await;
            tracing::debug!(%table, "done");
        }
    }

    /// Adds the tables' outcomes to the report; returns those that must be read again, with what was done to them in `begun`.
    fn settle(self, report: &mut RunReport, begun: &mut BTreeMap<TableName, TableReport>) -> Vec<TableName> {
        let mut again = self.met_late;
        for (table, intake) in self.intakes {
            let result = match intake.state {
                IntakeState::Moved => {
                    again.push(table.clone());
                    begun.insert(table, intake.report);
                    continue;
                }
                IntakeState::Failed(error) => Err(error),
                IntakeState::Open => Ok(()),
            };
            report.tables.push(TableOutcome { report: intake.report, result });
        }
        again
    }
}
