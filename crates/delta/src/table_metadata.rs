//! What the log says of a table besides its files: columns, partitions, key and properties.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use waterline_core::error::{Error, Result};
use waterline_core::format::{KEYS, MATCH_COLUMNS, RowRules, parse_keys};
use waterline_core::partition::{PartitionField, Transform};

use crate::actions::{Metadata, Protocol};
use crate::features;
use crate::rules::rules;
use crate::schema::{self, ColumnMapping, DeltaField, DeltaSchema, Reader};
use crate::statistics::field_id;

const NAME_MAPPING: &str = "schema.name-mapping.default";
/// What the engine goes by when it deletes rows.
const MERGE_MODE: &str = "write.merge.mode";
const INDEXED_COLUMNS: &str = "delta.dataSkippingNumIndexedCols";
const DEFAULT_INDEXED_COLUMNS: usize = 32;

/// A column of the table that the seam shows.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) physical: String,
    pub(crate) id: i32,
    pub(crate) data_type: DataType,
}

/// A partition column: by its name in the log, which field it is, and the type of the column that the field is of.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) physical: String,
    pub(crate) field: PartitionField,
    pub(crate) source: DataType,
}

#[derive(Clone, Debug)]
pub(crate) struct TableMetadata {
    pub(crate) raw: Metadata,
    pub(crate) mapping: ColumnMapping,
    pub(crate) fields: Vec<DeltaField>,
    pub(crate) schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) keys: Vec<String>,
    pub(crate) rules: Arc<RowRules>,
    indexed_columns: usize,
}

impl TableMetadata {
    pub(crate) fn parse(raw: Metadata, protocol: &Protocol) -> Result<Self> {
        if raw.format.provider != "parquet" {
            return Err(Error::unsupported("data files of this format are not supported").with("format", &raw.format.provider));
        }
        let mapping = features::column_mapping(protocol, &raw.configuration)?;
        let fields = DeltaSchema::parse(&raw.schema_string)?.fields;
        let (schema, columns) = visible(&fields, mapping)?;
        let partitions = raw.partition_columns.iter().map(|name| partition(name, &fields, &columns, mapping)).collect::<Result<_>>()?;
        let keys = match raw.configuration.get(KEYS).and_then(Option::as_deref) {
            None => Vec::new(),
            Some(json) => parse_keys(json)?,
        };
        let indexed = raw.configuration.get(INDEXED_COLUMNS).and_then(Option::as_deref).and_then(|text| text.parse::<i64>().ok());
        // A negative number stands for all.
        let indexed_columns = indexed.map_or(DEFAULT_INDEXED_COLUMNS, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let rules = Arc::new(rules(&raw.configuration, &fields)?);
        Ok(Self { raw, mapping, fields, schema, columns, partitions, keys, rules, indexed_columns })
    }

    pub(crate) fn partition_by(&self) -> Vec<PartitionField> {
        self.partitions.iter().map(|partition| partition.field.clone()).collect()
    }

    /// The table's properties as the seam shows them.
    pub(crate) fn properties(&self, protocol: &Protocol) -> BTreeMap<String, String> {
        let all = self.raw.configuration.iter().filter(|(key, _)| *key != KEYS);
        let mut properties: BTreeMap<String, String> = all.filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        if self.mapping == ColumnMapping::Mapped {
            let shown: Vec<DeltaField> = self.fields.iter().filter(|field| !field.is_partition_of_ours()).cloned().collect();
            properties.insert(NAME_MAPPING.into(), schema::name_mapping(&shown, self.schema.fields()).to_string());
        }
        if !features::has_deletion_vectors(protocol, &self.raw.configuration) {
            properties.insert(MERGE_MODE.into(), "copy-on-write".into());
        }
        properties
    }

    /// Whether new files say something of the column. Partition columns need not.
    pub(crate) fn has_statistics(&self, column: &Column) -> bool {
        let is_partition = self.raw.partition_columns.contains(&column.name);
        let first = || self.columns.iter().take(self.indexed_columns).any(|known| known.id == column.id);
        !is_partition && (self.keys.contains(&column.name) || first())
    }

    /// The metadata with other columns.
    pub(crate) fn with_fields(&self, fields: Vec<DeltaField>) -> Result<Metadata> {
        Ok(Metadata { schema_string: DeltaSchema { fields }.to_json()?, ..self.raw.clone() })
    }
}

fn visible(fields: &[DeltaField], mapping: ColumnMapping) -> Result<(SchemaRef, Vec<Column>)> {
    let mut reader = Reader::new(mapping);
    let (mut shown, mut columns): (Vec<FieldRef>, Vec<Column>) = Default::default();
    for field in fields.iter().filter(|field| !field.is_partition_of_ours()) {
        let arrow = reader.field(field, "")?;
        columns.push(Column {
            name: field.name.clone(),
            physical: field.physical_name(mapping).to_owned(),
            id: field_id(&arrow),
            data_type: arrow.data_type().clone(),
        });
        shown.push(Arc::new(arrow));
    }
    let schema = match mapping {
        ColumnMapping::None => Schema::new(shown).with_metadata([(MATCH_COLUMNS.to_owned(), "name".to_owned())].into()),
        ColumnMapping::Mapped => Schema::new(shown),
    };
    Ok((Arc::new(schema), columns))
}

fn partition(name: &str, fields: &[DeltaField], columns: &[Column], mapping: ColumnMapping) -> Result<Partition> {
    let corrupt = || Error::corrupt("a partition column is none of the table's").with("column", name);
    let column = fields.iter().find(|field| field.name == name).ok_or_else(corrupt)?;
    let identity = || PartitionField { column: name.to_owned(), transform: Transform::Identity };
    let field = column.partition_of().unwrap_or_else(identity);
    let source = columns.iter().find(|known| known.name == field.column).ok_or_else(corrupt)?;
    Ok(Partition { physical: column.physical_name(mapping).to_owned(), field, source: source.data_type.clone() })
}
