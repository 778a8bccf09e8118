//! The order of a source's events: its log's, or that of columns which the settings name (DESIGN.md, rule 1).

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::RecordAt;
use super::column::Column;
use super::image::Cells;
use super::reading::Reading;
use crate::decode::json::{Object, is_null};
use crate::decode::{Change, ChangeFormat, DecodeSettings, Position};
use crate::error::{Error, Result};
use crate::schema::TableSchema;
use crate::sequence::SequenceWriter;

pub(super) struct Ordering {
    parts: Vec<Part>,
    source_name: Arc<str>,
}

enum Part {
    EventTime,
    Column { at: usize, name: String, data_type: DataType, reader: Column },
}

impl Ordering {
    pub(super) fn new(table: &TableSchema, settings: &DecodeSettings) -> Result<Self> {
        let mut parts = Vec::new();
        for name in &settings.sequence_by {
            parts.push(match (table.index_of(name), &settings.format) {
                (Some(at), _) => {
                    let field = &table.fields()[at];
                    if !Column::orders(field.data_type()) {
                        return Err(Error::usage("events cannot be ordered by a column of this type")
                            .with("sequence_by", name)
                            .with("type", field.data_type()));
                    }
                    Part::Column { at, name: name.clone(), data_type: field.data_type().clone(), reader: Column::new(field)? }
                }
                (None, ChangeFormat::Plain(fields)) if fields.time == *name => Part::EventTime,
                (None, _) => return Err(Error::usage("the table has no such column to order its events by").with("sequence_by", name)),
            });
        }
        Ok(Self { parts, source_name: settings.source_name.as_str().into() })
    }

    /// The domain in which the events' sequences compare.
    pub(super) fn domain(&self, change: &Change) -> Arc<str> {
        if self.parts.is_empty() { change.domain.clone() } else { self.source_name.clone() }
    }

    /// Writes the parts of a sequence before the ordinal.
    pub(super) fn write(
        &self,
        change: &Change,
        at: RecordAt,
        image: &Object,
        cells: &Cells,
        reading: &mut Reading,
        sequence: &mut SequenceWriter,
    ) -> Result<()> {
        if self.parts.is_empty() {
            if change.position == Position::Unknown {
                return Err(Error::usage("the records have no position in a log; name the columns that order them with sequence_by"));
            }
            change.position.write(sequence);
            return Ok(());
        }
        for part in &self.parts {
            match part {
                Part::EventTime => sequence.push_signed(change.event_time_us()),
                Part::Column { at, name, data_type, reader } => {
                    let json = cells.get(image, *at).filter(|json| !is_null(json));
                    let json =
                        json.ok_or_else(|| Error::bad_input("a column that orders the events is missing or null").with("field", name))?;
                    reader.write_order(json, reading, sequence).map_err(|fault| fault.into_error(name, data_type, json))?;
                }
            }
        }
        sequence.push_text(at.file);
        sequence.push_number(at.record);
        Ok(())
    }
}
