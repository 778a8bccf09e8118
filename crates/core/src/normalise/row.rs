//! The rows of one change: one, or a delete and a create when an update changed the key.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::Field;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::fault::Fault;
use super::image::Cells;
use super::{ChangeBuilder, Pushed, RecordAt, RunState};
use crate::change::Op;
use crate::decode::json::{Object, is_null};
use crate::decode::{Change, Form};
use crate::error::{Error, Result};
use crate::schema::TableSchema;
use crate::sequence::SequenceWriter;

/// A row to append.
#[derive(Clone, Copy)]
struct Row<'c> {
    op: Op,
    image: &'c Object<'c>,
    cells: &'c Cells,
    event_time_us: i64,
    sequence: &'c str,
    domain: &'c str,
    old_key: Option<&'c [String]>,
    form: Form,
}

/// The key of a row as JSON, in key order.
type Key = Vec<String>;

impl ChangeBuilder {
    pub(super) fn push_rows(&mut self, change: &Change, at: RecordAt, run: &mut RunState) -> Result<Pushed> {
        let mut cells = std::mem::take(&mut self.cells);
        let mut position = std::mem::take(&mut self.position);
        let pushed = self.push_read(change, at, run, &mut cells, &mut position);
        self.cells = cells;
        self.position = position;
        pushed
    }

    fn push_read(
        &mut self,
        change: &Change,
        at: RecordAt,
        run: &mut RunState,
        cells: &mut Cells,
        position: &mut SequenceWriter,
    ) -> Result<Pushed> {
        let op = change.op();
        let image = change.image()?;
        let image = image.as_ref();
        cells.read(image, &self.names, change.form)?;
        if matches!(op, Op::Update | Op::Delete) && self.keys.is_empty() {
            return Err(Error::bad_input("an update or a delete of a table without a key").with("field", "key").with("op", op.as_str()));
        }
        if op != Op::Delete
            && let Some(grown) = self.grown_by(cells)?
        {
            return Ok(Pushed::Grow(grown));
        }
        if op != Op::Truncate {
            self.check_key(cells, image)?;
        }
        position.clear();
        self.ordering.write(change, at, image, cells, &mut self.reading, position)?;
        let hash = xxh3_64(change.line);
        let place = run.place(position.as_str(), hash);
        let old_key = self
            .old_key(change, cells, image)?
            .or_else(|| run.linked_key(op, &place).filter(|old| self.differs(old, cells, image)).map(<[String]>::to_vec));

        let domain = self.ordering.domain(change);
        let mut sequence = std::mem::take(&mut self.sequence);
        sequence.restart_from(position.as_str());
        sequence.push_number(self.last_part(op, cells, image, change.order.unwrap_or(place.ordinal)));
        let row = Row {
            op,
            image,
            cells,
            event_time_us: change.event_time_us(),
            sequence: sequence.as_str(),
            domain: &domain,
            old_key: old_key.as_deref(),
            form: change.form,
        };
        let is_split = op == Op::Update && old_key.is_some();
        let appended = if is_split { self.append_split(change, row, position) } else { self.append(row) };
        self.sequence = sequence;
        if let ControlFlow::Break(grown) = appended? {
            return Ok(Pushed::Grow(grown));
        }
        let deleted_key = (op == Op::Delete).then(|| self.key(cells, image));
        run.advance(position.as_str(), &place, hash, if is_split { 2 } else { 1 }, deleted_key, old_key);
        Ok(Pushed::Added)
    }

    /// Appends an update that changed its key as the delete of the old one and the create of the new one.
    fn append_split(&mut self, change: &Change, row: Row, position: &SequenceWriter) -> Result<ControlFlow<TableSchema>> {
        let before = std::mem::take(&mut self.before);
        let image = change.before.clone().unwrap_or_default();
        let mut sequence = SequenceWriter::default();
        sequence.restart_from(position.as_str());
        sequence.push_number(self.last_part(Op::Delete, &before, &image, 0));
        let deleted = self.append(Row { op: Op::Delete, image: &image, cells: &before, sequence: sequence.as_str(), old_key: None, ..row });
        self.before = before;
        if let ControlFlow::Break(grown) = deleted? {
            return Ok(ControlFlow::Break(grown));
        }
        self.append(Row { op: Op::Create, ..row })
    }

