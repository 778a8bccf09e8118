//! Cells to and from Arrow arrays of the canonical types (`waterline_core::schema`).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Fields, Float32Type, Float64Type, Int32Type, Int64Type, SchemaRef, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use crate::cell::{Cell, Float, Row};

/// Rows as a batch of `schema`. Panics when a cell is not of its column's type.
pub fn to_batch(schema: &SchemaRef, rows: &[Row]) -> RecordBatch {
    let column = |name: &str| rows.iter().map(|row| row.get(name)).collect::<Vec<_>>();
    let arrays = schema.fields().iter().map(|field| to_array(field.data_type(), &column(field.name()))).collect();
    RecordBatch::try_new(schema.clone(), arrays).expect("rows fit their schema")
}

/// The rows of a batch, in its order.
pub fn to_rows(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    let row = |at: usize| {
        let cells = schema.fields().iter().zip(batch.columns()).map(|(field, array)| (field.name().clone(), to_cell(array, at)));
        cells.filter_map(|(name, cell)| Some((name, cell?))).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Cells as an array. Panics when one is not of the type.
pub fn to_array(data_type: &DataType, cells: &[Option<&Cell>]) -> ArrayRef {
    match data_type {
        DataType::Boolean => Arc::new(cells.iter().map(|cell| cell.map(bool_of)).collect::<BooleanArray>()),
        DataType::Int32 => Arc::new(cells.iter().map(|cell| cell.map(|cell| small(int_of(cell)))).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(cells.iter().map(|cell| cell.map(int_of)).collect::<Int64Array>()),
        DataType::Float32 => Arc::new(cells.iter().map(|cell| cell.map(|cell| float_of(cell) as f32)).collect::<Float32Array>()),
        DataType::Float64 => Arc::new(cells.iter().map(|cell| cell.map(float_of)).collect::<Float64Array>()),
        DataType::Decimal128(precision, scale) => {
            let array: Decimal128Array = cells.iter().map(|cell| cell.map(decimal_of)).collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("a decimal type"))
        }
        DataType::Utf8 => Arc::new(cells.iter().map(|cell| cell.map(text_of)).collect::<StringArray>()),
        DataType::Binary => Arc::new(cells.iter().map(|cell| cell.map(bytes_of)).collect::<BinaryArray>()),
        DataType::Date32 => Arc::new(cells.iter().map(|cell| cell.map(|cell| small(int_of(cell)))).collect::<Date32Array>()),
        DataType::Time64(_) => Arc::new(cells.iter().map(|cell| cell.map(int_of)).collect::<Time64MicrosecondArray>()),
        DataType::Timestamp(_, zone) => {
            Arc::new(cells.iter().map(|cell| cell.map(int_of)).collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
        }
        DataType::List(element) => {
            let lists: Vec<&[Option<Cell>]> = cells.iter().map(|cell| cell.map_or(&[][..], list_of)).collect();
            let elements: Vec<Option<&Cell>> = lists.iter().flat_map(|list| list.iter().map(Option::as_ref)).collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
            Arc::new(ListArray::new(element.clone(), offsets, to_array(element.data_type(), &elements), Some(validity(cells))))
        }
        DataType::Struct(fields) => Arc::new(to_struct(fields, cells)),
        other => panic!("no canonical type: {other}"),
    }
}

/// Structs from [`Cell::Struct`] cells.
pub(crate) fn to_struct(fields: &Fields, cells: &[Option<&Cell>]) -> StructArray {
    let member = |name: &str| cells.iter().map(|cell| cell.and_then(|cell| struct_of(cell).get(name))).collect::<Vec<_>>();
    let arrays = fields.iter().map(|field| to_array(field.data_type(), &member(field.name()))).collect();
    StructArray::new(fields.clone(), arrays, Some(validity(cells)))
}

/// One value of an array; `None` for null. Also reads the other layouts of text and bytes.
pub fn to_cell(array: &dyn Array, at: usize) -> Option<Cell> {
    if array.is_null(at) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(at)),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(at).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(at)),
        DataType::Float32 => Cell::Float(Float::new(array.as_primitive::<Float32Type>().value(at).into())),
        DataType::Float64 => Cell::Float(Float::new(array.as_primitive::<Float64Type>().value(at))),
        DataType::Decimal128(..) => Cell::Decimal(array.as_primitive::<Decimal128Type>().value(at)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(at).into()),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(at).into()),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(at).into()),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(at).into()),
        DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(at).into()),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(at).into()),
        DataType::Date32 => Cell::Int(array.as_primitive::<Date32Type>().value(at).into()),
        DataType::Time64(_) => Cell::Int(array.as_primitive::<Time64MicrosecondType>().value(at)),
        DataType::Timestamp(..) => Cell::Int(array.as_primitive::<TimestampMicrosecondType>().value(at)),
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(at);
            Cell::List((0..elements.len()).map(|at| to_cell(&elements, at)).collect())
        }
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            Cell::Struct(members.filter_map(|(field, member)| Some((field.name().clone(), to_cell(member, at)?))).collect())
        }
        other => panic!("no canonical type: {other}"),
    })
}

fn validity(cells: &[Option<&Cell>]) -> NullBuffer {
    cells.iter().map(Option::is_some).collect()
}

fn small(value: i64) -> i32 {
    i32::try_from(value).expect("a value of 32 bits")
}

fn bool_of(cell: &Cell) -> bool {
    if let Cell::Bool(value) = cell { *value } else { panic!("{cell:?} is no boolean") }
}

fn int_of(cell: &Cell) -> i64 {
    if let Cell::Int(value) = cell { *value } else { panic!("{cell:?} is no integer") }
}

fn float_of(cell: &Cell) -> f64 {
    if let Cell::Float(value) = cell { value.get() } else { panic!("{cell:?} is no float") }
}

fn decimal_of(cell: &Cell) -> i128 {
    if let Cell::Decimal(value) = cell { *value } else { panic!("{cell:?} is no decimal") }
}

fn text_of(cell: &Cell) -> &str {
    if let Cell::Text(value) = cell { value } else { panic!("{cell:?} is no text") }
}

fn bytes_of(cell: &Cell) -> &[u8] {
    if let Cell::Bytes(value) = cell { value } else { panic!("{cell:?} is no binary") }
}

fn list_of(cell: &Cell) -> &[Option<Cell>] {
    if let Cell::List(value) = cell { value } else { panic!("{cell:?} is no list") }
}

fn struct_of(cell: &Cell) -> &Row {
    if let Cell::Struct(value) = cell { value } else { panic!("{cell:?} is no struct") }
}
