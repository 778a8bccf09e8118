//! Where tables are kept and who knows them by name.

use std::path::Path;

use waterline_core::error::{Error, Result};

use crate::settings::absolute;
use crate::settings::amount::Secret;
use crate::settings::file::{CatalogKind, CatalogSection};

/// Name under which tables stand in a SQL catalog, which can hold several catalogs.
const DEFAULT_NAME: &str = "waterline";
const DEFAULT_WAREHOUSE: &str = "warehouse";

#[derive(Clone, Debug)]
pub enum CatalogSettings {
    /// A SQL catalog (the JDBC catalog's schema) in SQLite or PostgreSQL.
    Sql { name: String, uri: Secret, warehouse: String },
    /// Tables by their folders under the warehouse.
    Filesystem { warehouse: String },
}

impl CatalogSettings {
    pub(crate) fn from_section(section: CatalogSection, folder: &Path) -> Result<Self> {
        let warehouse = absolute(section.warehouse.as_deref().unwrap_or(DEFAULT_WAREHOUSE), folder)?;
        match (section.kind, section.uri) {
            (CatalogKind::Sql, Some(uri)) => {
                Ok(Self::Sql { name: section.name.unwrap_or_else(|| DEFAULT_NAME.into()), uri: sql_uri(&uri, folder)?, warehouse })
            }
            (CatalogKind::Sql, None) => Err(Error::usage("a catalog of type sql needs a uri").with("key", "catalog.uri")),
            (CatalogKind::Filesystem, None) => Ok(Self::Filesystem { warehouse }),
            (CatalogKind::Filesystem, Some(_)) => {
                Err(Error::usage("a catalog of type filesystem is its warehouse, and has no uri").with("key", "catalog.uri"))
            }
        }
    }

    /// The catalog that `--catalog` names. The file's warehouse and catalog name stay, where there is a file.
    pub(crate) fn from_uri(uri: &str, section: Option<CatalogSection>, folder: &Path, cwd: &Path) -> Result<Self> {
        if !is_sql(uri) {
            return Ok(Self::Filesystem { warehouse: absolute(uri, cwd)? });
        }
        let (name, warehouse) = section.map_or((None, None), |section| (section.name, section.warehouse));
        let warehouse = absolute(warehouse.as_deref().unwrap_or(DEFAULT_WAREHOUSE), folder)?;
        Ok(Self::Sql { name: name.unwrap_or_else(|| DEFAULT_NAME.into()), uri: sql_uri(uri, cwd)?, warehouse })
    }

    pub fn warehouse(&self) -> &str {
        match self {
            Self::Sql { warehouse, .. } | Self::Filesystem { warehouse } => warehouse,
        }
    }
}

fn is_sql(uri: &str) -> bool {
    ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| uri.starts_with(scheme))
}

/// The URI with the path of a SQLite file made absolute. The URI itself may hold a password, so errors do not show it.
fn sql_uri(uri: &str, folder: &Path) -> Result<Secret> {
    if !is_sql(uri) {
        return Err(Error::usage("a SQL catalog's uri starts with sqlite: or postgres://"));
    }
    let Some(path) = uri.strip_prefix("sqlite:") else { return Ok(Secret::new(uri)) };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') {
        return Err(Error::usage("a SQLite catalog is a file; write sqlite:catalog.db"));
    }
    Ok(Secret::new(format!("sqlite:{}", absolute(path, folder)?)))
}
