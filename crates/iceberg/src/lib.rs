//! Apache Iceberg tables, format versions 2 and 3 (version 1 is read), behind the seam of `waterline_core::format`.
//!
//! The `iceberg` crate reads and writes the metadata files; snapshots, commits, deletes and scan planning are ours. All
//! bytes go through the stores of [`waterline_env::Env`]. Data files are Parquet and are the engine's: they are neither read nor
//! written here. Nothing is ever deleted.
//!
//! | part | what it does |
//! |---|---|
//! | `catalog` | SQL and filesystem catalogs; each is a [`pointer`] to the current metadata file |
//! | `state`, `schema`, `partition`, `value` | from Iceberg's words to the seam's |
//! | `manifest`, `scan`, `summaries`, `deletes` | which files a state has, and which of their rows are deleted |
//! | `commit`, `settle`, `evolve`, `refs`, `expire` | new snapshots and new metadata, submitted and settled |
//! | `reach` | which files of a table are needed |

mod bounds;
mod catalog;
mod commit;
mod deletes;
mod error;
mod evolve;
mod expire;
mod lineage;
mod location;
mod manifest;
mod metadata;
mod partition;
mod pointer;
mod reach;
mod refs;
mod scan;
mod schema;
mod settle;
mod state;
mod summaries;
mod table;
mod value;

use waterline_env::{cache, files, probe};

pub use catalog::{FilesystemCatalog, SqlCatalog};
