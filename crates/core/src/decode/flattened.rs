//! Records that Debezium's ExtractNewRecordState flattened: the row, and with a `__` before their names the fields of
//! the envelope, the source block and the transaction that `add.fields` asked for.

use std::borrow::Cow;

use super::json::{Object, is_null};
use super::source::{Source, text};
use crate::change::Op;
use crate::error::{Error, Result};

/// Names that follow `__`, with or without `source_` between.
const SOURCE_FIELDS: [&str; 30] = [
    "version",
    "connector",
    "name",
    "ts_ms",
    "ts_us",
    "ts_ns",
    "snapshot",
    "db",
    "sequence",
    "schema",
    "table",
    "txId",
    "lsn",
    "xmin",
    "origin",
    "origin_lsn",
    "server_id",
    "gtid",
    "file",
    "pos",
    "row",
    "thread",
    "query",
    "change_lsn",
    "commit_lsn",
    "event_serial_no",
    "scn",
    "commit_scn",
    "collection",
    "ord",
];
const ENVELOPE_FIELDS: [&str; 5] = ["op", "deleted", "transaction_id", "transaction_total_order", "transaction_data_collection_order"];

/// Whether a column of a flattened record is not the row's.
pub(crate) fn is_metadata(column: &str) -> bool {
    let Some(name) = column.strip_prefix("__") else { return false };
    ENVELOPE_FIELDS.contains(&name) || SOURCE_FIELDS.contains(&name.strip_prefix("source_").unwrap_or(name))
}

/// What a flattened record says beside its row.
#[derive(Debug, Default)]
pub(super) struct Metadata<'a> {
    pub(super) source: Source<'a>,
    pub(super) transaction: Option<Cow<'a, str>>,
    /// Number of the event in it.
    pub(super) order: Option<u64>,
    op: Option<Cow<'a, str>>,
    deleted: Option<bool>,
}

impl<'a> Metadata<'a> {
    pub(super) fn read(record: &'a Object) -> Result<Self> {
        let mut metadata = Self::default();
        for (column, value) in record.iter() {
            let Some(name) = column.strip_prefix("__") else { continue };
            match name {
                _ if is_null(value) => {}
                "op" => metadata.op = Some(text("__op", value)?),
                "deleted" => metadata.deleted = Some(value == "true" || value == "\"true\""),
                "transaction_id" => metadata.transaction = Some(text("__transaction_id", value)?),
                "transaction_total_order" => metadata.order = value.parse().ok(),
                // Without `source` in its name this is when Debezium saw the event, not when it happened.
                "ts_ms" | "ts_us" | "ts_ns" => {}
                _ if is_metadata(column) => metadata.source.set(name.strip_prefix("source_").unwrap_or(name), value)?,
                _ => {}
            }
        }
        Ok(metadata)
    }

    /// The op, by `__op`, `__deleted` or the header of that name.
    pub(super) fn op(&self, header: Option<&str>) -> Result<Op> {
        let word = self.op.as_deref().or(header);
        match (word, self.deleted) {
            (Some(word), _) => Op::parse(word).ok_or_else(|| Error::bad_input("the op is none that Debezium has").with("field", "__op")),
            (None, Some(true)) => Ok(Op::Delete),
            (None, Some(false)) => Ok(Op::Update),
            (None, None) => Err(Error::bad_input("neither an envelope nor a flattened record: there is no op").with("field", "op")),
        }
    }
}
