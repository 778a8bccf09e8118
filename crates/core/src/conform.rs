//! Brings columns into exactly a table's schema: its order, its field ids, null where a column is absent.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};

use crate::error::{Error, Result};

/// Takes columns by name. Fails when a type differs, but for integers, floats and decimals that widen.
pub fn conform_batch(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match rows.column_by_name(field.name()) {
            Some(column) => conform(column, field.data_type()).map_err(|e| e.with("column", field.name())),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        })
        .collect::<Result<Vec<_>>>()?;
    let is_lacking = |(field, column): &(&FieldRef, &ArrayRef)| !field.is_nullable() && column.null_count() > 0;
    if let Some((field, _)) = schema.fields().iter().zip(&columns).find(is_lacking) {
        let problem = "a row has null in a column that may not be null; nothing was written";
        return Err(Error::bad_input(problem).with("column", field.name()));
    }
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| Error::bad_input("rows do not fit the table's schema").caused_by(e))
}

/// The same values under another notation of the same type; integers, floats and decimals may widen.
fn conform(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type {
        return Ok(column.clone());
    }
    match (column.data_type(), data_type) {
        (DataType::List(_), DataType::List(field)) => {
            let list = column.as_list::<i32>();
            let values = conform(list.values(), field.data_type())?;
            Ok(Arc::new(ListArray::try_new(field.clone(), list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let parts = column.as_struct();
            let children = fields
                .iter()
                .map(|field| match parts.column_by_name(field.name()) {
                    Some(child) => conform(child, field.data_type()),
                    None => Ok(new_null_array(field.data_type(), parts.len())),
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), children, parts.nulls().cloned())?))
        }
        (DataType::Int32, DataType::Int64)
        | (DataType::Float32, DataType::Float64)
        | (DataType::Decimal128(..), DataType::Decimal128(..)) => Ok(cast(column, data_type)?),
        (from, to) => Err(crate::schema::incompatible("", to, from)),
    }
}
