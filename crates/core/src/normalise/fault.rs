//! Why a value does not go into its column.

use arrow::datatypes::DataType;

use crate::decode::json::JsonKind;
use crate::error::Error;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// It would fit a column of this type, to which the table can grow.
    Wider(DataType),
    /// It is of this type, and the table cannot grow to it.
    Type(DataType),
    /// It is not what the column's type looks like in a record.
    Malformed(&'static str),
    /// It shows that earlier values were taken the wrong way, for want of this setting.
    Contradiction(&'static str),
}

impl Fault {
    pub(super) fn into_error(self, column: &str, table_type: &DataType, json: &str) -> Error {
        let error = match self {
            // Only a message's schema says that the source changed; a value by itself may as well be wrong.
            Self::Type(source) | Self::Wider(source) => Error::bad_input("a value is of a type that its column cannot take")
                .with("column", column)
                .with("table type", table_type)
                .with("source type", source),
            Self::Malformed(message) => Error::bad_input(message).with("column", column).with("table type", table_type),
            Self::Contradiction(setting) => {
                Error::bad_input("earlier values were ambiguous and were read in another mode than this one shows; set the mode")
                    .with("column", column)
                    .with("setting", setting)
            }
        };
        error.with("field", column).with("json type", JsonKind::of(json))
    }
}
