//! Errors of DataFusion as ours.

use datafusion::error::DataFusionError;
use waterline_core::error::{Error, ErrorKind};

use crate::parquet_io::from_chain;

/// What went wrong with a query. Errors of ours that went through DataFusion come out as they were.
pub fn from_datafusion(error: DataFusionError) -> Error {
    if let Some(ours) = from_chain(&error) {
        return ours;
    }
    let (kind, message) = match error.find_root() {
        DataFusionError::SQL(..) => (ErrorKind::Usage, "the query is not SQL that can be read"),
        DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_) => (ErrorKind::Usage, "the query cannot be planned"),
        DataFusionError::ResourcesExhausted(_) => (ErrorKind::Usage, "the query needs more memory than it is allowed"),
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => {
            (ErrorKind::Unavailable, "the query cannot read or write its files")
        }
        DataFusionError::ParquetError(_) => (ErrorKind::Corrupt, "a Parquet file cannot be read"),
        DataFusionError::Internal(_) => (ErrorKind::Internal, "the query engine failed"),
        _ => (ErrorKind::BadInput, "the query failed"),
    };
    Error::new(kind, message).caused_by(error)
}

/// An error of ours on its way through DataFusion.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
