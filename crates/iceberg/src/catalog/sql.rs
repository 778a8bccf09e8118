//! The SQL catalog of Iceberg's JDBC catalog and of PyIceberg: a row per table with the location of its metadata file.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Catalog, TableDefinition, TableFormat, TableState};
use waterline_core::table::TableName;
use waterline_env::Env;

use crate::catalog::create;
use crate::catalog::database::{Database, Executed};
use crate::files::{Files, NewFile};
use crate::location::{self, MetadataCodec};
use crate::metadata::{self, Metadata};
use crate::pointer::{Pointer, Swap};
use crate::probe::{Commits, Probe};
use crate::table::IcebergTable;

const CREATE_TABLES: &str = "CREATE TABLE IF NOT EXISTS iceberg_tables (\
    catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, \
    metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), \
    PRIMARY KEY (catalog_name, table_namespace, table_name))";
const CREATE_NAMESPACES: &str = "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (\
    catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, \
    property_value VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))";
const HAS_TYPES: &str = "SELECT iceberg_type FROM iceberg_tables WHERE 1 = 0";
const ADD_NAMESPACE: &str = "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) \
    VALUES ($1, $2, 'exists', 'true') ON CONFLICT DO NOTHING";
const ADD_TABLE: &str = "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const ADD_TYPED_TABLE: &str = "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type) \
    VALUES ($1, $2, $3, $4, 'TABLE') ON CONFLICT DO NOTHING";
const LIST: &str = "SELECT table_namespace, table_name FROM iceberg_tables WHERE catalog_name = $1";
const FIND: &str = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3";
const SWAP: &str = "UPDATE iceberg_tables SET metadata_location = $5, previous_metadata_location = $4 \
    WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $4";
/// Views are in the same table.
const ONLY_TABLES: &str = " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";

/// A catalog in SQLite or PostgreSQL.
#[derive(Debug)]
pub struct SqlCatalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    name: String,
    warehouse: String,
    env: Env,
    files: Files,
    probe: Probe,
    /// Older catalogs have no views, and no column to tell them from tables.
    has_types: bool,
}

impl SqlCatalog {
    /// Opens the catalog and makes its tables where they lack. `uri` is `sqlite:PATH`, `sqlite:///PATH` or `postgres://...`;
    /// `warehouse` is the path or URL under which new tables go.
    pub async fn connect(uri: &str, catalog_name: &str, warehouse: &str, env: Env) -> Result<Self> {
        let warehouse = location::of_warehouse(warehouse)?;
        let database = Database::connect(uri).await?;
        database.prepare(&[CREATE_TABLES, CREATE_NAMESPACES]).await?;
        let has_types = database.accepts(HAS_TYPES).await;
        let files = Files::new(env.stores.clone());
        let probe = Probe::new(env.clone(), Commits::Elsewhere);
        Ok(Self { inner: Arc::new(Inner { database, name: catalog_name.into(), warehouse, env, files, probe, has_types }) })
    }
}

#[async_trait]
impl Catalog for SqlCatalog {
    async fn list(&self) -> Result<Vec<TableName>> {
        let rows = self.inner.database.pairs(&self.inner.only_tables(LIST), &[&self.inner.name]).await?;
        let mut names: Vec<TableName> = rows.iter().filter_map(|(namespace, name)| nameable(namespace, name)).collect();
        names.sort();
        Ok(names)
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        let found = self.inner.find(name).await?;
        Ok(found.map(|_| self.inner.clone().table(name)))
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        create::preview(definition, &self.inner.location(name), &self.inner.env)
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        if self.inner.find(name).await?.is_none() {
            self.inner.create(name, definition).await?;
        }
        Ok(self.inner.clone().table(name))
    }
}

fn nameable(namespace: &str, name: &str) -> Option<TableName> {
    let table = TableName::new(namespace, name);
    if table.is_err() {
        tracing::warn!(namespace, name, "the catalog holds a table that cannot be named here");
    }
    table.ok()
}

impl Inner {
    fn table(self: Arc<Self>, name: &TableName) -> Arc<dyn TableFormat> {
        let env = self.env.clone();
        let pointer = Row { catalog: self, table: name.clone() };
        Arc::new(IcebergTable::new(name.clone(), Arc::new(pointer), env))
    }

    /// Folder of a new table.
    fn location(&self, name: &TableName) -> String {
        format!("{}/{}/{}", self.warehouse, name.namespace(), name.name())
    }

    fn only_tables(&self, sql: &str) -> String {
        format!("{sql}{}", if self.has_types { ONLY_TABLES } else { "" })
    }

    async fn find(&self, name: &TableName) -> Result<Option<String>> {
        let row = self.database.text(&self.only_tables(FIND), &[&self.name, name.namespace(), name.name()]).await?;
        match row {
            Some(None) => Err(Error::corrupt("the catalog has no metadata location for the table").with("table", name)),
            Some(Some(location)) => Ok(Some(location)),
            None => Ok(None),
        }
    }

    /// Whoever inserts the row first has made the table.
    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<()> {
        let location = self.location(name);
        let table = create::new_table(definition, &location, &self.env)?;
        let codec = metadata::codec(&table)?;
        let file = NewFile {
            location: location::pointed_metadata(&location, 0, self.env.ids.uuid(), codec),
            bytes: metadata::serialise(&table, codec)?,
        };
        self.probe.ensure(&file.location).await?;
        self.files.write(&file).await?;
        self.database.execute(ADD_NAMESPACE, &[&self.name, name.namespace()]).await?.certain()?;
        let insert = if self.has_types { ADD_TYPED_TABLE } else { ADD_TABLE };
        self.database.execute(insert, &[&self.name, name.namespace(), name.name(), &file.location]).await?.certain()?;
        Ok(())
    }
}

/// A table's row as the pointer to its metadata.
#[derive(Debug)]
struct Row {
    catalog: Arc<Inner>,
    table: TableName,
}

#[async_trait]
impl Pointer for Row {
    async fn current(&self) -> Result<String> {
        let found = self.catalog.find(&self.table).await?;
        found.ok_or_else(|| Error::not_found("the table is not in the catalog any more").with("table", &self.table))
    }

    fn successor(&self, base: &Metadata, codec: MetadataCodec, id: Uuid) -> String {
        let table = base.table.location().trim_end_matches('/');
        location::pointed_metadata(table, location::metadata_version(&base.location) + 1, id, codec)
    }

    async fn swap(&self, base: &str, next: &NewFile) -> Result<Swap> {
        self.catalog.probe.ensure(&next.location).await?;
        self.catalog.files.write(next).await?;
        let update = self.catalog.only_tables(SWAP);
        let values = [&self.catalog.name, self.table.namespace(), self.table.name(), base, &next.location];
        Ok(match self.catalog.database.execute(&update, &values).await? {
            Executed::Rows(0) => Swap::Lost,
            Executed::Rows(_) => Swap::Won,
            Executed::Unknown(error) => Swap::Unknown(error),
        })
    }

    fn own_files(&self) -> Vec<String> {
        Vec::new()
    }
}
