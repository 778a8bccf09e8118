//! The table format of tests that work on any.

use std::sync::Arc;

use waterline_core::format::Catalog;
use waterline_delta::DeltaCatalog;
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

/// `delta` makes the tests of the program, and those that ask for [`catalog`], work on Delta tables.
pub(crate) fn asked() -> Option<String> {
    std::env::var("WATERLINE_TEST_FORMAT").ok()
}

/// A catalog of tables in folders; of Iceberg, where nothing else is asked for.
pub(crate) fn catalog(warehouse: &str, env: &Env) -> Arc<dyn Catalog> {
    match asked().as_deref() {
        Some("delta") => Arc::new(DeltaCatalog::new(warehouse, env.clone()).unwrap()),
        _ => Arc::new(FilesystemCatalog::new(warehouse, env.clone()).unwrap()),
    }
}
