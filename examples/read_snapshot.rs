//! Queries Iceberg tables with DataFusion as they were at a snapshot, or as they are now.
//!
//!     cargo run --example read_snapshot -- /tmp/warehouse 'select * from shop.orders order by id'
//!     cargo run --example read_snapshot -- /tmp/warehouse 'select * from shop.orders order by id' SNAPSHOT_ID_OR_TAG

use std::sync::Arc;

use waterline_core::error::{Error, Result};
use waterline_engine::read::{ReadAt, SessionOptions, from_datafusion, query, session};
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = match arguments.as_slice() {
        [warehouse, sql] => run(warehouse, sql, None).await?,
        [warehouse, sql, snapshot] => run(warehouse, sql, Some(snapshot)).await?,
        _ => return Err(Error::usage("arguments: WAREHOUSE_FOLDER SQL [SNAPSHOT_ID_OR_TAG]")),
    };
    println!("{rows}");
    Ok(())
}

/// The rows of a query, as a table of text.
pub async fn run(warehouse: &str, sql: &str, snapshot: Option<&str>) -> Result<String> {
    let env = Env::system();
    let catalog = Arc::new(FilesystemCatalog::new(warehouse, env.clone())?);

    // Every commit is a snapshot with an id. Tags and branches are names for some of them.
    let at = snapshot.map_or(ReadAt::Head, ReadAt::snapshot);

    // A DataFusion session in which `namespace.table` is a table of the catalog. A table stays at the version that the
    // session first read, so that later queries of the session agree with earlier ones.
    let session = session(catalog, &env, at, &SessionOptions::default())?;

    // From here on it is all DataFusion: `query` gives a DataFrame. It differs from `session.sql` in that it only reads.
    let rows = query(&session, sql).await?;
    rows.to_string().await.map_err(from_datafusion)
}
