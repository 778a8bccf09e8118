//! The `source` block of a Debezium event, and what flattened records keep of it.

use std::borrow::Cow;

use super::change::SnapshotMark;
use super::json::{JsonKind, Object, is_null, string};
use super::position::{Position, binlog_number, postgres_sequence};
use crate::error::{Error, Result};

/// Fields of the block, as far as they are given.
#[derive(Debug, Default)]
pub(super) struct Source<'a> {
    pub(super) connector: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) database: Option<Cow<'a, str>>,
    pub(super) schema: Option<Cow<'a, str>>,
    pub(super) table: Option<Cow<'a, str>>,
    pub(super) snapshot: SnapshotMark,
    time: Time,
    /// As JSON.
    sequence: Option<&'a str>,
    lsn: Option<u64>,
    pub(super) gtid: Option<Cow<'a, str>>,
    file: Option<Cow<'a, str>>,
    offset: Option<u64>,
    row: Option<u64>,
    commit_lsn: Option<Cow<'a, str>>,
    change_lsn: Option<Cow<'a, str>>,
    event_serial: Option<u64>,
}

#[derive(Debug, Default)]
struct Time {
    us: Option<i64>,
    ns: Option<i64>,
    ms: Option<i64>,
}

impl<'a> Source<'a> {
    pub(super) fn read(block: &'a Object) -> Result<Self> {
        let mut source = Self::default();
        block.iter().try_for_each(|(name, value)| source.set(name, value))?;
        Ok(source)
    }

    /// Takes a field by its name in the block.
    pub(super) fn set(&mut self, name: &str, value: &'a str) -> Result<()> {
        if is_null(value) {
            return Ok(());
        }
        match name {
            "connector" => self.connector = Some(text("source.connector", value)?),
            "name" => self.name = Some(text("source.name", value)?),
            "db" => self.database = Some(text("source.db", value)?),
            "schema" => self.schema = Some(text("source.schema", value)?),
            "table" => self.table = Some(text("source.table", value)?),
            "snapshot" => self.snapshot = string(value).map_or(SnapshotMark::None, |text| SnapshotMark::parse(&text)),
            "ts_us" => self.time.us = Some(number("source.ts_us", value)?),
            "ts_ns" => self.time.ns = Some(number("source.ts_ns", value)?),
            "ts_ms" => self.time.ms = Some(number("source.ts_ms", value)?),
            "sequence" => self.sequence = Some(value),
            "lsn" => self.lsn = Some(number("source.lsn", value)?),
            "gtid" => self.gtid = Some(text("source.gtid", value)?),
            "file" => self.file = Some(text("source.file", value)?),
            "pos" => self.offset = Some(number("source.pos", value)?),
            "row" => self.row = Some(number("source.row", value)?),
            "commit_lsn" => self.commit_lsn = Some(text("source.commit_lsn", value)?),
            "change_lsn" => self.change_lsn = Some(text("source.change_lsn", value)?),
            "event_serial_no" => self.event_serial = Some(number("source.event_serial_no", value)?),
            _ => {}
        }
        Ok(())
    }

    /// Microseconds since the epoch, from the finest of the times given.
    pub(super) fn event_time_us(&self) -> Option<i64> {
        let from_ms = || self.time.ms.and_then(|ms| ms.checked_mul(1_000));
        self.time.us.or_else(|| self.time.ns.map(|ns| ns.div_euclid(1_000))).or_else(from_ms)
    }

    pub(super) fn position(&self) -> Result<Position> {
        if let Some(file) = &self.file {
            let file = binlog_number(file)?;
            return Ok(Position::MySql { file, offset: self.offset.unwrap_or(0), row: self.row.unwrap_or(0) });
        }
        if let Some(commit) = &self.commit_lsn {
            let change = self.change_lsn.as_deref().unwrap_or_default().to_owned();
            return Ok(Position::SqlServer { commit: commit.clone().into_owned(), change, event: self.event_serial.unwrap_or(0) });
        }
        match (&self.sequence, self.lsn) {
            (Some(sequence), lsn) if self.connector.as_deref().is_none_or(|connector| connector == "postgresql") => {
                let (commit, event) = postgres_sequence(sequence)?;
                Ok(Position::Postgres { commit, event: event.or(lsn).unwrap_or(0) })
            }
            (_, Some(lsn)) => Ok(Position::Postgres { commit: lsn, event: lsn }),
            _ => Ok(Position::Unknown),
        }
    }
}

pub(super) fn text<'a>(field: &'static str, json: &'a str) -> Result<Cow<'a, str>> {
    string(json).ok_or_else(|| wrong_type(field, "string", json))
}

pub(super) fn number<T: std::str::FromStr>(field: &'static str, json: &str) -> Result<T> {
    json.parse().map_err(|_| wrong_type(field, "whole number", json))
}

fn wrong_type(field: &'static str, expected: &str, json: &str) -> Error {
    Error::bad_input(format!("a {expected} is expected")).with("field", field).with("json type", JsonKind::of(json))
}
