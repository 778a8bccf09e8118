//! One change as the record states it: what the envelope says, and the images as unread JSON.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};

use super::connect::MessageSchema;
use super::flattened::is_metadata;
use super::json::{Object, each_field, is_null};
use super::position::Position;
use super::wire::inferred;
use crate::change::Op;
use crate::error::{Error, Result};
use crate::schema::TableSchema;
use crate::table::TableName;

/// Where a record stands in a snapshot of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SnapshotMark {
    /// No part of a snapshot.
    #[default]
    None,
    First,
    FirstOfTable,
    Middle,
    LastOfTable,
    Last,
    /// Read while changes went on.
    Incremental,
}

impl SnapshotMark {
    /// The values of Debezium's `source.snapshot`.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "true" => Self::Middle,
            "first" => Self::First,
            "first_in_data_collection" => Self::FirstOfTable,
            "last_in_data_collection" => Self::LastOfTable,
            "last" => Self::Last,
            "incremental" => Self::Incremental,
            _ => Self::None,
        }
    }
}

/// How the record states its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole images in an envelope.
    Envelope,
    /// A whole image with the envelope's fields among its own.
    Flattened,
    /// An image that names only what an update touched.
    Plain,
}

/// A change event of one table.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The bytes of the record, by which a repeated delivery is known.
    pub(crate) line: &'a [u8],
    pub(super) op: Op,
    pub(super) table: Option<Arc<TableName>>,
    pub(super) event_time_us: i64,
    pub(crate) domain: Arc<str>,
    pub(crate) position: Position,
    pub(super) snapshot: SnapshotMark,
    pub(super) transaction: Option<Cow<'a, str>>,
    /// Number of the event in its transaction, where the record says it.
    pub(crate) order: Option<u64>,
    pub(crate) before: Option<Object<'a>>,
    pub(crate) after: Option<Object<'a>>,
    /// The message key, as JSON.
    pub(super) key: Option<Cow<'a, str>>,
    /// The key before a change of key as JSON, where a header says it.
    pub(crate) old_key: Option<Cow<'a, str>>,
    pub(crate) schema: Option<Arc<MessageSchema>>,
    pub(crate) form: Form,
}

impl Change<'_> {
    /// The source's name of the table, where the record says it.
    pub fn table(&self) -> Option<&TableName> {
        self.table.as_deref()
    }

    pub fn op(&self) -> Op {
        self.op
    }

    /// When the source committed the transaction, in microseconds since the epoch.
    pub fn event_time_us(&self) -> i64 {
        self.event_time_us
    }

    /// Whether the time may be that of a statement only, since the source's clock shows none finer than a second. MySQL's
    /// binlog stamps statements in seconds; with GTIDs from version 8 on, Debezium takes the microsecond of the commit.
    pub fn is_statement_stamped(&self) -> bool {
        let is_row = !matches!(self.op, Op::Read | Op::Truncate) && self.snapshot == SnapshotMark::None;
        is_row && matches!(self.position, Position::MySql { .. }) && self.event_time_us % 1_000_000 == 0
    }

    /// Gives the change the time of its transaction.
    pub(crate) fn set_event_time(&mut self, time_us: i64) {
        self.event_time_us = time_us;
    }

    /// Where it stands in its log.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Name of the log that the event comes from, see [`crate::sequence`].
    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub fn snapshot(&self) -> SnapshotMark {
        self.snapshot
    }

    /// The source's name of the transaction: of the metadata, else the GTID.
    pub fn transaction(&self) -> Option<&str> {
        self.transaction.as_deref()
    }

    /// Names of the message key's fields; `None` when there is no message key.
    pub fn key_columns(&self) -> Result<Option<Vec<String>>> {
        let Some(key) = &self.key else { return Ok(None) };
        let mut names = Vec::new();
        each_field(key, |name, _| {
            names.push(name.to_owned());
            Ok(())
        })
        .map_err(|e| e.with("field", "key"))?;
        Ok(Some(names))
    }

    /// The table's schema by the message's own schema, with the message key's columns as key.
    pub fn schema(&self) -> Result<Option<TableSchema>> {
        let Some(schema) = &self.schema else { return Ok(None) };
        TableSchema::new(schema.fields(), self.key_columns()?.unwrap_or_default()).map(Some)
    }

    /// A schema as the images' values suggest it, for a table that nothing declares. Columns that are null are left out.
    pub fn inferred_schema(&self) -> Result<TableSchema> {
        let mut fields = Vec::new();
        for image in [&self.after, &self.before].into_iter().flatten() {
            for (name, value) in image.iter() {
                let is_known = fields.iter().any(|field: &FieldRef| field.name() == name);
                let is_envelopes = self.form == Form::Flattened && is_metadata(name);
                if !is_known && !is_envelopes && !is_null(value) {
                    fields.push(Arc::new(Field::new(name, inferred(value), true)));
                }
            }
        }
        let keys = self.key_columns()?.unwrap_or_default();
        TableSchema::new(fields, keys)
    }

    pub(super) fn into_owned<'l>(self, line: &'l [u8]) -> Change<'l> {
        let owned = |json: Option<Cow<'_, str>>| json.map(|json| Cow::Owned(json.into_owned()));
        Change {
            line,
            op: self.op,
            table: self.table,
            event_time_us: self.event_time_us,
            domain: self.domain,
            position: self.position,
            snapshot: self.snapshot,
            transaction: owned(self.transaction),
            order: self.order,
            before: self.before.map(Object::into_owned),
            after: self.after.map(Object::into_owned),
            key: owned(self.key),
            old_key: owned(self.old_key),
            schema: self.schema,
            form: self.form,
        }
    }

    /// The image that says what the row is now, or for a delete what it was.
    pub(crate) fn image(&self) -> Result<Cow<'_, Object<'_>>> {
        let missing = |field| Error::bad_input("the record has no image of its row").with("field", field).with("op", self.op.as_str());
        match (self.op, &self.before, &self.after, &self.key) {
            (Op::Truncate, ..) => Ok(Cow::Owned(Object::default())),
            (Op::Delete, Some(before), ..) => Ok(Cow::Borrowed(before)),
            (Op::Delete, None, _, Some(key)) => Object::read(key).map(Cow::Owned).map_err(|e| e.with("field", "key")),
            (Op::Delete, None, _, None) => Err(missing("before")),
            (_, _, Some(after), _) => Ok(Cow::Borrowed(after)),
            (_, _, None, _) => Err(missing("after")),
        }
    }
}
