//! Builders of the columns that a changelog has besides the source's.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, ListBuilder, NullBufferBuilder, StringBuilder, StructArray, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Fields};

use super::column::Column;
use super::fault::Fault;
use super::reading::Reading;
use crate::change::{Op, key_fields};
use crate::error::Result;
use crate::schema::TableSchema;

pub(super) struct SystemColumns {
    ops: StringBuilder,
    event_times: TimestampMicrosecondBuilder,
    sequences: StringBuilder,
    domains: StringBuilder,
    unset: ListBuilder<StringBuilder>,
    old_keys: OldKeys,
}

/// The columns of [`crate::change::OLD_KEY`].
struct OldKeys {
    fields: Fields,
    columns: Vec<Column>,
    valid: NullBufferBuilder,
}

impl SystemColumns {
    pub(super) fn new(table: &TableSchema) -> Result<Self> {
        let fields = key_fields(table);
        let columns = fields.iter().map(|field| Column::new(field)).collect::<Result<_>>()?;
        Ok(Self {
            ops: StringBuilder::new(),
            event_times: TimestampMicrosecondBuilder::new(),
            sequences: StringBuilder::new(),
            domains: StringBuilder::new(),
            unset: ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true)),
            old_keys: OldKeys { fields, columns, valid: NullBufferBuilder::new(0) },
        })
    }

    pub(super) fn append(&mut self, op: Op, event_time_us: i64, sequence: &str, domain: &str) {
        self.ops.append_value(op.as_str());
        self.event_times.append_value(event_time_us);
        self.sequences.append_value(sequence);
        self.domains.append_value(domain);
    }

    /// Names a column that the source did not send in the current row.
    pub(super) fn add_unset(&mut self, column: &str) {
        self.unset.values().append_value(column);
    }

    /// Ends the list of the current row; `is_any` says whether a name was added.
    pub(super) fn end_unset(&mut self, is_any: bool) {
        self.unset.append(is_any);
    }

    /// Appends the old key's JSON values, or null; on a fault, null, and the index of the key column.
    pub(super) fn append_old_key(&mut self, key: Option<&[String]>, reading: &mut Reading) -> Result<(), (usize, Fault)> {
        let mut fault = None;
        for (at, column) in self.old_keys.columns.iter_mut().enumerate() {
            let json = key.and_then(|key| key.get(at)).map_or("null", String::as_str);
            if let Err(found) = column.append(json, reading) {
                fault.get_or_insert((at, found));
            }
        }
        self.old_keys.valid.append(key.is_some() && fault.is_none());
        fault.map_or(Ok(()), Err)
    }

    pub(super) fn set_wire(&mut self, column: &str, wire: &crate::decode::wire::Wire) {
        let keys = self.old_keys.fields.iter().zip(&mut self.old_keys.columns);
        keys.filter(|(field, _)| field.name() == column).for_each(|(_, key)| key.set_wire(wire));
    }

    /// In the order of [`crate::change::changelog_schema`].
    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>> {
        let event_times = self.event_times.finish().with_timezone("UTC");
        let rows = event_times.values().len();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.ops.finish()),
            Arc::new(event_times),
            Arc::new(self.sequences.finish()),
            Arc::new(self.domains.finish()),
            Arc::new(Int64Array::from(vec![0; rows])),
            Arc::new(TimestampMicrosecondArray::from(vec![0; rows]).with_timezone("UTC")),
            Arc::new(self.unset.finish()),
        ];
        let keys = &mut self.old_keys;
        let valid = keys.valid.finish();
        if !keys.fields.is_empty() {
            let arrays = keys.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
            columns.push(Arc::new(StructArray::try_new(keys.fields.clone(), arrays, valid)?));
        }
        Ok(columns)
    }
}
