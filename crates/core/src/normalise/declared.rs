//! What the metadata of a column's field tells of its type in the source, see [`crate::schema::SOURCE_TYPE`].

use arrow::datatypes::Field;

use crate::schema::{SOURCE_TYPE, TIME_DIGITS, is_unsigned_bigint};

/// Digits of a second when a type does not say: PostgreSQL's default.
const DEFAULT_TIME_DIGITS: u8 = 6;

/// Kinds of source types that are written in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    Unknown,
    /// Text of any length: only strings go into it.
    Text,
    Numeric,
    Bits,
    /// MySQL's `time`.
    Elapsed,
    UnsignedBigint,
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    pub(super) kind: SourceKind,
    pub(super) time_digits: u8,
}

impl Declared {
    pub(super) fn of(field: &Field) -> Self {
        let digits = field.metadata().get(TIME_DIGITS).and_then(|digits| digits.parse().ok());
        let kind = match field.metadata().get(SOURCE_TYPE) {
            None => SourceKind::Unknown,
            Some(_) if is_unsigned_bigint(field) => SourceKind::UnsignedBigint,
            Some(name) => kind(name),
        };
        Self { kind, time_digits: digits.unwrap_or(DEFAULT_TIME_DIGITS) }
    }
}

fn kind(source_type: &str) -> SourceKind {
    let name = source_type.to_ascii_lowercase();
    let bare = name.split(['(', '[']).next().unwrap_or_default().trim();
    match bare {
        "text" | "varchar" | "character varying" | "char" | "character" | "bpchar" | "citext" | "name" | "tinytext" | "mediumtext"
        | "longtext" => SourceKind::Text,
        "numeric" | "decimal" => SourceKind::Numeric,
        "bit" | "bit varying" | "varbit" => SourceKind::Bits,
        "time" => SourceKind::Elapsed,
        _ => SourceKind::Other,
    }
}
