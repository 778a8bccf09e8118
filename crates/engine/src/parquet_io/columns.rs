//! The columns of a table, and files seen through them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::SchemaDescriptor;
use waterline_core::error::Result;
use waterline_core::format::{MATCH_COLUMNS, TableState};

use super::decode::{check, decoded};
use super::error::from_chain;
use super::mapping::{self, NameMapping};
use super::rename::{Matching, renamed};
use super::trust::trusted;

/// Columns to read, with their ids in the table, and names for files that have no ids.
#[derive(Clone, Debug)]
pub struct TableColumns {
    schema: SchemaRef,
    matching: Matching,
}

impl TableColumns {
    /// All columns of a table.
    pub fn of(state: &TableState) -> Result<Self> {
        let matching = match state.properties.get(mapping::PROPERTY) {
            _ if state.schema.metadata().get(MATCH_COLUMNS).is_some_and(|by| by == "name") => Matching::Names,
            Some(json) => Matching::Mapping(NameMapping::parse(json)?),
            None => Matching::Ids,
        };
        Ok(Self { schema: state.schema.clone(), matching })
    }

    /// These columns instead; their ids are in the field metadata under [`waterline_core::format::FIELD_ID`].
    #[must_use]
    pub fn with_fields(&self, fields: impl Into<Fields>) -> Self {
        Self { schema: Arc::new(Schema::new(fields)), matching: self.matching.clone() }
    }

    /// The columns as they are read.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The schema without ids, as queries see it.
    pub(crate) fn plain_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(plain_fields(self.schema.fields())))
    }

    /// The footer as if the file had been written with the table's names: matched columns are called as in the table,
    /// the others as no column of the table is. Statistics that cannot be trusted are gone.
    pub(crate) fn view(&self, footer: &ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
        let file = footer.file_metadata();
        let root = renamed(file.schema(), self.schema.fields(), &self.matching)?;
        let renamed = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        let plain = parquet_to_arrow_schema(&renamed, None)?;
        let types = match parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()) {
            Ok(hinted) => decoded(plain.fields(), hinted.fields()),
            Err(_) => plain.fields().clone(),
        };
        check(&types, self.schema.fields()).map_err(|e| ParquetError::External(Box::new(e)))?;
        let hint = (&types != plain.fields())
            .then(|| vec![KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&Schema::new(types)))]);
        let file = FileMetaData::new(
            file.version(),
            file.num_rows(),
            file.created_by().map(str::to_owned),
            hint,
            renamed,
            file.column_orders().cloned(),
        );
        let row_groups = footer.row_groups().iter().map(trusted).collect::<Result<_, _>>()?;
        Ok(ParquetMetaDataBuilder::new(file).set_row_groups(row_groups).set_offset_index(footer.offset_index().cloned()).build())
    }

    /// [`Self::view`] with an error that names the file.
    pub(crate) fn view_of(&self, footer: &ParquetMetaData, url: &str) -> Result<ParquetMetaData> {
        self.view(footer).map_err(|e| match from_chain(&e) {
            Some(ours) => ours.with("file", url),
            None => super::error::from_parquet(e, url),
        })
    }
}

fn plain_fields(fields: &Fields) -> Fields {
    fields.iter().map(|field| plain_field(field)).collect()
}

fn plain_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(plain_fields(fields)),
        DataType::List(element) => DataType::List(Arc::new(plain_field(element))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(plain_field(entries)), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type).with_metadata(HashMap::new())
}
