//! A catalog as DataFusion sees it. Tables are opened when a query names them.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use tokio::sync::Mutex;
use waterline_core::error::{Error, Result};
use waterline_core::format::Catalog;
use waterline_core::table::TableName;
use waterline_env::Env;

use super::error::external;
use super::table::LakeTable;
use super::version::{ReadAt, first_few, resolve};
use crate::parquet_io::ParquetFiles;

/// All namespaces of a catalog.
#[derive(Debug)]
pub(super) struct LakeCatalog {
    tables: Arc<Tables>,
}

impl LakeCatalog {
    pub(super) fn new(catalog: Arc<dyn Catalog>, env: &Env, at: ReadAt) -> Self {
        Self { tables: Arc::new(Tables { catalog, files: ParquetFiles::new(env), at, opened: Mutex::default() }) }
    }
}

impl CatalogProvider for LakeCatalog {
    /// Names are known to the catalog alone, which is asked when a table is opened.
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Namespace { name: name.into(), tables: self.tables.clone() }))
    }
}

#[derive(Debug)]
struct Namespace {
    name: String,
    tables: Arc<Tables>,
}

#[async_trait]
impl SchemaProvider for Namespace {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> datafusion::error::Result<Option<Arc<dyn TableProvider>>> {
        let name = TableName::new(&self.name, name).map_err(external)?;
        let table = self.tables.get(&name).await.map_err(external)?;
        Ok(Some(table))
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}

/// The tables that were opened, each at the version that all queries of the session see.
#[derive(Debug)]
struct Tables {
    catalog: Arc<dyn Catalog>,
    files: ParquetFiles,
    at: ReadAt,
    opened: Mutex<HashMap<TableName, Arc<LakeTable>>>,
}

impl Tables {
    async fn get(&self, name: &TableName) -> Result<Arc<LakeTable>> {
        let mut opened = self.opened.lock().await;
        if let Some(table) = opened.get(name) {
            return Ok(table.clone());
        }
        let Some(format) = self.catalog.open(name).await? else { return Err(self.no_such_table(name).await) };
        let state = resolve(format.as_ref(), &self.at).await?;
        let table = Arc::new(LakeTable::new(format, state, self.files.clone())?);
        opened.insert(name.clone(), table.clone());
        Ok(table)
    }

    async fn no_such_table(&self, name: &TableName) -> Error {
        let error = Error::not_found("there is no such table").with("table", name);
        let Ok(tables) = self.catalog.list().await else { return error };
        let text = name.to_string();
        if tables.iter().any(|other| other.to_string().to_lowercase() == text.to_lowercase()) {
            return error.with("hint", "the catalog has it in other case: write the name in double quotes");
        }
        let beside: Vec<String> = tables.iter().filter(|other| other.namespace() == name.namespace()).map(ToString::to_string).collect();
        let known = if beside.is_empty() { tables.iter().map(ToString::to_string).collect() } else { beside };
        error.with("tables", first_few(known.into_iter()))
    }
}
