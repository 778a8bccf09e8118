//! Replays a decision rule against the state that it would have seen: at 20 moments of a day, which open orders would have
//! been held because their customer's credit does not cover them?
//!
//!     cargo run --example merge_folder -- /tmp/warehouse examples/sample/landing examples/sample/ddl.sql
//!     cargo run --example back_test -- /tmp/warehouse 2025-11-12T03:40:00Z 40

use std::fmt::Write;
use std::sync::Arc;

use futures::TryStreamExt;
use waterline_core::as_of::time_text;
use waterline_core::error::{Error, Result};
use waterline_core::moments::parse_moment;
use waterline_engine::read::{SessionOptions, SweepQuery, from_datafusion};
use waterline_env::Env;
use waterline_iceberg::FilesystemCatalog;

pub const RULE: &str = "select o.id, o.total - coalesce(c.credit, 0) as uncovered
    from shop.orders o left join shop.customers c on c.id = o.customer_id
    where o.status = 'open' and o.total > coalesce(c.credit, 0) order by o.id";

const MOMENTS: i64 = 20;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, first, minutes] = arguments.as_slice() else {
        return Err(Error::usage("arguments: WAREHOUSE_FOLDER FIRST_MOMENT MINUTES_BETWEEN_MOMENTS"));
    };
    let minutes = minutes.parse().map_err(|e| Error::usage("not a number of minutes").caused_by(e))?;
    print!("{}", run(warehouse, first, minutes).await?);
    Ok(())
}

/// What the rule would have decided at each moment, a line each.
pub async fn run(warehouse: &str, first: &str, minutes: i64) -> Result<String> {
    let env = Env::system();
    let catalog = Arc::new(FilesystemCatalog::new(warehouse, env.clone())?);
    let first_us = parse_moment(first, None)?;
    let moments: Vec<i64> = (0..MOMENTS).map(|number| first_us + number * minutes * 60_000_000).collect();

    // Both tables are read at one cut per moment, and what the moments have in common is read once. A moment for which events
    // may still arrive is an error, so that no decision is judged by half of what was known.
    let mut sweep = SweepQuery::new(catalog, &env, RULE, &moments, None, &SessionOptions::default())?;
    let mut text = String::new();
    while let Some((at_us, rows)) = sweep.next().await? {
        let held: Vec<_> = rows.try_collect().await.map_err(from_datafusion)?;
        let orders: usize = held.iter().map(|batch| batch.num_rows()).sum();
        let _ = writeln!(text, "{}: {orders} held", time_text(at_us));
    }
    Ok(text)
}
