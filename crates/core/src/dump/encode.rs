//! Rows to the text of a dump, which the decoders read back to the same values.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use super::column::ColumnBuilder;
use crate::cells::{Cells, write_object};
use crate::error::{Error, Result};

/// How a dump is written as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// RFC 4180 with a header and lines that end with a line feed.
    Csv {
        /// What null is written as, without quotes.
        null: String,
    },
    /// One JSON object a line.
    JsonLines,
}

/// Encodes the batches of one file.
#[derive(Debug)]
pub struct DumpEncoder {
    names: Vec<String>,
    format: TextFormat,
}

impl DumpEncoder {
    /// Fails for columns that could not be read back, and for a null text that needs quotes.
    pub fn new(schema: &Schema, format: TextFormat) -> Result<Self> {
        for field in schema.fields() {
            ColumnBuilder::new(field, None).map_err(|e| e.with("hint", "Parquet holds every type"))?;
            if matches!((&format, field.data_type()), (TextFormat::Csv { .. }, DataType::List(element)) if element.data_type().is_nested())
            {
                return Err(Error::unsupported("CSV does not hold lists of lists; Parquet and JSON Lines do").with("field", field.name()));
            }
        }
        if let TextFormat::Csv { null } = &format
            && null.contains(NEEDS_QUOTES)
        {
            return Err(Error::usage("the text for null must not hold commas, quotes or line ends"));
        }
        Ok(Self { names: schema.fields().iter().map(|field| field.name().clone()).collect(), format })
    }

    /// What the file begins with.
    pub fn header(&self) -> String {
        let mut header = String::new();
        if let TextFormat::Csv { .. } = &self.format {
            // A name is never null, whatever it says.
            push_csv_line(&mut header, self.names.iter().map(|name| Some(name.as_str())), "");
        }
        header
    }

    pub fn encode(&self, rows: &RecordBatch, out: &mut String) -> Result<()> {
        let columns = rows.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        match &self.format {
            TextFormat::Csv { null } => push_csv_rows(out, &columns, rows.num_rows(), null),
            TextFormat::JsonLines => {
                for row in 0..rows.num_rows() {
                    write_object(out, self.names.iter().map(String::as_str).zip(&columns), row);
                    out.push('\n');
                }
            }
        }
        Ok(())
    }
}

const NEEDS_QUOTES: [char; 4] = [',', '"', '\n', '\r'];

fn push_csv_rows(out: &mut String, columns: &[Cells], count: usize, null: &str) {
    let mut values: Vec<String> = vec![String::new(); columns.len()];
    for row in 0..count {
        for (value, column) in values.iter_mut().zip(columns) {
            value.clear();
            column.write_dumped(value, row);
        }
        let values = values.iter().zip(columns).map(|(value, column)| (!column.is_null(row)).then_some(value.as_str()));
        push_csv_line(out, values, null);
    }
}

/// One line of RFC 4180, but for its end, which is a line feed as everywhere on a terminal. A text that says the same as a null is in
/// quotes.
pub fn push_csv_line<'a>(out: &mut String, values: impl Iterator<Item = Option<&'a str>>, null: &str) {
    for (i, value) in values.enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        match value {
            None => out.push_str(null),
            Some(value) if value == null || value.contains(NEEDS_QUOTES) => {
                out.push('"');
                out.push_str(&value.replace('"', "\"\""));
                out.push('"');
            }
            Some(value) => out.push_str(value),
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
