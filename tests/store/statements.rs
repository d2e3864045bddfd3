//! Every statement of the store is prepared against both migrated databases, the audit table only grows,
//! and addresses that cannot be used say so.

use super::Place;
use crate::support::filings::{filings, policy};
use crate::support::postgres;
use arfd::store::{StoreError, StoreOptions, open, sql};
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqlSafeStr, SqliteConnection};

#[tokio::test]
async fn all_prepare_on_sqlite() {
    let place = Place::sqlite();
    let store = place.open().await;
    let mut connection = SqliteConnection::connect(&place.url).await.unwrap();
    for statement in sql::all(false) {
        let prepared = connection.prepare(AssertSqlSafe(statement.clone()).into_sql_str());
        assert!(prepared.await.is_ok(), "{statement}");
    }
    store.close().await;
}

#[tokio::test]
async fn all_prepare_on_postgres() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let _store = place.open().await;
    let mut connection = postgres::connect(&place.url).await;
    for statement in sql::all(true) {
        let prepared = connection.prepare(AssertSqlSafe(statement.clone()).into_sql_str());
        if let Err(error) = prepared.await {
            panic!("{statement}: {error}");
        }
    }
}

#[tokio::test]
async fn audit_only_grows() {
    let place = Place::sqlite();
    let store = place.open().await;
    let bob = filings("bob", 0..2);
    store.file(&bob, &policy(2, &["filter"])).await.unwrap();
    let mut connection = SqliteConnection::connect(&place.url).await.unwrap();
    for tamper in ["delete from audit", "update audit set actor = 'nobody'"] {
        assert!(connection.execute(tamper).await.is_err(), "{tamper}");
    }
    let row = connection
        .fetch_one("select actor, action from audit")
        .await
        .unwrap();
    let found: (String, String) = (row.get(0), row.get(1));
    assert_eq!(found, ("rule burst".into(), "incident.opened".into()));
    if let Some(place) = Place::postgres().await {
        let store = place.open().await;
        store.file(&bob, &policy(2, &["filter"])).await.unwrap();
        let mut connection = postgres::connect(&place.url).await;
        for tamper in ["delete from audit", "update audit set actor = 'nobody'"] {
            assert!(connection.execute(tamper).await.is_err(), "{tamper}");
        }
    }
}

#[tokio::test]
async fn commits_reach_the_disk() {
    let place = Place::sqlite();
    let _store = place.open().await;
    let path = place.url.strip_prefix("sqlite://").unwrap();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut connection = SqliteConnection::connect(&place.url).await.unwrap();
    let row = connection.fetch_one("pragma journal_mode").await.unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
}

#[tokio::test]
async fn unusable_addresses_say_so() {
    for url in [
        "",
        "arfd.db",
        "mysql://x/y",
        "sqlite::memory:",
        "sqlite://",
        "sqlite:///dev/null/arfd.db",
        "postgres://[",
    ] {
        let error = open(url, &StoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Address(_)), "{url}: {error:?}");
    }
    let options = StoreOptions {
        timeout: std::time::Duration::from_secs(1),
        ..StoreOptions::default()
    };
    let error = open("postgres://x@localhost/x?host=/nowhere", &options).await;
    assert!(matches!(error, Err(StoreError::Unavailable(_))));
}