    /// What tells the event apart from others of its position, see [`crate::sequence`].
    fn last_part(&self, op: Op, cells: &Cells, image: &Object, ordinal: u64) -> u64 {
        if op == Op::Truncate {
            return 0;
        }
        let mut hash = Xxh3Default::new();
        let columns: &mut dyn Iterator<Item = usize> =
            if self.keys.is_empty() { &mut (0..self.columns.len()) } else { &mut self.keys.iter().copied() };
        for at in columns {
            hash.update(cells.get(image, at).unwrap_or("null").as_bytes());
            hash.update(b",");
        }
        if self.keys.is_empty() { (ordinal << 32) | (hash.digest() >> 32) } else { (hash.digest() << 1) | u64::from(op != Op::Delete) }
    }

    /// Appends a row; on a fault or when the table must grow, one that is not whole.
    fn append(&mut self, row: Row) -> Result<ControlFlow<TableSchema>> {
        self.whole.push(true);
        self.system.append(row.op, row.event_time_us, row.sequence, row.domain);
        let mut fault = None;
        let mut is_any_unset = false;
        for (at, column) in self.columns.iter_mut().enumerate() {
            let is_taken = match row.op {
                Op::Truncate => false,
                Op::Delete => self.keys.contains(&at),
                Op::Create | Op::Update | Op::Read => true,
            };
            match row.cells.get(row.image, at).filter(|_| is_taken) {
                Some(json) if self.reading.is_unavailable(json) => {
                    column.append_null();
                    self.system.add_unset(self.names.get(at));
                    is_any_unset = true;
                }
                Some(json) => {
                    if let Err(found) = column.append(json, &mut self.reading) {
                        fault.get_or_insert((at, found, json));
                    }
                }
                None => {
                    column.append_null();
                    if row.op == Op::Update && row.form == Form::Plain {
                        self.system.add_unset(self.names.get(at));
                        is_any_unset = true;
                    }
                }
            }
        }
        self.system.end_unset(is_any_unset);
        let old_key = self.system.append_old_key(row.old_key, &mut self.reading);
        if let Err((key, found)) = old_key
            && let (Some(&at), Some(json)) = (self.keys.get(key), row.old_key.and_then(|old| old.get(key)))
        {
            fault.get_or_insert((at, found, json));
        }
        fault.map_or(Ok(ControlFlow::Continue(())), |(at, fault, json)| self.judge(at, fault, json))
    }

    /// The table with a wider column, or the error.
    fn judge(&self, column: usize, fault: Fault, json: &str) -> Result<ControlFlow<TableSchema>> {
        let Some(field) = self.table.fields().get(column) else { return Err(Error::internal("a row has more columns than its table")) };
        if let Fault::Wider(data_type) = &fault {
            let wider = TableSchema::new(vec![Arc::new(Field::new(field.name(), data_type.clone(), true))], Vec::new())?;
            if let Some(grown) = self.table.evolve(&wider)? {
                return Ok(ControlFlow::Break(grown));
            }
        }
        Err(fault.into_error(field.name(), field.data_type(), json))
    }

    fn check_key(&self, cells: &Cells, image: &Object) -> Result<()> {
        for &at in &self.keys {
            let problem = match cells.get(image, at) {
                None => "a column of the key is missing",
                Some(json) if is_null(json) => "a column of the key is null",
                Some(json) if self.reading.is_unavailable(json) => "a column of the key was not sent",
                Some(_) => continue,
            };
            return Err(Error::bad_input(problem).with("field", self.names.get(at)));
        }
        Ok(())
    }

    fn key(&self, cells: &Cells, image: &Object) -> Key {
        self.keys.iter().map(|&at| cells.get(image, at).unwrap_or("null").to_owned()).collect()
    }

    fn differs(&self, key: &[String], cells: &Cells, image: &Object) -> bool {
        self.keys.iter().zip(key).any(|(&at, old)| cells.get(image, at) != Some(old))
    }

    /// The key that the row had before, if the record says so and it is another one.
    fn old_key(&mut self, change: &Change, cells: &Cells, image: &Object) -> Result<Option<Key>> {
        let said = match (change.op(), &change.old_key, &change.before) {
            _ if self.keys.is_empty() => None,
            (Op::Create, Some(key), _) => Some(Cow::Owned(Object::read(key).map_err(|e| e.with("field", "__debezium.oldkey"))?)),
            (Op::Update, _, Some(before)) => Some(Cow::Borrowed(before)),
            _ => None,
        };
        let Some(before) = said.as_deref() else { return Ok(None) };
        self.before.read(before, &self.names, change.form)?;
        let is_whole = self
            .keys
            .iter()
            .all(|&at| self.before.get(before, at).is_some_and(|json| !is_null(json) && !self.reading.is_unavailable(json)));
        let key = self.key(&self.before, before);
        Ok(Some(key).filter(|key| is_whole && self.differs(key, cells, image)))
    }
}
