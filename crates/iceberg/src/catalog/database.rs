//! The few statements that a catalog needs, alike on SQLite and PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use waterline_core::error::{Error, Result};

const CONNECTIONS: u32 = 4;
/// How long a statement waits for another process that writes to the same SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// What became of a statement that changes rows.
#[derive(Debug)]
pub(crate) enum Executed {
    /// Number of rows that it changed.
    Rows(u64),
    /// It was sent; whether it was done is not known.
    Unknown(Error),
}

impl Executed {
    /// For statements that can be repeated: an unknown outcome is an error.
    pub(crate) fn certain(self) -> Result<u64> {
        match self {
            Self::Rows(rows) => Ok(rows),
            Self::Unknown(error) => Err(error),
        }
    }
}

/// Runs `$body` with `$pool` as the pool of whichever database it is.
macro_rules! on {
    ($database:expr, $pool:ident => $body:expr) => {
        match $database {
            Database::Sqlite($pool) => $body,
            Database::Postgres($pool) => $body,
        }
    };
}

impl Database {
    pub(crate) async fn connect(uri: &str) -> Result<Self> {
        let invalid = |e: sqlx::Error| Error::usage("not the URI of a SQLite or PostgreSQL database").caused_by(e);
        if uri.starts_with("sqlite:") {
            // The journal mode is left as the file has it: a catalog may lie on a network file system, where WAL is unsafe.
            // A commit ends with the removal of the journal, and only `EXTRA` puts that on the disk too.
            let options = SqliteConnectOptions::from_str(uri).map_err(invalid)?.create_if_missing(true).busy_timeout(BUSY_TIMEOUT);
            let options = options.synchronous(SqliteSynchronous::Extra);
            let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
            return Ok(Self::Sqlite(pool.connect_with(options).await.map_err(unreachable)?));
        }
        let options = PgConnectOptions::from_str(&without_driver(uri)).map_err(invalid)?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
        Ok(Self::Postgres(pool.connect_with(options).await.map_err(unreachable)?))
    }

    /// Runs statements that make what lacks. Another process may make the same at the same time.
    pub(crate) async fn prepare(&self, statements: &[&str]) -> Result<()> {
        for statement in statements {
            let mut made = self.execute(statement, &[]).await?;
            if matches!(made, Executed::Unknown(_)) {
                made = self.execute(statement, &[]).await?;
            }
            made.certain()?;
        }
        Ok(())
    }

    /// Whether the database understands a query.
    pub(crate) async fn accepts(&self, query: &str) -> bool {
        on!(self, pool => sqlx::query(query).fetch_optional(pool).await.is_ok())
    }

    /// Changes rows. An error means that nothing was sent.
    pub(crate) async fn execute(&self, statement: &str, values: &[&str]) -> Result<Executed> {
        on!(self, pool => {
            let mut connection = pool.acquire().await.map_err(unreachable)?;
            let query = values.iter().fold(sqlx::query(statement), |query, value| query.bind(*value));
            Ok(match query.execute(&mut *connection).await {
                Ok(done) => Executed::Rows(done.rows_affected()),
                Err(error) => Executed::Unknown(unreachable(error)),
            })
        })
    }

    /// The one text that a query finds; `None` when there is no row.
    pub(crate) async fn text(&self, query: &str, values: &[&str]) -> Result<Option<Option<String>>> {
        on!(self, pool => {
            let query = values.iter().fold(sqlx::query_scalar(query), |query, value| query.bind(*value));
            query.fetch_optional(pool).await.map_err(unreachable)
        })
    }

    /// Two texts per row.
    pub(crate) async fn pairs(&self, query: &str, values: &[&str]) -> Result<Vec<(String, String)>> {
        on!(self, pool => {
            let query = values.iter().fold(sqlx::query_as(query), |query, value| query.bind(*value));
            query.fetch_all(pool).await.map_err(unreachable)
        })
    }
}

/// `postgresql+psycopg2://...`, as other tools write it, without the driver.
fn without_driver(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => format!("{}://{rest}", scheme.split('+').next().unwrap_or(scheme)),
        None => uri.to_owned(),
    }
}

fn unreachable(error: sqlx::Error) -> Error {
    Error::unavailable("the catalog's database refuses or cannot be reached").caused_by(error)
}
