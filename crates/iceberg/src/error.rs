//! From the errors of the `iceberg` crate and of the object store to ours.

use waterline_core::error::Error;

/// A file of the table that the `iceberg` crate cannot read.
pub(crate) fn unreadable(file: &str, error: iceberg::Error) -> Error {
    let summary = match error.kind() {
        iceberg::ErrorKind::FeatureUnsupported => Error::unsupported("the table uses a feature of Iceberg that is not supported"),
        _ => Error::corrupt("a metadata file of the table cannot be read"),
    };
    summary.with("file", file).caused_by(error)
}

/// Metadata that we made and the `iceberg` crate refuses.
pub(crate) fn refused(error: iceberg::Error) -> Error {
    Error::internal("the new table metadata is not valid").caused_by(error)
}
