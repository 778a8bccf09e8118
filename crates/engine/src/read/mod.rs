//! Reading tables: queries in SQL over any catalog, at any kept version, and the deletes that apply to a data file.

mod as_of_table;
mod catalog;
mod deletes;
mod equality;
mod error;
mod groups;
mod moments;
mod opener;
mod prune;
mod query;
mod scan;
mod session;
mod share;
mod stable;
mod sweep;
mod sweep_table;
mod table;
mod version;

pub use as_of_table::AsOfTable;
pub use deletes::{Deletes, all_deleted_rows};
pub use query::query;
pub use session::{SessionOptions, as_of_tables, session, torn_tables};
pub use sweep::{MOMENT, SweepQuery, schema_with_moment, with_moment};
pub use table::LakeTable;
pub use version::{ReadAt, VersionSpec, resolve};

pub(crate) use error::external;
pub use error::from_datafusion;
pub(crate) use prune::pruner;
