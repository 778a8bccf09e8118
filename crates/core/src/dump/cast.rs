//! Batches of Parquet to the types of a table, exactly: a value that would change is an error, never a rounding or a null.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringBuilder, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Schema, TimeUnit};

use super::csv::unknown_column;
use crate::error::{Error, Result};
use crate::schema::{SOURCE_TYPE, TableSchema, list_of, timestamp_local, timestamp_utc};

/// The columns of the table, by name, from a batch of any types that hold the same values. A column that the batch lacks is null.
pub fn cast_to_table(batch: &RecordBatch, table: &TableSchema) -> Result<RecordBatch> {
    if let Some(field) = batch.schema_ref().fields().iter().find(|field| table.index_of(field.name()).is_none()) {
        return Err(unknown_column(field.name()));
    }
    let columns = table.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => cast_column(column, field),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    for (column, field) in columns.iter().zip(table.fields()) {
        if !field.is_nullable() && column.logical_null_count() > 0 {
            return Err(Error::bad_input("a column of the key is null or absent").with("field", field.name()));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(table.to_arrow(), columns, &options)?)
}

/// The fields of a Parquet file as canonical ones. Fails for a type whose values no canonical type holds.
pub fn schema_from_arrow(schema: &Schema) -> Result<Vec<FieldRef>> {
    let fields = schema.fields().iter().map(|field| match canonical(field.data_type()) {
        Some(data_type) => Ok(Arc::new(Field::new(field.name(), data_type, true))),
        None => Err(Error::unsupported("a column of the dump has a type that tables lack")
            .with("field", field.name())
            .with("type", field.data_type())),
    });
    fields.collect()
}

fn canonical(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 => data_type.clone(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale) => {
            non_negative_scale(*precision, *scale)?
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, None) => timestamp_local(),
        DataType::Timestamp(_, Some(_)) => timestamp_utc(),
        DataType::Dictionary(_, values) => canonical(values)?,
        DataType::RunEndEncoded(_, values) => canonical(values.data_type())?,
        DataType::List(element) | DataType::LargeList(element) | DataType::ListView(element) | DataType::LargeListView(element) => {
            list_of(canonical(element.data_type())?)
        }
        DataType::FixedSizeList(element, _) => list_of(canonical(element.data_type())?),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| Some(Field::new(field.name(), canonical(field.data_type())?, true)));
            DataType::Struct(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn non_negative_scale(precision: u8, scale: i8) -> Option<DataType> {
    let digits = precision.checked_add(scale.min(0).unsigned_abs())?;
    (digits <= DECIMAL128_MAX_PRECISION).then(|| DataType::Decimal128(digits, scale.max(0)))
}

/// Casts there and back where a kernel might round, and compares.
fn cast_column(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let to = field.data_type();
    let refused =
        |problem: &str| Error::bad_input(problem).with("field", field.name()).with("dump type", column.data_type()).with("table type", to);
    let lossy = || refused("a column of the dump has a value that the table's type cannot hold exactly");
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let plain = match column.data_type() {
        DataType::Dictionary(_, values) => &cast_with_options(column, values, &options)?,
        DataType::RunEndEncoded(_, values) => &cast_with_options(column, values.data_type(), &options)?,
        DataType::FixedSizeBinary(16) if is_declared(field, "uuid") => &uuid_text(column),
        _ => column,
    };
    if plain.data_type() == &DataType::Boolean && is_declared(field, "tinyint(1)") {
        return Ok(cast_with_options(plain, to, &options)?);
    }
    let exactness = exactness(plain.data_type(), to);
    let exactness = exactness.ok_or_else(|| refused("a column of the dump has a type that the table cannot take"))?;
    let cast = cast_with_options(plain, to, &options).map_err(|_| lossy())?;
    if exactness == Exactness::ByValue {
        let back = cast_with_options(&cast, plain.data_type(), &options).map_err(|_| lossy())?;
        if back.to_data() != plain.to_data() {
            return Err(lossy());
        }
    }
    Ok(cast)
}

fn is_declared(field: &Field, source_type: &str) -> bool {
    field.metadata().get(SOURCE_TYPE).is_some_and(|declared| declared == source_type)
}

/// Parquet's UUID as PostgreSQL writes it.
fn uuid_text(column: &ArrayRef) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(column.len(), column.len() * 36);
    for bytes in column.as_fixed_size_binary() {
        let Some(bytes) = bytes else {
            texts.append_null();
            continue;
        };
        for (at, byte) in bytes.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            // Writing to a builder in memory cannot fail.
            let _ = write!(texts, "{dash}{byte:02x}");
        }
        texts.append_value("");
    }
    Arc::new(texts.finish())
}

/// Whether a cast keeps every value, or has to show it value by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Always,
    ByValue,
}

/// `None` for types that mean different things. A clock without a zone is no moment, nor the other way round.
fn exactness(from: &DataType, to: &DataType) -> Option<Exactness> {
    use DataType::*;
    match (from, to) {
        (from, to) if from == to => Some(Exactness::Always),
        (Null, _) => Some(Exactness::Always),
        (LargeUtf8 | Utf8View, Utf8) => Some(Exactness::Always),
        (LargeBinary | BinaryView | FixedSizeBinary(_), Binary) => Some(Exactness::Always),
        (Float16, Float32 | Float64) | (Float32, Float64) => Some(Exactness::Always),
        (Float64, Float32) => Some(Exactness::ByValue),
        (from, Int32 | Int64 | Decimal128(..)) if from.is_integer() || from.is_decimal() => Some(Exactness::ByValue),
        (Date64, Date32) | (Time32(_) | Time64(_), Time64(_)) => Some(Exactness::ByValue),
        (Timestamp(_, from), Timestamp(_, to)) if from.is_some() == to.is_some() => Some(Exactness::ByValue),
        (List(from) | LargeList(from) | ListView(from) | LargeListView(from) | FixedSizeList(from, _), List(to)) => {
            exactness(from.data_type(), to.data_type())
        }
        (Struct(from), Struct(to)) if from.iter().map(|field| field.name()).eq(to.iter().map(|field| field.name())) => {
            let members = from.iter().zip(to).map(|(from, to)| exactness(from.data_type(), to.data_type()));
            members.collect::<Option<Vec<_>>>().map(|members| members.into_iter().fold(Exactness::Always, Exactness::max))
        }
        _ => None,
    }
}
