//! From settings to what the engine works with: the catalog.

use std::sync::Arc;

use waterline_core::error::{Error, Result};
use waterline_core::format::Catalog;
use waterline_env::Env;

use crate::settings::CatalogSettings;

/// Opens the catalog, and makes it where it is an embedded one that is not there yet.
pub(crate) async fn open_catalog(settings: &CatalogSettings, _env: &Env) -> Result<Arc<dyn Catalog>> {
    Err(Error::unsupported("the Iceberg catalog is not connected yet").with("warehouse", settings.warehouse()))
}

pub(crate) fn not_connected() -> Error {
    Error::unsupported("this command is not connected to the engine yet")
}
