//! SQLite: one file, one writer. Every commit is flushed to the disk before it is acknowledged
//! (`synchronous=FULL`); readers have their own connections and never wait for the writer.

use super::body::SqlStore;
use super::dialect::{Connection, Dialect, Row, Value, by_driver};
use super::sql::{self, Marks};
use super::trail;
use super::{StoreError, StoreOptions};
use sqlx::SqlStr;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Sqlite};
use std::path::Path;
use std::str::FromStr;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("schemas/sqlite");

/// The dialect of SQLite.
#[derive(Debug)]
pub(super) struct InSqlite;

impl Dialect for InSqlite {
    const MARKS: Marks = Marks::Bare;
    const BEGIN: &'static str = "begin immediate";
    const SKIPS_HELD: bool = false;
    const FLUSH: &'static str = "pragma wal_checkpoint(truncate)";

    by_driver!(Sqlite);
}

/// Opens the file, made with its directory where it is not there.
pub(super) async fn open(
    url: &str,
    options: &StoreOptions,
) -> Result<SqlStore<InSqlite>, StoreError> {
    let unusable = |why: &dyn std::fmt::Display| StoreError::Address(why.to_string());
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(unusable(&"memory keeps nothing"));
    }
    let connect = SqliteConnectOptions::from_str(url).map_err(|error| unusable(&error))?;
    let path = connect.get_filename().to_owned();
    if path.as_os_str().is_empty() {
        return Err(unusable(&"a file is needed"));
    }
    create(&path).map_err(|error| unusable(&error))?;
    let connect = connect
        .busy_timeout(options.timeout)
        .foreign_keys(true)
        .statement_cache_capacity(sql::PREPARED)
        .synchronous(SqliteSynchronous::Full)
        // Pages that hold a report's rows without spilling, kept until a good many commits can share the
        // copying back, and enough of the indexes in memory. Digests as keys touch many pages.
        .page_size(8192)
        .pragma("cache_size", "-32768")
        .pragma("wal_autocheckpoint", "4000")
        .disable_statement_logging();
    let writers = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // On a full disk SQLite rolls back by itself, and the driver still counts a transaction that it cannot end:
        // such a connection never begins another one. The ping waits until a rollback under way is done.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(connect.clone().journal_mode(SqliteJournalMode::Wal))
        .await?;
    MIGRATIONS.run(&writers).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .acquire_timeout(options.timeout)
        // Each connection has a cache of its own, and those that only list need little.
        .connect_lazy_with(connect.pragma("cache_size", "-4096").read_only(true));
    let store = SqlStore::new(writers, readers, options.cached_complaints);
    trail::chain_old(&store).await?;
    Ok(store)
}

/// Makes the file readable for its owner only; SQLite gives its side files the same mode. One that is
/// there already keeps the mode it has.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = std::fs::OpenOptions::new();
    file.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop)
}
