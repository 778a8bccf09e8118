use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use iceberg::spec::{FormatVersion, PartitionSpec, PrimitiveType, Schema, SortOrder, TableMetadata, TableMetadataBuilder};
use waterline_core::error::ErrorKind;

use super::{grown, promoted};
use crate::schema::{from_arrow, to_arrow};

fn table(fields: Vec<Field>, keys: &[&str]) -> TableMetadata {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let schema = from_arrow(&ArrowSchema::new(fields), &keys).unwrap();
    let spec = PartitionSpec::unpartition_spec().into_unbound();
    let builder = TableMetadataBuilder::new(schema, spec, SortOrder::unsorted_order(), "memory:///t".into(), FormatVersion::V2, [].into());
    builder.unwrap().build().unwrap().metadata
}

fn grow(table: &TableMetadata, fields: Vec<Field>) -> Option<Schema> {
    grown(table, &ArrowSchema::new(fields)).unwrap()
}

#[test]
fn only_the_promotions_of_the_specification_are_made() {
    use PrimitiveType::{Date, Decimal, Double, Float, Int, Long, String, Timestamp};
    let decimal = |precision, scale| Decimal { precision, scale };
    assert_eq!(promoted(&Int, &Long), Some(Long));
    assert_eq!(promoted(&Long, &Int), Some(Long));
    assert_eq!(promoted(&Float, &Double), Some(Double));
    assert_eq!(promoted(&decimal(9, 2), &decimal(12, 2)), Some(decimal(12, 2)));
    assert_eq!(promoted(&decimal(12, 2), &decimal(9, 2)), Some(decimal(12, 2)));
    for (current, wanted) in
        [(decimal(9, 2), decimal(9, 3)), (Int, Double), (Long, Double), (Date, Timestamp), (Int, String), (String, Int)]
    {
        assert_eq!(promoted(&current, &wanted), None);
    }
}

#[test]
fn new_ids_are_above_all_that_ever_were() {
    let table = table(vec![Field::new("a", DataType::Int32, true)], &[]);
    let with = |name: &str| vec![Field::new("a", DataType::Int32, true), Field::new(name, DataType::Utf8, true)];
    let first = grow(&table, with("b")).unwrap();
    let table = table.into_builder(None).add_current_schema(first).unwrap().build().unwrap().metadata;
    let dropped = Schema::builder().with_fields(table.current_schema().as_struct().fields()[..1].to_vec()).build().unwrap();
    let table = table.into_builder(None).add_current_schema(dropped).unwrap().build().unwrap().metadata;
    let again = grow(&table, with("b")).unwrap();
    assert_eq!(again.field_by_name("b").unwrap().id, 3, "a column added again under its name is another column");
}

#[test]
fn required_columns_become_optional_except_keys() {
    let table = table(vec![Field::new("id", DataType::Int64, false), Field::new("x", DataType::Int32, false)], &["id"]);
    let schema = grow(&table, vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Int32, true)]).unwrap();
    let arrow = to_arrow(&schema).unwrap();
    assert_eq!(arrow.fields().iter().map(|field| field.is_nullable()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_is_there_already_changes_nothing() {
    let table = table(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)], &[]);
    assert_eq!(grow(&table, vec![Field::new("b", DataType::Utf8, true)]), None);
    assert_eq!(grow(&table, vec![Field::new("a", DataType::Int32, true)]), None);
}

#[test]
fn elements_of_lists_and_values_of_maps_are_promoted_and_keys_of_maps_are_not() {
    let list = |kind| DataType::List(Arc::new(Field::new("element", kind, true)));
    let map = |key, value| {
        let pair = DataType::Struct(vec![Field::new("key", key, false), Field::new("value", value, true)].into());
        DataType::Map(Arc::new(Field::new("key_value", pair, false)), false)
    };
    let table =
        table(vec![Field::new("l", list(DataType::Int32), true), Field::new("m", map(DataType::Int32, DataType::Int32), true)], &[]);
    let schema =
        grow(&table, vec![Field::new("l", list(DataType::Int64), true), Field::new("m", map(DataType::Int32, DataType::Int64), true)])
            .unwrap();
    let types = ["l.element", "m.key", "m.value"].map(|name| schema.field_by_name(name).unwrap().field_type.to_string());
    assert_eq!(types, ["long", "int", "long"]);
    let changed = ArrowSchema::new(vec![Field::new("m", map(DataType::Int64, DataType::Int32), true)]);
    assert_eq!(grown(&table, &changed).unwrap_err().kind(), ErrorKind::SchemaChange);
}
