//! The Arrow types that the columns of a file are decoded as, and whether the table's types can be made from them.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields};
use waterline_core::error::{Error, Result};

/// The types of `hinted`, which the writer of the file noted down, where Parquet itself cannot tell them (seconds, days in
/// milliseconds); simpler ones for what is only another layout of the same values. Names are those of `plain`.
pub(super) fn decoded(plain: &Fields, hinted: &Fields) -> Fields {
    plain.iter().zip(hinted.iter()).map(|(plain, hinted)| decoded_field(plain, hinted.data_type())).collect()
}

fn decoded_field(plain: &FieldRef, hint: &DataType) -> FieldRef {
    Arc::new(plain.as_ref().clone().with_data_type(decoded_type(plain.data_type(), hint)))
}

fn decoded_type(plain: &DataType, hint: &DataType) -> DataType {
    use DataType::*;
    match (plain, hint) {
        (Struct(plain), Struct(hint)) => Struct(decoded(plain, hint)),
        (List(plain), List(hint) | LargeList(hint) | FixedSizeList(hint, _) | ListView(hint) | LargeListView(hint)) => {
            List(decoded_field(plain, hint.data_type()))
        }
        (Map(plain, sorted), Map(hint, _)) => Map(decoded_field(plain, hint.data_type()), *sorted),
        (_, Dictionary(_, hint)) => decoded_type(plain, hint),
        (Binary, Utf8 | LargeUtf8 | Utf8View) => Utf8,
        (Int32 | Int64 | Date32 | Timestamp(..), Timestamp(..) | Date64 | Time32(_) | Time64(_)) => hint.clone(),
        _ => plain.clone(),
    }
}

/// Fails when a column of the file is of a type that the table's type never was: then the file is not what the table's
/// metadata says, and a cast could make values up.
pub(super) fn check(file: &Fields, table: &Fields) -> Result<()> {
    for field in table {
        let Some(stored) = file.iter().find(|stored| stored.name() == field.name()) else { continue };
        if !can_become(stored.data_type(), field.data_type()) {
            return Err(Error::corrupt("a data file's column is of a type that the table's column cannot come from")
                .with("field", field.name())
                .with("file type", stored.data_type())
                .with("table type", field.data_type()));
        }
    }
    Ok(())
}

/// The promotions of the Iceberg spec ("Schema Evolution") and other layouts of the same values.
fn can_become(file: &DataType, table: &DataType) -> bool {
    use DataType::*;
    match (file, table) {
        (Null, _) => true,
        (Int8 | Int16 | Int32 | UInt8 | UInt16, Int32 | Int64) | (UInt32, Int64) => true,
        (Float16 | Float32, Float32 | Float64) => true,
        (Decimal128(_, s1) | Decimal256(_, s1), Decimal128(_, s2) | Decimal256(_, s2)) => s1 == s2,
        (Utf8 | Binary, Utf8 | Binary) | (FixedSizeBinary(_), Binary) => true,
        (Date32 | Date64, Date32) | (Date32, Timestamp(_, None)) => true,
        (Int64 | Time32(_) | Time64(_), Time64(_)) | (Timestamp(..), Timestamp(..)) => true,
        (List(file), List(table)) => can_become(file.data_type(), table.data_type()),
        (Struct(file), Struct(table)) => check(file, table).is_ok(),
        (Map(file, _), Map(table, _)) => can_become(file.data_type(), table.data_type()),
        _ => file == table,
    }
}
