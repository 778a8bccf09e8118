//! The table formats of tests that work on any.

use std::sync::Arc;

use waterline_core::format::Catalog;
use waterline_delta::DeltaCatalog;
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Iceberg,
    Delta,
}

impl Format {
    /// A catalog of tables in folders.
    pub(crate) fn catalog(self, warehouse: &str, env: &Env) -> Arc<dyn Catalog> {
        match self {
            Self::Iceberg => Arc::new(FilesystemCatalog::new(warehouse, env.clone()).unwrap()),
            Self::Delta => Arc::new(DeltaCatalog::new(warehouse, env.clone()).unwrap()),
        }
    }

    /// Iceberg, where [`asked`] says nothing else.
    pub(crate) fn asked_for() -> Self {
        match asked().as_deref() {
            Some("delta") => Self::Delta,
            _ => Self::Iceberg,
        }
    }
}

/// `delta` makes the tests of the program, and those that ask for [`Format::asked_for`], work on Delta tables.
pub(crate) fn asked() -> Option<String> {
    std::env::var("WATERLINE_TEST_FORMAT").ok()
}

/// Runs each of the tests, which are functions of a [`Format`], on tables of both.
macro_rules! in_both_formats {
    ($($test:ident),+ $(,)?) => {
        mod iceberg {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::formats::Format::Iceberg).await;
            })+
        }

        mod delta {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::formats::Format::Delta).await;
            })+
        }
    };
}
pub(crate) use in_both_formats;
