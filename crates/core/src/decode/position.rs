//! Where a change stands in its source's log.

use crate::error::{Error, Result};
use crate::sequence::SequenceWriter;

/// Compares inside a domain (DESIGN.md, rule 1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd)]
pub enum Position {
    /// The log sequence numbers of the last commit before the transaction, and of the event.
    Postgres {
        commit: u64,
        event: u64,
    },
    /// Number of the binlog file, offset in it, row of the event.
    MySql {
        file: u64,
        offset: u64,
        row: u64,
    },
    SqlServer {
        commit: String,
        change: String,
        event: u64,
    },
    /// The source has none; its columns order its events.
    Unknown,
}

impl Position {
    pub(crate) fn write(&self, sequence: &mut SequenceWriter) {
        match self {
            Self::Postgres { commit, event } => [commit, event].into_iter().for_each(|part| sequence.push_number(*part)),
            Self::MySql { file, offset, row } => [file, offset, row].into_iter().for_each(|part| sequence.push_number(*part)),
            Self::SqlServer { commit, change, event } => {
                sequence.push_text(commit);
                sequence.push_text(change);
                sequence.push_number(*event);
            }
            Self::Unknown => {}
        }
    }
}

/// The number in `binlog.000002`. The names compare as numbers: `999999` is followed by `1000000`.
pub(super) fn binlog_number(file: &str) -> Result<u64> {
    let digits = file.rsplit('.').next().unwrap_or_default();
    digits.parse().map_err(|_| Error::bad_input("the name of the binlog file has no number").with("field", "source.file"))
}

/// PostgreSQL's `source.sequence`: a JSON array of two numbers in strings, itself in a JSON string: `"[null,\"27148056\"]"`.
/// A null one is the lowest.
pub(super) fn postgres_sequence(json: &str) -> Result<(u64, Option<u64>)> {
    let fault = || Error::bad_input("the sequence is not two log sequence numbers").with("field", "source.sequence");
    let inner = json.strip_prefix("\"[").and_then(|rest| rest.strip_suffix("]\"")).ok_or_else(fault)?;
    let (commit, event) = inner.split_once(',').ok_or_else(fault)?;
    let number = |part: &str| match part.trim() {
        "null" => Ok(None),
        part => {
            let digits = part.strip_prefix("\\\"").and_then(|rest| rest.strip_suffix("\\\"")).unwrap_or(part);
            digits.parse().map(Some).map_err(|_| fault())
        }
    };
    Ok((number(commit)?.unwrap_or(0), number(event)?))
}
