//! What differs for one table, its format, and the limits of jobs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use waterline_core::error::{Error, Result};
use waterline_core::maintain::retention::Retention;
use waterline_core::partition::PartitionField;

use crate::args;
use crate::settings::absolute;
use crate::settings::file::{LimitsSection, OneOrMany, TableFormatName, TableSection};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableFormatKind {
    #[default]
    Iceberg,
    Delta,
}

impl From<TableFormatName> for TableFormatKind {
    fn from(name: TableFormatName) -> Self {
        match name {
            TableFormatName::Iceberg => Self::Iceberg,
            TableFormatName::Delta => Self::Delta,
        }
    }
}

impl From<args::TableFormatArg> for TableFormatKind {
    fn from(arg: args::TableFormatArg) -> Self {
        match arg {
            args::TableFormatArg::Iceberg => Self::Iceberg,
            args::TableFormatArg::Delta => Self::Delta,
        }
    }
}

/// What differs for one table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSettings {
    pub keys: Option<Vec<String>>,
    pub sequence_by: Vec<String>,
    /// Definitions such as `id bigint`, in the dialect of the source.
    pub columns: Vec<String>,
    pub partition_by: Vec<PartitionField>,
    pub enabled: bool,
    pub properties: BTreeMap<String, String>,
    pub table_format: Option<TableFormatKind>,
    /// A Delta table outside of the warehouse: a URL or an absolute path without a trailing slash.
    pub location: Option<String>,
    pub retention: Option<Retention>,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            keys: None,
            sequence_by: Vec::new(),
            columns: Vec::new(),
            partition_by: Vec::new(),
            enabled: true,
            properties: BTreeMap::new(),
            table_format: None,
            location: None,
            retention: None,
        }
    }
}

impl TableSettings {
    /// `retention` is that of all tables, `folder` where relative paths start.
    pub(crate) fn from_section(section: TableSection, retention: Option<Retention>, folder: &Path) -> Result<Self> {
        let location = section.location.map(|location| absolute(location.trim_end_matches('/'), folder)).transpose()?;
        let table_format = match (section.table_format.map(TableFormatKind::from), &location) {
            (Some(TableFormatKind::Iceberg), Some(_)) => {
                return Err(
                    Error::usage("the catalog says where an Iceberg table is; only a Delta table has a location").with("key", "location")
                );
            }
            (None, Some(_)) => Some(TableFormatKind::Delta),
            (format, _) => format,
        };
        Ok(Self {
            retention: section.retention.map_or(Ok(retention), |own| own.resolve())?,
            keys: section.keys,
            sequence_by: section.sequence_by.map(OneOrMany::into_vec).unwrap_or_default(),
            columns: section.columns.unwrap_or_default(),
            partition_by: section.partition_by.unwrap_or_default().into_iter().map(|field| field.0).collect(),
            enabled: section.enabled.unwrap_or(true),
            properties: section.properties.into_iter().map(|(key, value)| (key, value.to_string())).collect(),
            table_format,
            location,
        })
    }
}

/// How much is done and held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_rows: 1_000_000, batch_bytes: 256 << 20, memory_bytes: 1 << 30 }
    }
}

impl Limits {
    pub(crate) fn overlaid(self, section: &LimitsSection) -> Self {
        Self {
            batch_rows: section.batch_rows.map_or(self.batch_rows, NonZeroUsize::get),
            batch_bytes: section.batch_size.map_or(self.batch_bytes, |size| size.0.0),
            memory_bytes: section.memory_limit.map_or(self.memory_bytes, |size| size.0.0),
        }
    }
}
