//! The only place that prints. Results go to standard output, everything else to standard error.

mod diff;
mod progress;
mod report;
mod rows;
mod table;

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use indicatif::HumanCount;
use serde::Serialize;
use waterline_core::error::Error;

use crate::args::{ColorWhen, GlobalArgs, OutputFormat};
use crate::failure::Failure;
use crate::host::Host;
pub(crate) use diff::DiffView;
pub(crate) use progress::TerminalProgress;
pub(crate) use report::{FailedSource, StageTime, SyncReport, TableCounts, TableReport};
pub(crate) use rows::RowWriter;
use table::Layout;

/// `1 row`, `1,200 rows`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

pub(crate) struct Printer<'a> {
    out: &'a mut (dyn Write + Send),
    err: &'a mut (dyn Write + Send),
    format: OutputFormat,
    layout: Layout,
    quiet: bool,
    progress: bool,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(host: &'a mut Host, global: &GlobalArgs) -> Self {
        let color = match global.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => host.terminal_width.is_some() && (host.variables)("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self {
            layout: Layout { width: host.terminal_width, color },
            format: global.output,
            quiet: global.quiet,
            progress: host.stderr_is_terminal && !global.quiet && !global.no_progress,
            out: &mut *host.stdout,
            err: &mut *host.stderr,
        }
    }

    pub(crate) fn format(&self) -> OutputFormat {
        self.format
    }

    /// A result that comes batch by batch.
    pub(crate) fn rows(&mut self, schema: SchemaRef) -> RowWriter<'_> {
        RowWriter::new(self.out, schema, self.format, self.layout)
    }

    /// A result that is there as a whole.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let mut rows = self.rows(batch.schema());
        rows.write(batch)?;
        rows.finish()
    }

    /// One JSON document.
    pub(crate) fn document(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(document).map_err(|e| Error::internal("a result cannot be written as JSON").caused_by(e))?;
        self.text(&format!("{text}\n"))
    }

    /// How two sides differ.
    pub(crate) fn diff(&mut self, view: &DiffView<'_>) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Json => self.document(&view.to_document()?),
            OutputFormat::Csv => self.batch(&view.examples()?),
            OutputFormat::Table => {
                self.text(&view.to_text())?;
                if view.has_examples() { self.batch(&view.examples()?) } else { Ok(()) }
            }
        }
    }

    /// Lines for people on standard output, as part of a result.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// A remark on standard error, unless `--quiet`.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            // There is nobody left to tell when standard error is gone.
            let _ = writeln!(self.err, "{text}");
        }
    }

    /// What went wrong, on standard error.
    pub(crate) fn error(&mut self, text: &str) {
        let _ = writeln!(self.err, "error: {text}");
    }

    /// What a command did, at its end.
    pub(crate) fn report(&mut self, report: &SyncReport) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Table if self.quiet => {}
            OutputFormat::Table => self.text(&report.to_text())?,
            OutputFormat::Json => self.document(&report.to_document())?,
            OutputFormat::Csv => self.batch(&report.to_batch()?)?,
        }
        for (table, error) in report.errors() {
            let _ = writeln!(self.err, "error: {table}: {error}");
        }
        report.worst().map_or(Ok(()), |kind| Err(Failure::Reported(kind)))
    }

    pub(crate) fn progress(&self) -> TerminalProgress {
        TerminalProgress::new(self.progress)
    }
}
