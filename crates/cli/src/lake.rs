//! From settings to what the engine works with: the catalog and the lake around it.

mod formats;

use std::sync::Arc;

use waterline_core::error::Result;
use waterline_core::format::Catalog;
use waterline_delta::DeltaCatalog;
use waterline_engine::lake::Lake;
use waterline_env::Env;
use waterline_iceberg::{FilesystemCatalog, SqlCatalog};

pub(crate) use self::formats::DELTA;
use self::formats::Formats;
use crate::settings::{CatalogSettings, LakeSettings};

/// Opens the catalog, and makes it where it is an embedded one that is not there yet.
pub(crate) async fn open_catalog(settings: &LakeSettings, env: &Env) -> Result<Arc<dyn Catalog>> {
    let iceberg: Arc<dyn Catalog> = match &settings.catalog {
        CatalogSettings::Sql { name, uri, warehouse } => Arc::new(SqlCatalog::connect(uri.expose(), name, warehouse, env.clone()).await?),
        CatalogSettings::Filesystem { warehouse } => Arc::new(FilesystemCatalog::new(warehouse, env.clone())?),
    };
    let delta = DeltaCatalog::new(settings.catalog.warehouse(), env.clone())?.with_tables_at(&settings.locations)?;
    Ok(Arc::new(Formats { iceberg, delta: Arc::new(delta), located: settings.locations.keys().cloned().collect() }))
}

pub(crate) async fn open_lake(settings: &LakeSettings, env: &Env) -> Result<Lake> {
    Ok(Lake::new(open_catalog(settings, env).await?, env.clone()))
}
