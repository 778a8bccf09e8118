//! Partition specs and partition values (Iceberg spec, "Partitioning").

use iceberg::spec::{
    Literal, PartitionSpec, PrimitiveLiteral, Schema, Struct, StructType, TableMetadata, Transform as IcebergTransform,
    UnboundPartitionSpec,
};
use waterline_core::error::{Error, Result};
use waterline_core::partition::{PartitionField, Transform};
use waterline_core::value::Value;

use crate::value::{from_literal, to_literal};

/// The table's default spec in our words. A field that we cannot express keeps its name; such a table is not written.
pub(crate) fn default_fields(metadata: &TableMetadata) -> Vec<PartitionField> {
    let schema = metadata.current_schema();
    let known = |field: &iceberg::spec::PartitionField| {
        let transform = to_transform(field.transform).unwrap_or(Transform::Void);
        let column = schema.name_by_field_id(field.source_id).filter(|_| transform != Transform::Void);
        PartitionField { column: column.unwrap_or(&field.name).to_owned(), transform }
    };
    metadata.default_partition_spec().fields().iter().map(known).collect()
}

/// Fails for a default spec by which rows cannot be partitioned.
pub(crate) fn ensure_writable(metadata: &TableMetadata) -> Result<()> {
    match metadata.default_partition_spec().fields().iter().find(|field| field.transform == IcebergTransform::Unknown) {
        Some(field) => {
            Err(Error::unsupported("the table is partitioned by a transform that is not supported").with("partition field", &field.name))
        }
        None => Ok(()),
    }
}

/// The fields of a spec by their columns' names in `schema`; `None` where the column is gone or the values say nothing.
pub(crate) fn known_fields(spec: &PartitionSpec, schema: &Schema) -> Vec<Option<PartitionField>> {
    let known = |field: &iceberg::spec::PartitionField| {
        let transform = to_transform(field.transform).filter(|transform| *transform != Transform::Void)?;
        Some(PartitionField { column: schema.name_by_field_id(field.source_id)?.to_owned(), transform })
    };
    spec.fields().iter().map(known).collect()
}

/// A new table's spec, with the names that Iceberg gives partition fields by default.
pub(crate) fn new_spec(fields: &[PartitionField], schema: &Schema) -> Result<UnboundPartitionSpec> {
    let mut builder = UnboundPartitionSpec::builder();
    for field in fields {
        let invalid = || Error::usage("the table cannot be partitioned so").with("transform", field);
        let source = schema.field_by_name(&field.column).ok_or_else(|| invalid().with("column", &field.column))?;
        let transform = from_transform(field.transform);
        transform.result_type(&source.field_type).map_err(|e| invalid().caused_by(e))?;
        builder = builder.add_partition_field(source.id, default_name(field), transform).map_err(|e| invalid().caused_by(e))?;
    }
    Ok(builder.build())
}

fn default_name(field: &PartitionField) -> String {
    let suffix = match field.transform {
        Transform::Identity => return field.column.clone(),
        Transform::Bucket(_) => "bucket",
        Transform::Truncate(_) => "trunc",
        Transform::Year => "year",
        Transform::Month => "month",
        Transform::Day => "day",
        Transform::Hour => "hour",
        Transform::Void => "null",
    };
    format!("{}_{suffix}", field.column)
}

fn to_transform(transform: IcebergTransform) -> Option<Transform> {
    Some(match transform {
        IcebergTransform::Identity => Transform::Identity,
        IcebergTransform::Bucket(count) => Transform::Bucket(count),
        IcebergTransform::Truncate(width) => Transform::Truncate(width),
        IcebergTransform::Year => Transform::Year,
        IcebergTransform::Month => Transform::Month,
        IcebergTransform::Day => Transform::Day,
        IcebergTransform::Hour => Transform::Hour,
        IcebergTransform::Void => Transform::Void,
        IcebergTransform::Unknown => return None,
    })
}

fn from_transform(transform: Transform) -> IcebergTransform {
    match transform {
        Transform::Identity => IcebergTransform::Identity,
        Transform::Bucket(count) => IcebergTransform::Bucket(count),
        Transform::Truncate(width) => IcebergTransform::Truncate(width),
        Transform::Year => IcebergTransform::Year,
        Transform::Month => IcebergTransform::Month,
        Transform::Day => IcebergTransform::Day,
        Transform::Hour => IcebergTransform::Hour,
        Transform::Void => IcebergTransform::Void,
    }
}

/// Partition values of a new file, as the spec's types want them.
pub(crate) fn to_struct(values: &[Option<Value>], partition_type: &StructType) -> Result<Struct> {
    let fields = partition_type.fields();
    if fields.len() != values.len() {
        return Err(Error::internal("a new file has not one value per partition field")
            .with("fields", fields.len())
            .with("values", values.len()));
    }
    let literal = |(field, value): (&iceberg::spec::NestedFieldRef, &Option<Value>)| {
        let mismatch =
            || Error::internal("a partition value is not of its field's type").with("field", &field.name).with("type", &field.field_type);
        let Some(value) = value else { return Ok(None) };
        let kind = field.field_type.as_primitive_type().ok_or_else(mismatch)?;
        to_literal(value, kind).map(Some).ok_or_else(mismatch)
    };
    fields.iter().zip(values).map(literal).collect::<Result<Struct>>()
}

/// Partition values of a file as ours: one per field of its spec, `None` where the value cannot be expressed.
pub(crate) fn from_struct(partition: &Struct, partition_type: &StructType) -> Vec<Option<Option<Value>>> {
    let known = |(field, literal): (&iceberg::spec::NestedFieldRef, Option<&Literal>)| match (literal, field.field_type.as_primitive_type())
    {
        (None, _) => Some(None),
        (Some(Literal::Primitive(literal)), Some(kind)) => from_literal(literal, kind).map(Some),
        _ => None,
    };
    partition_type.fields().iter().zip(partition.iter()).map(known).collect()
}

/// A spec id with partition values that compare equal across promotions of the source's type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    spec_id: i32,
    values: Struct,
}

impl PartitionKey {
    pub(crate) fn new(spec_id: i32, values: &Struct) -> Self {
        Self { spec_id, values: values.iter().map(|value| value.map(widened)).collect() }
    }
}

fn widened(literal: &Literal) -> Literal {
    match literal {
        Literal::Primitive(PrimitiveLiteral::Int(value)) => Literal::long(i64::from(*value)),
        Literal::Primitive(PrimitiveLiteral::Float(value)) => Literal::double(f64::from(value.0)),
        other => other.clone(),
    }
}
