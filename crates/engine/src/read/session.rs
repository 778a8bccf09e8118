//! A DataFusion session over a catalog.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono_tz::Tz;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use waterline_core::as_of::Beyond;
use waterline_core::error::Result;
use waterline_core::format::Catalog;
use waterline_core::table::TableName;
use waterline_env::Env;

use super::as_of_table::AsOfTable;
use super::catalog::{LakeCatalog, Tables};
use super::error::from_datafusion;
use super::share::ShareStable;
use super::sweep::Moments;
use super::version::ReadAt;
use crate::lake::{Lake, Limits};

/// Name of the catalog in SQL; queries need not say it.
const CATALOG: &str = "lake";
/// How many of the greatest users of memory an error about its lack names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN;

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Memory of queries; what does not fit is spilled to temporary files.
    pub memory_bytes: usize,
    /// How many partitions work at the same time; `None` for one per core.
    pub partitions: Option<NonZeroUsize>,
    /// Zone of moments in a query that are written without an offset; without one they need it.
    pub timezone: Option<Tz>,
    /// What tables are given that a query reads as of a moment of their own.
    pub beyond: Beyond,
    /// Bounds on the events that are folded at a time.
    pub limits: Limits,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, partitions: None, timezone: None, beyond: Beyond::Refuse, limits: Limits::default() }
    }
}

/// What a session knows beside DataFusion's own.
#[derive(Debug)]
pub(super) struct Lakeside {
    pub(super) tables: Arc<Tables>,
    pub(super) timezone: Option<Tz>,
}

/// A session in which `namespace.table` is a table of the catalog, as of `at`. A table is opened when a query first names it and
/// stays at that version for the life of the session. Unquoted names are lower-cased, as in PostgreSQL.
///
/// In [`super::query`] each table is also a function of a moment: `select * from shop.orders('2025-11-12T18:54:11Z')`.
pub fn session(catalog: Arc<dyn Catalog>, env: &Env, at: ReadAt, options: &SessionOptions) -> Result<SessionContext> {
    session_of(catalog, env, at, options, None)
}

/// [`session`]; with moments, tables that are not called with a moment of their own are at the one that is read now.
pub(super) fn session_of(
    catalog: Arc<dyn Catalog>,
    env: &Env,
    at: ReadAt,
    options: &SessionOptions,
    sweep: Option<Arc<Moments>>,
) -> Result<SessionContext> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), NAMED_CONSUMERS);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc().map_err(from_datafusion)?;
    let mut rules = PhysicalOptimizer::new().rules;
    if sweep.is_some() {
        rules.push(Arc::new(ShareStable));
    }
    let tables = Arc::new(Tables::new(Lake::new(catalog, env.clone()), at, options, sweep));
    let config = config(options).with_extension(Arc::new(Lakeside { tables: tables.clone(), timezone: options.timezone }));
    let builder = SessionStateBuilder::new().with_default_features().with_config(config).with_runtime_env(runtime);
    let state = builder.with_physical_optimizer_rules(rules).build();
    let session = SessionContext::new_with_state(state);
    session.register_catalog(CATALOG, Arc::new(LakeCatalog::new(tables)));
    Ok(session)
}

/// The tables that queries of a session have named so far and that are read as of a moment.
pub async fn as_of_tables(session: &SessionContext) -> Vec<(TableName, Arc<AsOfTable>)> {
    match session.state().config().get_extension::<Lakeside>() {
        Some(lakeside) => lakeside.tables.as_of().await,
        None => Vec::new(),
    }
}

/// The tables among them whose transactions may be visible in part, since their source stamps statements and the end of some
/// transactions was not known when they were logged.
pub async fn torn_tables(session: &SessionContext) -> BTreeSet<TableName> {
    match session.state().config().get_extension::<Lakeside>() {
        Some(lakeside) => lakeside.tables.torn().await,
        None => BTreeSet::new(),
    }
}

fn config(options: &SessionOptions) -> SessionConfig {
    let config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, "public")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_parquet_bloom_filter_pruning(true)
        .with_parquet_page_index_pruning(true);
    match options.partitions {
        Some(partitions) => config.with_target_partitions(partitions.get()),
        None => config,
    }
}
