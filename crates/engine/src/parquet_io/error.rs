//! Errors of the Parquet reader and of stores as ours.

use std::error::Error as StdError;

use parquet::errors::ParquetError;
use waterline_core::error::{Error, ErrorKind};

/// What went wrong with the file of this URL.
pub(crate) fn from_parquet(error: ParquetError, url: &str) -> Error {
    from_chain(&error).unwrap_or_else(|| Error::corrupt("a Parquet file cannot be read").with("file", url).caused_by(error))
}

/// What a store answered about the file of this URL.
pub(crate) fn from_store(error: object_store::Error, url: &str) -> Error {
    let kind = store_kind(&error);
    Error::new(kind, message(kind)).with("file", url).caused_by(error)
}

/// The error of ours, or of a store, that lies under an error of a library.
pub(crate) fn from_chain(error: &(dyn StdError + 'static)) -> Option<Error> {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return Some(copied(ours));
    }
    if let Some(store) = error.downcast_ref::<object_store::Error>() {
        let kind = store_kind(store);
        return Some(Error::new(kind, message(kind)).caused_by(store.to_string()));
    }
    from_chain(error.source()?)
}

fn store_kind(error: &object_store::Error) -> ErrorKind {
    match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    }
}

fn message(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "a file of the table is missing",
        _ => "a file of the table cannot be fetched",
    }
}

/// Libraries keep their causes behind shared pointers, so an error of ours comes back as a copy.
fn copied(error: &Error) -> Error {
    let copy = error.context().iter().fold(Error::new(error.kind(), error.message()), |copy, (key, value)| copy.with(key, value));
    match error.source() {
        Some(source) => copy.caused_by(source.to_string()),
        None => copy,
    }
}
