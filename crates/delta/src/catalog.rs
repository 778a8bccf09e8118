//! Delta tables by their folders: `WAREHOUSE/NAMESPACE/TABLE` or any that is named, each with a `_delta_log`. No other catalog is
//! needed, or kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use waterline_core::error::Result;
use waterline_core::format::{Catalog, TableDefinition, TableFormat, TableState};
use waterline_core::table::TableName;
use waterline_env::attempts::{ATTEMPTS, pause};
use waterline_env::files::{Created, Files, NewFile, store_failed};
use waterline_env::probe::{Commits, Probe};
use waterline_env::{Env, location};

use crate::create;
use crate::log::{self, Log};
use crate::table::DeltaTable;

/// All Delta tables below a folder, and some elsewhere, in object stores with conditional create.
#[derive(Debug)]
pub struct DeltaCatalog {
    warehouse: String,
    /// Folders of tables that lie elsewhere.
    located: BTreeMap<TableName, String>,
    env: Env,
    files: Files,
    probe: Arc<Probe>,
}

impl DeltaCatalog {
    /// `warehouse` is a path or a URL.
    pub fn new(warehouse: &str, env: Env) -> Result<Self> {
        let probe = Arc::new(Probe::new(env.clone(), Commits::ByCreate));
        Ok(Self {
            warehouse: location::of_warehouse(warehouse)?,
            located: BTreeMap::new(),
            files: Files::new(env.stores.clone()),
            env,
            probe,
        })
    }

    /// Tables that are not in the warehouse, by path or URL of their folders.
    pub fn with_tables_at(mut self, locations: &BTreeMap<TableName, String>) -> Result<Self> {
        for (name, given) in locations {
            self.located.insert(name.clone(), location::of_warehouse(given).map_err(|e| e.with("table", name))?);
        }
        Ok(self)
    }

    fn log(&self, name: &TableName) -> Log {
        let in_warehouse = || format!("{}/{}/{}", self.warehouse, name.namespace(), name.name());
        Log { root: self.located.get(name).cloned().unwrap_or_else(in_warehouse), files: self.files.clone() }
    }

    fn table(&self, name: &TableName, log: Log) -> Arc<dyn TableFormat> {
        Arc::new(DeltaTable::new(name.clone(), log, self.env.clone(), self.probe.clone()))
    }

    /// Makes the table, whoever made it first. A create whose answer was lost is repeated until it is known to be there.
    async fn create_first(&self, file: &NewFile) -> Result<()> {
        self.probe.ensure(&file.location).await?;
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.files.create(file).await? {
                Created::Yes => return Ok(()),
                // S3 answers so to requests that collide, also where nothing is.
                Created::Exists if self.files.exists(&file.location).await? => return Ok(()),
                Created::Exists => {}
                Created::Unknown(error) => last = Some(store_failed(&file.location, error)),
            }
        }
        last.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Catalog for DeltaCatalog {
    async fn list(&self) -> Result<Vec<TableName>> {
        let mut names = Vec::new();
        for namespace in self.files.list(&self.warehouse).await?.folders {
            for table in self.files.list(&format!("{}/{namespace}", self.warehouse)).await?.folders {
                let Ok(name) = TableName::new(&namespace, &table) else { continue };
                if !self.located.contains_key(&name) && self.log(&name).exists().await? {
                    names.push(name);
                }
            }
        }
        for name in self.located.keys() {
            if self.log(name).exists().await? {
                names.push(name.clone());
            }
        }
        names.sort();
        Ok(names)
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        let log = self.log(name);
        Ok(log.exists().await?.then(|| self.table(name, log)))
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        create::preview(&self.log(name).root, definition, &self.env)
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        let log = self.log(name);
        if !log.exists().await? {
            create::preview(&log.root, definition, &self.env)?;
            let bytes = log::write_actions(&create::actions(definition, &self.env)?)?;
            self.create_first(&NewFile { location: log.commit_location(0), bytes: bytes.into() }).await?;
        }
        Ok(self.table(name, log))
    }
}
