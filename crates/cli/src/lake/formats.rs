//! One lake with tables of both formats. Those of Delta are found by their folders, whatever the catalog is.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Catalog, TABLE_FORMAT, TableDefinition, TableFormat, TableState};
use waterline_core::table::TableName;

/// Value of [`TABLE_FORMAT`].
pub(crate) const DELTA: &str = "delta";

#[derive(Debug)]
pub(super) struct Formats {
    pub(super) iceberg: Arc<dyn Catalog>,
    pub(super) delta: Arc<dyn Catalog>,
    /// Tables of Delta's whatever else is said, since their location is.
    pub(super) located: BTreeSet<TableName>,
}

impl Formats {
    /// The catalog for a new table, and the definition without what chose it.
    fn chosen(&self, name: &TableName, definition: &TableDefinition) -> (&Arc<dyn Catalog>, TableDefinition) {
        let mut definition = definition.clone();
        let is_delta = definition.properties.remove(TABLE_FORMAT).as_deref() == Some(DELTA) || self.located.contains(name);
        (if is_delta { &self.delta } else { &self.iceberg }, definition)
    }
}

#[async_trait]
impl Catalog for Formats {
    async fn list(&self) -> Result<Vec<TableName>> {
        let (mut names, delta) = futures::try_join!(self.iceberg.list(), self.delta.list())?;
        names.extend(delta);
        names.sort();
        Ok(names)
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        match futures::try_join!(self.iceberg.open(name), self.delta.open(name))? {
            (Some(_), Some(_)) => {
                Err(Error::usage("there are an Iceberg table and a Delta table of this name; rename or remove one").with("table", name))
            }
            (iceberg, delta) => Ok(iceberg.or(delta)),
        }
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        let (catalog, definition) = self.chosen(name, definition);
        catalog.preview(name, &definition)
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        let (catalog, definition) = self.chosen(name, definition);
        catalog.create(name, &definition).await
    }
}
