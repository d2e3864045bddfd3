//! What a store owes its users, held against both databases: every check is written once over
//! `dyn Store` and run on a file of SQLite's and on a schema of PostgreSQL's.

mod aliases;
mod audit;
mod caps;
mod closing;
mod concurrency;
mod desk;
mod filing;
mod ladder;
mod life;
mod orders;
mod proving;
mod reconcile;
mod restraint;
mod routing;
mod speed;
mod statements;

use crate::support::postgres;
use arfd::store::{Store, StoreOptions, open};
use std::sync::Arc;

/// A database of one test's own.
struct Place {
    url: String,
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}/sub/arfd.db", dir.path().display()),
            _dir: Some(dir),
        }
    }

    async fn postgres() -> Option<Self> {
        let url = postgres::fresh_url().await?;
        Some(Self { url, _dir: None })
    }

    /// One more store on this database, as another node or process would open it.
    async fn open(&self) -> Arc<dyn Store> {
        let options = StoreOptions {
            connections: 4,
            timeout: std::time::Duration::from_secs(60),
            ..StoreOptions::default()
        };
        open(&self.url, &options).await.unwrap()
    }
}

/// Makes a test of each function for each database.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::Place::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(place) = crate::store::Place::postgres().await {
                    super::$name(place).await;
                }
            })+
        }
    };
}
use on_both;
