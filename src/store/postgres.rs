//! PostgreSQL: any number of nodes on one database. Row locks on identities make them count as one, and an
//! advisory lock lets only one of them bring the schema up to date.

use super::body::SqlStore;
use super::dialect::{Connection, Dialect, Row, Value, by_driver};
use super::sql::{self, Marks};
use super::trail;
use super::{StoreError, StoreOptions};
use sqlx::SqlStr;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, Postgres};
use std::str::FromStr;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("schemas/postgres");

/// A commit is to be on the disk when it is acknowledged, whatever the role's or the database's setting;
/// stronger settings (`remote_apply`) are left alone.
const DURABLE: &str = "select set_config('synchronous_commit', 'on', false) \
     where current_setting('synchronous_commit') = 'off'";

/// The dialect of PostgreSQL.
#[derive(Debug)]
pub(super) struct InPostgres;

impl Dialect for InPostgres {
    const MARKS: Marks = Marks::Numbered;
    const BEGIN: &'static str = "begin";
    const SKIPS_HELD: bool = true;
    const FLUSH: &'static str = "";

    by_driver!(Postgres);
}

/// Connects, and brings the schema up to date. The address is not part of any error: it may hold a
/// password.
pub(super) async fn open(
    url: &str,
    options: &StoreOptions,
) -> Result<SqlStore<InPostgres>, StoreError> {
    let connect = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Address(format!("the PostgreSQL address: {error}")))?
        .statement_cache_capacity(sql::PREPARED)
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(options.connections.max(1))
        .acquire_timeout(options.timeout)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(DURABLE).await.map(drop) })
        })
        .connect_with(connect)
        .await?;
    MIGRATIONS.run(&pool).await?;
    let store = SqlStore::new(pool.clone(), pool, options.cached_complaints);
    trail::chain_old(&store).await?;
    Ok(store)
}
