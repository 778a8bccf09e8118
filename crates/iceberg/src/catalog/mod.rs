//! Catalogs: which tables there are, and where the current metadata of each is.

mod create;
mod database;
mod filesystem;
mod sql;

pub use filesystem::FilesystemCatalog;
pub use sql::SqlCatalog;
