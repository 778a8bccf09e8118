//! What is known of files and manifests without opening them, in the words of the seam: partition values and bounds by
//! the columns' names in the schema of the state that is read.

use std::collections::{BTreeMap, HashMap};

use iceberg::spec::{DataFile, Datum, FieldSummary, ManifestFile, PrimitiveType, Type};
use waterline_core::format::{Bounds, FileSummary, VersionId};
use waterline_core::partition::{PartitionField, Transform};
use waterline_core::value::Value;

use crate::manifest::Contents;
use crate::partition;
use crate::state::IcebergState;
use crate::value::from_datum;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

pub(crate) struct Summaries<'a> {
    state: &'a IcebergState,
    columns: Vec<Column<'a>>,
}

/// A column at top level that has bounds.
struct Column<'a> {
    id: i32,
    name: &'a str,
    kind: &'a PrimitiveType,
}

impl<'a> Summaries<'a> {
    pub(crate) fn new(state: &'a IcebergState) -> Self {
        let fields = state.schema.as_struct().fields().iter();
        let columns = fields.filter_map(|field| match field.field_type.as_ref() {
            Type::Primitive(kind) => Some(Column { id: field.id, name: &field.name, kind }),
            _ => None,
        });
        Self { columns: columns.collect(), state }
    }

    /// The fields of a spec that say something of a column of the state.
    pub(crate) fn fields_of(&self, spec_id: i32) -> Vec<Option<PartitionField>> {
        let spec = self.state.metadata.table.partition_spec_by_id(spec_id);
        spec.map(|spec| partition::known_fields(spec, &self.state.schema)).unwrap_or_default()
    }

    pub(crate) fn of_file(&self, fields: &[Option<PartitionField>], contents: &Contents, file: &DataFile) -> FileSummary {
        let values = partition::from_struct(file.partition(), &contents.partition_type);
        let known = fields.iter().zip(values).filter_map(|(field, value)| Some((field.clone()?, value?)));
        FileSummary { partition: known.collect(), bounds: self.bounds(file), listed_by: None }
    }

    /// Iceberg's bounds leave out NaNs; ours must not.
    fn bounds(&self, file: &DataFile) -> BTreeMap<String, Bounds> {
        let bounds_of = |column: &Column<'_>| {
            if column.is_floating() && file.nan_value_counts().get(&column.id) != Some(&0) {
                return None;
            }
            let bound = |bounds: &HashMap<i32, Datum>| bounds.get(&column.id).and_then(|datum| column.bound(datum));
            let bounds = Bounds { lower: bound(file.lower_bounds()), upper: bound(file.upper_bounds()) };
            (bounds != Bounds::default()).then(|| (column.name.to_owned(), bounds))
        };
        self.columns.iter().filter_map(bounds_of).collect()
    }

    /// What the partition summaries of a manifest say of all its files.
    pub(crate) fn of_manifest(&self, manifest: &ManifestFile) -> FileSummary {
        let mut summary = FileSummary { listed_by: Some(VersionId(manifest.added_snapshot_id)), ..FileSummary::default() };
        let Some(spec) = self.state.metadata.table.partition_spec_by_id(manifest.partition_spec_id) else { return summary };
        let fields = self.fields_of(manifest.partition_spec_id);
        for ((field, known), range) in spec.fields().iter().zip(fields).zip(manifest.partitions.iter().flatten()) {
            let source = self.columns.iter().find(|column| column.id == field.source_id);
            let (Some(known), Some(source)) = (known, source) else { continue };
            let Ok(Type::Primitive(kind)) = field.transform.result_type(&Type::Primitive(source.kind.clone())) else { continue };
            let Some(values) = PartitionRange::of(range, &kind) else { continue };
            let bounds = values.source_bounds(known.transform, source.kind);
            if bounds != Bounds::default() {
                summary.bounds.insert(source.name.to_owned(), bounds);
            }
            summary.partition.extend(values.only().map(|value| (known, value)));
        }
        summary
    }
}

impl Column<'_> {
    fn is_floating(&self) -> bool {
        matches!(self.kind, PrimitiveType::Float | PrimitiveType::Double)
    }

    /// A bound in the column's type of now; the type that it was written with may be narrower. NaN bounds nothing.
    fn bound(&self, datum: &Datum) -> Option<Value> {
        use PrimitiveType::{Decimal, Double, Float, Int, Long};
        let fits = match (datum.data_type(), self.kind) {
            (written, now) if written == now => true,
            (Int, Long) | (Float, Double) => true,
            (Decimal { scale: written, .. }, Decimal { scale: now, .. }) => written == now,
            _ => false,
        };
        (fits && !datum.is_nan()).then(|| from_datum(datum)).flatten()
    }
}

/// The values of one partition field in a manifest.
struct PartitionRange {
    lower: Option<Value>,
    upper: Option<Value>,
    contains_null: bool,
}

impl PartitionRange {
    /// `None` when the summary cannot be read, or leaves out NaNs.
    fn of(summary: &FieldSummary, kind: &PrimitiveType) -> Option<Self> {
        let floating = matches!(kind, PrimitiveType::Float | PrimitiveType::Double);
        if floating && summary.contains_nan != Some(false) {
            return None;
        }
        let bound = |bytes: &Option<iceberg::spec::ByteBuf>| match bytes {
            None => Some(None),
            Some(bytes) => Datum::try_from_bytes(bytes, kind.clone()).ok().and_then(|datum| from_datum(&datum)).map(Some),
        };
        Some(Self { lower: bound(&summary.lower_bound)?, upper: bound(&summary.upper_bound)?, contains_null: summary.contains_null })
    }

    /// The one value that all files have, if there is one.
    fn only(&self) -> Option<Option<Value>> {
        match (&self.lower, &self.upper, self.contains_null) {
            (None, None, true) => Some(None),
            (Some(lower), Some(upper), false) if lower == upper => Some(Some(lower.clone())),
            _ => None,
        }
    }

    /// Bounds of the source's values.
    fn source_bounds(&self, transform: Transform, source: &PrimitiveType) -> Bounds {
        let is_timestamp = matches!(source, PrimitiveType::Timestamp | PrimitiveType::Timestamptz);
        let unit_us = match transform {
            Transform::Identity => return Bounds { lower: self.lower.clone(), upper: self.upper.clone() },
            Transform::Day if is_timestamp => DAY_US,
            Transform::Hour if is_timestamp => HOUR_US,
            _ => return Bounds::default(),
        };
        let first_us = |unit: i64| unit.checked_mul(unit_us);
        let last_us = |unit: i64| Some(unit.checked_add(1)?.checked_mul(unit_us)? - 1);
        Bounds { lower: map_int(&self.lower, first_us), upper: map_int(&self.upper, last_us) }
    }
}

fn map_int(value: &Option<Value>, map: impl Fn(i64) -> Option<i64>) -> Option<Value> {
    match value {
        Some(Value::Int(value)) => map(*value).map(Value::Int),
        _ => None,
    }
}
