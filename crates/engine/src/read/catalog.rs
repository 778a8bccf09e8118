//! A catalog as DataFusion sees it. Tables are opened when a query names them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use futures::stream::{self, StreamExt};
use tokio::sync::Mutex;
use waterline_core::as_of::{Beyond, Cut};
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;
use waterline_core::transactions::Atomicity;

use super::as_of_table::AsOfTable;
use super::error::external;
use super::session::SessionOptions;
use super::sweep::Moments;
use super::sweep_table::SweepTable;
use super::table::LakeTable;
use super::version::{ReadAt, first_few, resolve};
use crate::lake::{Lake, Limits};

/// All namespaces of a catalog.
#[derive(Debug)]
pub(super) struct LakeCatalog {
    tables: Arc<Tables>,
}

impl LakeCatalog {
    pub(super) fn new(tables: Arc<Tables>) -> Self {
        Self { tables }
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
        let (name, at) = self.tables.moment_of(name).map_err(external)?;
        let name = TableName::new(&self.name, name).map_err(external)?;
        Ok(Some(self.tables.get(&name, at).await.map_err(external)?.provider()))
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}

/// Of a session's memory, the share that a sweep may keep the columns of one table in.
const SWEEP_SHARE: usize = 2;

/// How many tables of a query are opened at a time.
const CONCURRENT_TABLES: usize = 8;

/// How the name of a table that is read as of a moment of its own ends: this, and the moment in microseconds.
const MOMENT: &str = "\u{1}as of ";

/// The name by which a query knows a table as of a moment.
pub(super) fn name_at(table: &str, at_us: i64) -> String {
    format!("{table}{MOMENT}{at_us}")
}

/// The tables that were opened, each at the version or cut that all queries of the session see.
#[derive(Debug)]
pub(super) struct Tables {
    lake: Lake,
    at: ReadAt,
    /// For tables that are read as of a moment.
    beyond: Beyond,
    limits: Limits,
    memory_bytes: usize,
    sweep: Option<Arc<Moments>>,
    opened: Mutex<HashMap<(TableName, ReadAt), Opened>>,
}

#[derive(Clone, Debug)]
enum Opened {
    Version(Arc<LakeTable>),
    Moment(Arc<AsOfTable>),
    Moments(Arc<SweepTable>),
}

impl Opened {
    fn provider(self) -> Arc<dyn TableProvider> {
        match self {
            Self::Version(table) => table,
            Self::Moment(table) => table,
            Self::Moments(table) => table,
        }
    }
}

impl Tables {
    pub(super) fn new(lake: Lake, at: ReadAt, options: &SessionOptions, sweep: Option<Arc<Moments>>) -> Self {
        let SessionOptions { beyond, limits, memory_bytes, .. } = *options;
        Self { lake, at, beyond, limits, memory_bytes, sweep, opened: Mutex::default() }
    }

    /// Those that were read as of a moment, by name.
    pub(super) async fn as_of(&self) -> Vec<(TableName, Arc<AsOfTable>)> {
        let opened = self.opened.lock().await;
        let moments = opened.iter().filter_map(|((name, _), table)| match table {
            Opened::Moment(table) => Some((name.clone(), table.clone())),
            Opened::Version(_) | Opened::Moments(_) => None,
        });
        let mut moments: Vec<_> = moments.collect();
        moments.sort_by_key(|(name, table)| (name.clone(), table.as_of().plan().at_us));
        moments
    }

    /// Those that were read as of a moment although transactions may be visible in part there.
    pub(super) async fn torn(&self) -> BTreeSet<TableName> {
        let is_torn = |table: &Opened| match table {
            Opened::Version(_) => false,
            Opened::Moment(table) => table.as_of().atomicity() == Atomicity::Torn,
            Opened::Moments(table) => table.first().as_of().atomicity() == Atomicity::Torn,
        };
        self.opened.lock().await.iter().filter(|(_, table)| is_torn(table)).map(|((name, _), _)| name.clone()).collect()
    }

    /// A table's own name, and where in its history it is read.
    fn moment_of<'a>(&self, name: &'a str) -> Result<(&'a str, ReadAt)> {
        let Some((name, moment)) = name.split_once(MOMENT) else { return Ok((name, self.at.clone())) };
        let at_us = moment.parse().map_err(|e| Error::internal("a moment is not a number").caused_by(e))?;
        let known_by_ms = match &self.at {
            ReadAt::AsOf(cut) => cut.known_by_ms,
            ReadAt::CommittedBy(time_ms) => Some(*time_ms),
            ReadAt::Head | ReadAt::Version(_) => None,
        };
        Ok((name, ReadAt::AsOf(Cut { at_us, known_by_ms, beyond: self.beyond })))
    }

    async fn get(&self, name: &TableName, at: ReadAt) -> Result<Opened> {
        let mut opened = self.opened.lock().await;
        let key = (name.clone(), at);
        if let Some(table) = opened.get(&key) {
            return Ok(table.clone());
        }
        let table = self.open(name, &key.1).await?;
        opened.insert(key, table.clone());
        Ok(table)
    }

    /// Opens the tables that a query names, at the same time. What fails is opened again when it is planned, and says why there.
    pub(super) async fn open_ahead(&self, named: &[TableReference]) {
        let mut opened = self.opened.lock().await;
        let mut keys: Vec<(TableName, ReadAt)> = Vec::new();
        for named in named {
            let Some(key) = named.schema().and_then(|namespace| {
                let (name, at) = self.moment_of(named.table()).ok()?;
                Some((TableName::new(namespace, name).ok()?, at))
            }) else {
                continue;
            };
            if !opened.contains_key(&key) && !keys.contains(&key) {
                keys.push(key);
            }
        }
        let open = async |key: (TableName, ReadAt)| Some((self.open(&key.0, &key.1).await.ok()?, key));
        let mut opening = stream::iter(keys).map(open).buffer_unordered(CONCURRENT_TABLES);
        while let Some(found) = opening.next().await {
            opened.extend(found.map(|(table, key)| (key, table)));
        }
    }

    async fn open(&self, name: &TableName, at: &ReadAt) -> Result<Opened> {
        let Some(format) = self.lake.catalog.open(name).await? else { return Err(self.no_such_table(name).await) };
        if let (ReadAt::AsOf(cut), Some(moments)) = (at, self.sweep.as_ref().filter(|_| *at == self.at)) {
            let table = SweepTable::open(&self.lake, name, cut, moments.clone(), &self.limits, self.memory_bytes / SWEEP_SHARE).await?;
            return Ok(Opened::Moments(Arc::new(table)));
        }
        if let ReadAt::AsOf(cut) = at {
            return Ok(Opened::Moment(Arc::new(AsOfTable::open(&self.lake, name, cut, &self.limits).await?)));
        }
        let state = resolve(format.as_ref(), at).await?;
        Ok(Opened::Version(Arc::new(LakeTable::new(format, state, self.lake.files.clone())?)))
    }

    async fn no_such_table(&self, name: &TableName) -> Error {
        let error = Error::not_found("there is no such table").with("table", name);
        let Ok(tables) = self.lake.catalog.list().await else { return error };
        let text = name.to_string();
        if tables.iter().any(|other| other.to_string().to_lowercase() == text.to_lowercase()) {
            return error.with("hint", "the catalog has it in other case: write the name in double quotes");
        }
        let beside: Vec<String> = tables.iter().filter(|other| other.namespace() == name.namespace()).map(ToString::to_string).collect();
        let known = if beside.is_empty() { tables.iter().map(ToString::to_string).collect() } else { beside };
        error.with("tables", first_few(known.into_iter()))
    }
}
