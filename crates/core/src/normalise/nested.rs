//! Columns of lists and structures.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, NullBufferBuilder, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, FieldRef, Fields};

use super::column::Column;
use super::fault::Fault;
use super::reading::Reading;
use crate::decode::json::{JsonKind, each_element, each_field};
use crate::decode::wire::{Wire, inferred};
use crate::error::Result;
use crate::schema::list_of;

pub(super) struct ListColumn {
    element: FieldRef,
    values: Column,
    lengths: Vec<usize>,
    valid: NullBufferBuilder,
}

impl ListColumn {
    /// The metadata of the list's own field also tells of its elements.
    pub(super) fn new(element: &FieldRef, list: &Field) -> Result<Self> {
        let described = element.as_ref().clone().with_metadata(list.metadata().clone());
        Ok(Self { element: element.clone(), values: Column::new(&described)?, lengths: Vec::new(), valid: NullBufferBuilder::new(0) })
    }

    pub(super) fn set_wire(&mut self, element: &Wire) {
        self.values.set_wire(element);
    }

    /// Appends a list; on a fault, a null.
    pub(super) fn append(&mut self, json: &str, reading: &mut Reading) -> Result<(), Fault> {
        if JsonKind::of(json) != JsonKind::Array {
            self.append_null();
            return Err(Fault::Type(inferred(json)));
        }
        let (mut length, mut fault) = (0, None);
        let read = each_element(json, |element| {
            length += 1;
            if let Err(found) = self.values.append(element, reading) {
                fault.get_or_insert(found);
            }
        });
        if read.is_err() {
            fault.get_or_insert(Fault::Malformed("the array cannot be read"));
        }
        self.lengths.push(length);
        self.valid.append(fault.is_none());
        fault.map_or(Ok(()), |fault| Err(of_list(fault)))
    }

    pub(super) fn append_null(&mut self) {
        self.lengths.push(0);
        self.valid.append_null();
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        let valid = self.valid.finish();
        Ok(Arc::new(ListArray::try_new(self.element.clone(), offsets, self.values.finish()?, valid)?))
    }
}

/// What an element's fault means for its list.
fn of_list(fault: Fault) -> Fault {
    match fault {
        Fault::Wider(element) => Fault::Wider(list_of(element)),
        Fault::Type(element) => Fault::Type(list_of(element)),
        other => other,
    }
}

pub(super) struct StructColumn {
    fields: Fields,
    columns: Vec<Column>,
    valid: NullBufferBuilder,
}

impl StructColumn {
    pub(super) fn new(fields: &Fields) -> Result<Self> {
        let columns = fields.iter().map(|field| Column::new(field)).collect::<Result<_>>()?;
        Ok(Self { fields: fields.clone(), columns, valid: NullBufferBuilder::new(0) })
    }

    /// Appends an object; on a fault, a null.
    pub(super) fn append(&mut self, json: &str, reading: &mut Reading) -> Result<(), Fault> {
        let cells = match self.cells(json) {
            Ok(cells) => cells,
            Err(fault) => {
                self.append_null();
                return Err(fault);
            }
        };
        let mut fault = None;
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if let Err(found) = column.append(cell.unwrap_or("null"), reading) {
                fault.get_or_insert(found);
            }
        }
        self.valid.append(fault.is_none());
        // A structure as a whole does not widen with one of its fields.
        fault.map_or(Ok(()), |fault| match fault {
            Fault::Wider(field) => Err(Fault::Type(field)),
            other => Err(other),
        })
    }

    pub(super) fn append_null(&mut self) {
        self.columns.iter_mut().for_each(Column::append_null);
        self.valid.append_null();
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let rows = self.valid.len();
        Ok(Arc::new(StructArray::try_new_with_length(self.fields.clone(), columns, self.valid.finish(), rows)?))
    }

    fn cells<'a>(&self, json: &'a str) -> Result<Vec<Option<&'a str>>, Fault> {
        if JsonKind::of(json) != JsonKind::Object {
            return Err(Fault::Type(inferred(json)));
        }
        let (mut cells, mut has_stranger) = (vec![None; self.columns.len()], false);
        let read = each_field(json, |name, value| {
            match self.fields.iter().position(|field| field.name() == name) {
                Some(at) => cells[at] = Some(value),
                None => has_stranger = true,
            }
            Ok(())
        });
        match read {
            Ok(()) if !has_stranger => Ok(cells),
            Ok(()) => Err(Fault::Malformed("the structure has a field that its column lacks")),
            Err(_) => Err(Fault::Malformed("the structure cannot be read")),
        }
    }
}
