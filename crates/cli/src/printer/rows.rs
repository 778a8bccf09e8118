//! Results, batch by batch: nothing is kept but the batch at hand.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::args::OutputFormat;
use crate::failure::Failure;
use crate::printer::table::{Layout, TableLayout};
use waterline_core::cells::{Cells, write_object};
use waterline_core::dump::push_csv_line;

/// A null in CSV; an empty text is in quotes.
const NULL: &str = "";
/// Rows that are laid out together; the first ones fix the widths of the columns.
const TABLE_ROWS: usize = 500;
/// Text is handed on when this much has come together.
const FLUSH_BYTES: usize = 64 << 10;

/// Writes the rows of one result. [`Self::finish`] must be called at the end.
pub(crate) struct RowWriter<'a> {
    out: &'a mut dyn Write,
    schema: SchemaRef,
    form: Form,
    text: String,
}

enum Form {
    Table(TableLayout),
    Json { rows: u64 },
    Csv,
}

impl<'a> RowWriter<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, schema: SchemaRef, format: OutputFormat, layout: Layout) -> Self {
        let mut text = String::new();
        let form = match format {
            OutputFormat::Table => Form::Table(TableLayout::new(layout)),
            OutputFormat::Json => Form::Json { rows: 0 },
            OutputFormat::Csv => {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                push_csv_line(&mut text, names.into_iter().map(Some), NULL);
                Form::Csv
            }
        };
        Self { out, schema, form, text }
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>, _>>()?;
        match &mut self.form {
            Form::Table(_) => self.write_table(&columns, batch.num_rows())?,
            Form::Json { .. } => self.write_json(&columns, batch.num_rows())?,
            Form::Csv => self.write_csv(&columns, batch.num_rows())?,
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        match &self.form {
            Form::Table(layout) if !layout.has_begun() => self.write_table(&[], 0)?,
            Form::Json { rows: 0 } => self.text.push_str("[]\n"),
            Form::Json { .. } => self.text.push_str("\n]\n"),
            Form::Table(_) | Form::Csv => {}
        }
        self.hand_on()?;
        Ok(self.out.flush()?)
    }

    fn write_json(&mut self, columns: &[Cells], count: usize) -> io::Result<()> {
        let schema = self.schema.clone();
        for row in 0..count {
            let Form::Json { rows } = &mut self.form else { return Ok(()) };
            self.text.push_str(if *rows == 0 { "[\n" } else { ",\n" });
            *rows += 1;
            write_object(&mut self.text, schema.fields().iter().map(|field| field.name().as_str()).zip(columns), row);
            self.hand_on_when_full()?;
        }
        Ok(())
    }

    fn write_csv(&mut self, columns: &[Cells], count: usize) -> io::Result<()> {
        let mut values: Vec<String> = vec![String::new(); columns.len()];
        for row in 0..count {
            for (value, column) in values.iter_mut().zip(columns) {
                value.clear();
                column.write_text(value, row);
            }
            push_csv_line(
                &mut self.text,
                values.iter().zip(columns).map(|(value, column)| (!column.is_null(row)).then_some(value.as_str())),
                NULL,
            );
            self.hand_on_when_full()?;
        }
        Ok(())
    }

    fn write_table(&mut self, columns: &[Cells], count: usize) -> io::Result<()> {
        let mut from = 0;
        loop {
            let until = count.min(from + TABLE_ROWS);
            self.push_table_part(columns, from..until);
            self.hand_on_when_full()?;
            from = until;
            if from >= count {
                return Ok(());
            }
        }
    }

    fn push_table_part(&mut self, columns: &[Cells], rows: std::ops::Range<usize>) {
        let Form::Table(layout) = &mut self.form else { return };
        layout.push(&mut self.text, &self.schema, columns, rows);
    }

    fn hand_on_when_full(&mut self) -> io::Result<()> {
        if self.text.len() >= FLUSH_BYTES { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
